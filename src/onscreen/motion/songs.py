"""Which sounds are of one recording: landmark fingerprints (Wang 2003, "An Industrial-Strength Audio Search Algorithm").

Peaks of the spectrogram survive noise, levels and codecs. A pair of peaks near each other is a hash (both frequencies and the time
between them); two sounds of one recording share hashes at one time offset. Rates and the peak pairs' reach follow audfprint (Ellis).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

RATE_HZ, N_FFT, HOP = 11025, 1024, 256  # 43 frames a second
_PEAK_BINS, _PEAK_FRAMES = 15, 5  # a peak is the highest of this many bins and frames on either side
_PEAKS_S = 30  # peaks a second at most, the highest above their surroundings
_FAN_OUT = 5  # pairs a peak, the nearest in time
_MAX_FRAMES, _MAX_BINS = 63, 127  # how far apart the peaks of a pair may lie
_NEIGHBOURS = 16  # entries of one hash that are compared with each; bounds time and memory where many clips share a song
_PAIRS_AT_ONCE = 8_000_000
_FLOOR_DB = -80.0  # below the loudest: the floor of 16-bit silence holds no landmarks
# Two sounds are joined when by chance fewer than one of a hundred sets of 100,000 sounds had a pair that agrees so well.
_CHANCE = 0.01 / (1e5**2 / 2)


def fingerprint(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """(H, 2) int32: hash and frame (of 23.2 ms) of each pair of peaks, in order of time. (0, 2) of silence.

    samples: (N,) float32 mono. Raises ValueError for samples that are not finite.
    """
    if not np.isfinite(samples).all():
        raise ValueError("the sound holds samples that are not finite")
    frames, bins = _peaks(samples, rate_hz)
    return _pairs(frames, bins)


def same_songs(fingerprints: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) int64: sounds of one recording have one number, counting from 0 in order of first appearance.

    Whether two sounds are joined does not depend on how many others there are.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    total = len(fingerprints)
    if not total:
        return np.zeros(0, np.int64)
    one, two = _joined(fingerprints)
    graph = coo_matrix((np.ones(len(one)), (one, two)), (total, total))
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], np.int64)


def _peaks(samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames and bins of the spectrogram's peaks, in order of time."""
    import soxr
    from scipy.ndimage import maximum_filter, uniform_filter
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    sound = soxr.resample(np.asarray(samples, np.float32), rate_hz, RATE_HZ) if rate_hz != RATE_HZ else samples
    if len(sound) < N_FFT or not np.abs(sound).max() > 0:
        return np.zeros(0, int), np.zeros(0, int)
    transform = ShortTimeFFT(hann(N_FFT, sym=False), HOP, RATE_HZ)
    level = 20 * np.log10(np.abs(transform.stft(sound)) + 1e-10)
    level = np.maximum(level, level.max() + _FLOOR_DB)
    above = level - uniform_filter(level, (2 * _PEAK_BINS + 1, 2 * _PEAK_FRAMES + 1))
    highest = maximum_filter(level, (2 * _PEAK_BINS + 1, 2 * _PEAK_FRAMES + 1))
    bins, frames = np.nonzero((level == highest) & (above > 0))
    rank = np.argsort(-above[bins, frames], kind="stable")
    seconds = frames[rank] * HOP // RATE_HZ
    order = np.argsort(seconds, kind="stable")
    place = np.arange(len(order)) - np.searchsorted(seconds[order], seconds[order])
    kept = rank[order[place < _PEAKS_S]]
    kept = kept[np.lexsort((bins[kept], frames[kept]))]
    return frames[kept], bins[kept]


def _pairs(frames: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(H, 2) hash and frame of each peak with the first peaks after it that are near enough."""
    made, taken = list[np.ndarray](), np.zeros(len(frames), int)
    for step in range(1, len(frames)):
        apart, up = frames[step:] - frames[:-step], bins[step:] - bins[:-step]
        if apart.min() > _MAX_FRAMES:
            break
        near = (apart >= 1) & (apart <= _MAX_FRAMES) & (np.abs(up) <= _MAX_BINS) & (taken[:-step] < _FAN_OUT)
        taken[:-step] += near
        hashes = (bins[:-step] << 14 | (up + 128) << 6 | apart)[near]
        made.append(np.column_stack([hashes, frames[:-step][near]]))
    if not made:
        return np.zeros((0, 2), np.int32)
    both = np.concatenate(made).astype(np.int32)
    return both[np.lexsort((both[:, 0], both[:, 1]))]


def _joined(fingerprints: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of sounds that agree beyond chance."""
    sizes = [len(one) for one in fingerprints]
    sound = np.repeat(np.arange(len(sizes)), sizes)
    both = np.concatenate([np.asarray(one, np.int64).reshape(-1, 2) for one in fingerprints])
    order = np.lexsort((both[:, 1], sound, both[:, 0]))
    hashes, frame, sound = both[order, 0], both[order, 1], sound[order]
    lengths = np.array([one[:, 1].max() + 1 if len(one) else 0 for one in fingerprints], np.int64)
    ones, twos = list[np.ndarray](), list[np.ndarray]()
    for a, b, offset, anchor in _matches(hashes, frame, sound, len(sizes)):
        one, two = _agreeing(a, b, offset, anchor, lengths)
        ones.append(one)
        twos.append(two)
    return np.concatenate([np.zeros(0, int), *ones]), np.concatenate([np.zeros(0, int), *twos])


def _matches(hashes: np.ndarray, frame: np.ndarray, sound: np.ndarray, total: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Equal hashes of two sounds a < b: (a, b, offset, frame in a), in parts of some of the a that fit into memory."""
    shifts = range(1, _NEIGHBOURS + 1)
    equal = [np.flatnonzero((hashes[shift:] == hashes[:-shift]) & (sound[shift:] != sound[:-shift])) for shift in shifts]
    parts = 1 + sum(map(len, equal)) // _PAIRS_AT_ONCE
    for part in range(parts):
        left = [found[sound[found] % parts == part] for found in equal]
        right = np.concatenate([found + shift for found, shift in zip(left, shifts, strict=True)])
        here = np.concatenate(left)
        yield sound[here], sound[right], frame[right] - frame[here], frame[here]


def _agreeing(
    a: np.ndarray, b: np.ndarray, offset: np.ndarray, anchor: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of sounds with more votes for one offset than chance gives.

    A vote is a frame of a, however many of its hashes agree: hashes of one peak are not independent.
    """
    votes = np.unique(np.column_stack([a, b, offset, anchor]), axis=0)
    bins, count = np.unique(votes[:, :3], axis=0, return_counts=True)
    pairs, first, of_pair = np.unique(bins[:, :2], axis=0, return_index=True, return_inverse=True)
    of_pair = of_pair.reshape(-1)
    if not len(pairs):
        return np.zeros(0, int), np.zeros(0, int)
    best = np.maximum.reduceat(count, first)
    others = np.bincount(of_pair, count) - best
    from scipy.stats import poisson

    places = lengths[pairs].sum(axis=1)  # offsets at which the two overlap
    expected = others / lengths[pairs].max(axis=1)  # votes are densest where the overlap is longest
    chance = np.log(places) + poisson.logsf(best - 1, np.maximum(expected, 1 / places))
    joined = chance < np.log(_CHANCE)
    return pairs[joined, 0], pairs[joined, 1]
