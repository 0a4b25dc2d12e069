"""Beat alignment: do the moments at which a dancer stops lie on the music's beats?

The score is AIST++'s (Li et al. 2021, "AI Choreographer", section 5.2; reference code google-research/mint): of each dance beat, a
local minimum of the joints' mean speed, exp(-d^2 / 2 sigma^2) to the nearest music beat, mean over the dance beats. Bailando (Siyao
et al. 2022) takes the mean over the music beats instead; that is another number. AIST++ counts in frames of its 60 fps: sigma = 3
frames, minima within 10 frames on either side. Here both are seconds, so that a score does not depend on the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.motion.keypoints import INDEX

SIGMA_S = 3 / 60
ORDER_S = 10 / 60  # a dance beat is the slowest moment of this much before and after it
_SMOOTHING_S = 5 / 60  # standard deviation; Bailando's, against the jitter of found points. AIST++'s points are fitted and smooth
JOINTS = [
    INDEX["neck"],
    *(INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
]
_MIN_JOINTS = 4
_SEEN_SHARE = 0.8  # of the frames: a joint seen less often is left out, so that the others' gaps are not the dancer's
_MIN_BEATS = 3  # of either kind


@dataclass(frozen=True)
class Alignment:
    """score, chance: 0-1; chance is the mean score of the same music beats moved to everywhere else.

    dance_beats_s: (D,) seconds from the clip's start. joints: how many were followed. seen_s: seconds in which all were seen.
    """

    score: float
    chance: float
    dance_beats_s: np.ndarray
    sigma_s: float
    joints: int
    seen_s: float


@dataclass(frozen=True)
class NotMeasured:
    """Why there is no score."""

    reason: str


def beat_alignment(points: np.ndarray, beats_s: np.ndarray, fps: float) -> Alignment | NotMeasured:
    """Score of a dance and its music.

    points: (T, 134, 3) x, y, confidence; confidence 0 is unseen. beats_s: (B,) seconds, on the points' clock. Only seen points
    count: a joint seen in less than 80% of the frames is left out, and no dance beat lies in or beside a gap of the others.
    """
    beats_s = np.asarray(beats_s, np.float64)
    if len(beats_s) < _MIN_BEATS:
        return NotMeasured(f"{len(beats_s)} music beats, {_MIN_BEATS} are needed")
    seen = points[:, JOINTS, 2] > 0
    followed = seen.sum(axis=0) >= max(1, _SEEN_SHARE * len(points))
    if followed.sum() < _MIN_JOINTS:
        return NotMeasured(f"{followed.sum()} joints are seen in {_SEEN_SHARE:.0%} of the frames, {_MIN_JOINTS} are needed")
    speeds = _speeds(points[:, JOINTS, :2][:, followed].astype(np.float64), np.asarray(seen[:, followed].all(axis=1)))
    dance_beats_s = _minima(speeds, fps)
    if len(dance_beats_s) < _MIN_BEATS:
        return NotMeasured(f"{len(dance_beats_s)} dance beats, {_MIN_BEATS} are needed")
    score = _score(dance_beats_s, beats_s)
    seen_s = float(np.isfinite(speeds).sum() / fps)
    return Alignment(
        score, _chance(dance_beats_s, beats_s, len(points) / fps), dance_beats_s, SIGMA_S, int(followed.sum()), seen_s
    )


def _speeds(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T - 1,) mean way of the joints from frame to frame, px; NaN where one is unseen in either frame."""
    way = np.linalg.norm(np.diff(places, axis=0), axis=2).mean(axis=1)
    return np.where(seen[1:] & seen[:-1], way, np.nan)


def _minima(speeds: np.ndarray, fps: float) -> np.ndarray:
    """Seconds of the local minima. Speed i lies between frames i and i + 1."""
    from scipy.ndimage import gaussian_filter1d, minimum_filter1d
    from scipy.signal import find_peaks

    order, found = max(1, round(ORDER_S * fps)), [np.zeros(0)]
    for start, stop in _runs(np.isfinite(speeds)):
        smooth = gaussian_filter1d(speeds[start:stop], _SMOOTHING_S * fps, mode="nearest")
        minima, edges = find_peaks(-smooth, plateau_size=1)  # two frames may be as slow
        inside = (minima >= order) & (minima < stop - start - order)
        lowest = smooth[minima] <= minimum_filter1d(smooth, 2 * order + 1)[minima]
        middle = (edges["left_edges"] + edges["right_edges"]) / 2
        found.append(start + middle[inside & lowest])
    return np.asarray((np.concatenate(found) + 0.5) / fps)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _score(dance_beats_s: np.ndarray, beats_s: np.ndarray) -> float:
    apart_s = np.abs(dance_beats_s[:, None] - beats_s[None]).min(axis=1)
    return float(np.exp(-(apart_s**2) / (2 * SIGMA_S**2)).mean())


def _chance(dance_beats_s: np.ndarray, beats_s: np.ndarray, duration_s: float) -> float:
    """Mean score over all shifts of the music beats, in steps of sigma / 2, that come back in at the other end."""
    shifts = np.arange(0, duration_s, SIGMA_S / 2)
    return float(np.mean([_score(dance_beats_s, (beats_s + shift) % duration_s) for shift in shifts]))
