"""Below which cosine distance two faces are one person, by embedder and by the frames that an embedding pools.

Distances shrink when vectors of several frames are pooled, so a threshold belongs to an embedder and a number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass

from onscreen.errors import ConfigError


@dataclass(frozen=True)
class Threshold:
    """A cosine distance, and what is known about it.

    same_99: what 99 in 100 pairs of one person stay below; different_1: what 99 in 100 pairs of two people exceed. Both were measured
    with benchmarks/dedupe_threshold.py; None where nobody did. same_99 < value < different_1 is the best case; a pair of photos of
    one person between value and same_99 stays apart, unless others of the person join them.
    """

    value: float
    source: str
    same_99: float | None = None
    different_1: float | None = None


_MIDDLE = "the middle of same_99 and different_1 on 15 people of LFW10 and johns"
_DEEPFACE = "published with DeepFace, for two photos"

CALIBRATED = {
    "Dlib": (
        Threshold(0.080, "published with DeepFace as 0.40 between unit vectors; as cosine distance 0.40^2 / 2", 0.0959, 0.1023),
        Threshold(0.066, _MIDDLE, 0.0439, 0.0879),
        Threshold(0.057, _MIDDLE, 0.0300, 0.0839),
        Threshold(0.052, _MIDDLE, 0.0217, 0.0819),
        Threshold(0.049, _MIDDLE, 0.0177, 0.0813),
    )
}
"""For the mean of 1, 2, ... photos of a person; the last for more.

One photo: of the two that DeepFace publishes, 0.07 as cosine distance and 0.40 as distance of unit vectors, the second. On LFW10
and johns average link reaches a pairwise F1 of 0.994 with it, 0.976 with the first. The middle (0.099) would reach 1.0 there, but 1 of
200 pairs of two people is nearer than that against 1 of 5,000 below 0.08, and a set has far more pairs of two people than of one.
"""

PUBLISHED = {
    "Facenet": Threshold(0.40, _DEEPFACE),
    "Facenet512": Threshold(0.30, _DEEPFACE),
    "VGG-Face": Threshold(0.68, _DEEPFACE),
    "OpenFace": Threshold(0.10, _DEEPFACE),
    "DeepID": Threshold(0.015, _DEEPFACE),
    "ArcFace": Threshold(0.68, _DEEPFACE),
    "SFace": Threshold(0.593, _DEEPFACE),
    "Dlib": Threshold(0.07, _DEEPFACE),
    "buffalo_l": Threshold(0.55, f"{_DEEPFACE}, where its chip is turned by the eyes only; ours fits five points"),
}
"""deepface/config/threshold.py, cosine."""


def threshold_of(embedder: str, frames: int) -> Threshold:
    """What `auto` stands for with the mean of that many frames (1 or more).

    frames: as the faces were meant to be made (faces.frames_per_clip), never as many as one of them happens to pool. A face that
    pools fewer is held to the same threshold, which is the stricter one: it may stay alone, it is not joined wrongly.
    Raises ConfigError where nobody has measured one; the message says what to do.
    """
    if embedder in CALIBRATED:
        table = CALIBRATED[embedder]
        return table[min(frames, len(table)) - 1]
    if frames == 1 and embedder in PUBLISHED:
        return PUBLISHED[embedder]
    raise ConfigError(_nothing_known(embedder, frames))


def auto_threshold(embedder: str, frames: int) -> float:
    """The value of threshold_of."""
    return threshold_of(embedder, frames).value


def same_clip_threshold(embedder: str) -> float:
    """For linking single views of one clip: the published one.

    Within a clip a person looks much the same and the place helps, so the strict one of Dlib's two is enough. Nobody has published
    one for buffalo_s; it was trained on the same pictures with the same loss as buffalo_l and takes the same chip, and so is linked
    at buffalo_l's. dedupe.threshold: auto does not do that.
    """
    return PUBLISHED["buffalo_l" if embedder == "buffalo_s" else embedder].value


def _nothing_known(embedder: str, frames: int) -> str:
    ways = (
        f"give dedupe.threshold a number (`python benchmarks/dedupe_threshold.py --embedder {embedder} FOLDER...` measures one)"
    )
    if embedder not in PUBLISHED:
        return f"dedupe.threshold = auto: nobody has published or calibrated a threshold for {embedder}; {ways}"
    known = (
        f"{embedder}'s published {PUBLISHED[embedder].value:g} is for single photos, and distances shrink when frames are pooled"
    )
    return f"dedupe.threshold = auto with {frames} frames a clip: {known}; {ways}, or set faces.frames_per_clip: 1"
