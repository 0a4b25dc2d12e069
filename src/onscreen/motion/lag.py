"""How much later one signal is than another, and music features than the sound they should describe, by cross-correlation."""

from __future__ import annotations

import numpy as np

from onscreen.motion import music

_MIN_OVERLAP = 0.5  # of the shorter signal: fewer values correlate by chance


def lag_s(reference: np.ndarray, other: np.ndarray, rate_hz: float, max_lag_s: float) -> tuple[float, float]:
    """How many seconds `other` comes later than `reference` (earlier: negative), and how well the two agree there.

    reference, other: (N,) or (N, B), at the same rate_hz; B bands count alike. Raises ValueError for a value that is not finite.
    Returns the lag, between samples by a parabola through the best three, within max_lag_s; and Pearson's correlation over what
    overlaps, -1 to 1, mean of the bands; 0, 0 where nothing varies or too little overlaps.
    """
    one, two = (np.asarray(signal, np.float64).reshape(len(signal), -1) for signal in (reference, other))
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise ValueError("a signal holds values that are not finite")
    shorter = min(len(one), len(two))
    reach = min(int(np.ceil(max_lag_s * rate_hz)), int(shorter * (1 - _MIN_OVERLAP)))
    if shorter < 2:
        return 0.0, 0.0
    found = np.mean([_correlations(a, b, reach) for a, b in zip(one.T, two.T, strict=True)], axis=0)
    best = int(found.argmax())
    if not found[best] > 0:
        return 0.0, float(found[best])
    limit = max_lag_s
    return float(np.clip((best - reach + between(found, best)) / rate_hz, -limit, limit)), float(found[best])


def music_lag_s(features: np.ndarray, samples: np.ndarray, fps: int, max_lag_s: float = 1.0) -> tuple[float, float]:
    """How many seconds the sound comes later than the music features say, and how well the two agree there.

    features: (T, 4800) in the layout of motion/music.py. samples: (N,) float32 mono at music.rate_hz(fps), sample 0 at frame 0.
    Compares the log-mel columns of frame t, at fps values a second, with those of the sound at four times as many.
    Returns the lag and the correlation as lag_s does. Sound of another recording gives some lag with a low correlation.
    """
    row = next(row for row in music.layout() if (row["name"], row["offset"]) == ("log_mel_db", 0))
    said = np.asarray(features[:, row["start"] : row["stop"]], np.float64)
    heard = music.log_mel_db(samples, fps, _FINE)
    rows = np.arange(len(said)) * _FINE
    return _lag_of_grid(said, heard, rows, fps * _FINE, max_lag_s)


_FINE = 4  # values of the sound a video frame


def _lag_of_grid(said: np.ndarray, heard: np.ndarray, rows: np.ndarray, rate_hz: int, max_lag_s: float) -> tuple[float, float]:
    """The shift at which heard[rows + shift] is most like said, over all shifts with enough of said in reach."""
    reach = int(np.ceil(max_lag_s * rate_hz))
    found = np.full(2 * reach + 1, -1.0)
    for index, shift in enumerate(range(-reach, reach + 1)):
        inside = (rows + shift >= 0) & (rows + shift < len(heard))
        if inside.sum() >= max(2, _MIN_OVERLAP * len(rows)):
            found[index] = _likeness(said[inside], heard[rows[inside] + shift])
    best = int(found.argmax())
    if not found[best] > 0:
        return 0.0, max(0.0, float(found[best]))
    return (best - reach + between(found, best)) / rate_hz, float(found[best])


def _likeness(one: np.ndarray, two: np.ndarray) -> float:
    """Pearson's correlation of two (N, B) after each band's mean is taken off."""
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    power = np.sqrt((one**2).sum() * (two**2).sum())
    return float((one * two).sum() / power) if power > 0 else 0.0


def _correlations(one: np.ndarray, two: np.ndarray, reach: int) -> np.ndarray:
    """(2 reach + 1,) Pearson's correlation of one[i] and two[i + lag] for lag -reach .. reach, over what overlaps."""
    from scipy.signal import correlate, correlation_lags

    one, two = one - one.mean(), two - two.mean()
    lags = correlation_lags(len(two), len(one))
    kept = np.abs(lags) <= reach
    lags = lags[kept]
    start, stop = np.maximum(0, -lags), np.minimum(len(one), len(two) - lags)
    count = stop - start
    sums = [np.concatenate([[0.0], np.cumsum(values)]) for values in (one, one**2, two, two**2)]
    a, aa = (total[stop] - total[start] for total in sums[:2])
    b, bb = (total[stop + lags] - total[start + lags] for total in sums[2:])
    product = correlate(two, one)[kept] - a * b / count
    power = np.clip(aa - a * a / count, 0, None) * np.clip(bb - b * b / count, 0, None)
    floor = 1e-18 * max(1e-300, float((one**2).sum() * (two**2).sum()))
    return np.where(power > floor, product / np.sqrt(np.maximum(power, floor)), 0.0)


def between(values: np.ndarray, best: int) -> float:
    """Where the top of the parabola through the best value and its neighbours lies, -0.5 to 0.5 of a step from it."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
