"""Whether a clip's speech is one person's: windows of 1.6 s, each with its speaker embedding, are put into the two groups that differ
most. What the groups have in common tells one voice from two (benchmarks/one_speaker.py calibrates it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EMBEDDER = "resemblyzer"  # the calibration belongs to it
WINDOW_S = 1.6  # what its network hears at once: a shorter window would mix less and know less
_ROUNDS = 10


@dataclass(frozen=True)
class Likeness:
    """Cosine similarities between the windows of a clip. groups: mean between windows of the two groups that differ most."""

    mean: float
    least: float
    groups: float


def likeness(windows: np.ndarray) -> Likeness | None:
    """windows: (W, D) float32, each L2 = 1, in any order. None of fewer than two: there is nothing to compare."""
    if len(windows) < 2:
        return None
    alike = windows @ windows.T
    pairs = alike[np.triu_indices(len(windows), 1)]
    second = _two_groups(windows, alike)
    return Likeness(float(pairs.mean()), float(pairs.min()), float(alike[np.ix_(~second, second)].mean()))


def _two_groups(windows: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """(W,) bool: 2-means from the two windows that are least alike, which stay apart. Both groups hold a window."""
    first, other = np.unravel_index(np.where(np.eye(len(alike), dtype=bool), np.inf, alike).argmin(), alike.shape)
    second = alike[other] > alike[first]
    for _ in range(_ROUNDS):
        second[[first, other]] = False, True
        middles = np.stack([windows[~second].mean(0), windows[second].mean(0)])
        middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-9)
        closer = np.asarray((windows @ middles.T).argmax(1) == 1)
        closer[[first, other]] = False, True
        if (closer == second).all():
            break
        second = closer
    return np.asarray(second, bool)
