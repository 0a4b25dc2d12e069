"""Below which cosine distance two faces are one person, by embedder and by the frames that an embedding pools."""

from __future__ import annotations

from onscreen.errors import ConfigError

THRESHOLDS: dict[str, tuple[float, ...]] = {"Dlib": (0.070, 0.065, 0.057, 0.052, 0.049)}
"""Cosine distance below which two faces are one person, by embedder and frames pooled (1, 2, ...; the last for more).

Dlib: benchmarks/dedupe_threshold.py, on means of that many photos of one person, 15 people of LFW10 and johns: the middle
between the distance that 1 in 100 pairs of one person exceeds and the one that 1 in 100 pairs of two people stays below. For
one photo that would be 0.098; DeepFace's published 0.07 stands instead, because a set has far more pairs of two people than of one.
"""


def auto_threshold(embedder: str, frames: int) -> float:
    """The calibrated threshold of an embedder for the mean of that many frames (1 or more).

    frames: as the faces were meant to be made (faces.frames_per_clip), never as many as one of them happens to pool. A face that
    pools fewer is held to the same threshold, which is the stricter one: it may stay alone, it is not joined wrongly.
    Raises ConfigError for an embedder without a table.
    """
    if embedder not in THRESHOLDS:
        raise ConfigError(f"dedupe.threshold = auto: {embedder} has no calibrated threshold; give a number")
    table = THRESHOLDS[embedder]
    return table[min(frames, len(table)) - 1]
