"""Is the face of the reference picture the face of who dances in video.mp4, and do the poses belong to that dancer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onscreen.checks.finding import Finding
from onscreen.checks.portrait import clear_faces, interocular_px, is_frontal, stretch
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import embed, pool
from onscreen.faces.thresholds import auto_threshold
from onscreen.motion.keypoints import INDEX

_HEAD = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_LEAST_CONFIDENCE = 0.1
_BESIDE = 0.75  # of a face's box: a head's points so far beside its middle are not of it
_MISSED = 0.5  # of the frames with a face
# Cosine distances of dlib between a reference and the mean of 2, 3, 5 smaller pictures (15 to 40 px between the eyes) of one person, on
# 147 photos of 15 people of LFW10 and johns: a person's own lie below these (99 in 100 below 0.075, 0.066, 0.060), two people come as near
# as 0.064. What is nearer than _SAME, the strictest threshold, is one person's, whether it pools as many frames or fewer.
_SAME = auto_threshold("Dlib", 5)
_ANOTHER = ((5, 0.085), (3, 0.090), (2, 0.096))
_FEWEST_PX = 14.0  # between the eyes: at 10 px one person's and two people's distances overlap by half
_STRETCHED = 1.25  # frontal faces of one dancer reach 1.1 (median), a 16:9 picture made square has 1.3 to 1.6


@dataclass(frozen=True)
class _Seen:
    """A face in a frame of the video. head: (2,) px where the poses say the head is, or None."""

    image: np.ndarray
    face: Detection
    head: np.ndarray | None


def check_dancer(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """dancer.head: the poses' heads lie on faces of the video. dancer.face: the reference is of that face.
    dancer.proportions: one of them is not squashed against the other."""
    heads = _heads(sample)
    seen = [_face_of(image, heads.get(index), tools) for index, image in tools.film(sample).frames.items()]
    found = [one for one in seen if one is not None]
    yield _heads_on_faces(sample, found)
    yield _same_face(sample, found, tools)
    yield _same_shape(sample, found, tools)


def _heads(sample: SampleFolder) -> dict[int, np.ndarray]:
    """Frame -> (2,) px, the mean of the head's points where at least one is seen."""
    try:
        points = sample.points
    except Broken:
        return {}
    if points.ndim != 3 or points.shape[1] <= max(_HEAD):
        return {}
    heads = points[:, _HEAD]
    seen = (heads[..., 2] > _LEAST_CONFIDENCE) & np.isfinite(heads).all(axis=2)
    return {int(index): heads[index][seen[index], :2].mean(axis=0) for index in np.flatnonzero(seen.any(axis=1))}


def _face_of(image: np.ndarray, head: np.ndarray | None, tools: Tools) -> _Seen | None:
    """The face nearest to the head; the largest where no pose says where it is."""
    faces = clear_faces(image, tools.faces)
    if not faces:
        return None
    return _Seen(image, min(faces, key=lambda face: _beside(face, head)) if head is not None else faces[0], head)


def _beside(face: Detection, head: np.ndarray) -> float:
    """How far a head's points lie from a face's middle, over the longer side of its box."""
    return float(np.linalg.norm(face.landmarks.mean(axis=0) - head) / max(face.box[2:]))


def _heads_on_faces(sample: SampleFolder, found: list[_Seen]) -> Finding:
    beside = [_beside(one.face, one.head) for one in found if one.head is not None]
    if not beside:
        return Finding(sample.label, "dancer.head", "unproven", "no frame looked at has both a face and a pose with a head")
    missed = float(np.mean(np.array(beside) > _BESIDE))
    numbers = {"frames": float(len(beside)), "missed_share": missed, "median_beside": float(np.median(beside))}
    if missed > _MISSED:
        beside_in = round(missed * len(beside))
        detail = f"the pose's head lies beside the face in {beside_in} of the {len(beside)} frames looked at"
        return Finding(sample.label, "dancer.head", "fail", detail, numbers)
    return Finding(sample.label, "dancer.head", "pass", "the poses' heads lie on the dancer's face", numbers)


def _same_face(sample: SampleFolder, found: list[_Seen], tools: Tools) -> Finding:
    """By dlib's embeddings; the limit for another's face belongs to as many frames as are pooled. Below _FEWEST_PX nothing is said."""
    check, own = "dancer.face", tools.portrait(sample).embedding
    if own is None:
        return Finding(sample.label, check, "unproven", "the reference picture shows no clear face")
    large = [one for one in found if interocular_px(one.face) >= _FEWEST_PX]
    if not large:
        widest = max((interocular_px(one.face) for one in found), default=0.0)
        detail = (
            f"faces in the video are too small to tell people apart: {widest:.0f} px between the eyes" if found else "no face"
        )
        return Finding(sample.label, check, "unproven", detail, {"interocular_px": widest, "least_px": _FEWEST_PX})
    vectors = np.stack([embed(tools.embedder, one.image, one.face) for one in large])
    distances, eyes = 1 - vectors @ own, float(np.median([interocular_px(one.face) for one in large]))
    pooled = 1 - float(pool(vectors) @ own)
    another = next((limit for least, limit in _ANOTHER if len(large) >= least), None)
    numbers = {"distance": pooled, "nearest": float(distances.min()), "frames": float(len(large)), "interocular_px": eyes}
    numbers["same"] = _SAME
    if another is not None:
        numbers["another"] = another
    told = f"distance {pooled:.3f} of {len(large)} frame{'s' * (len(large) > 1)}"
    if pooled <= _SAME:
        return Finding(sample.label, check, "pass", f"the reference is of the dancer: {told}", numbers)
    if another is not None and pooled > another:
        return Finding(sample.label, check, "fail", f"the reference is not of the dancer: {told}", numbers)
    detail = f"neither near to nor far from the dancer's: {told}; {_SAME:.3f} is near" + (
        f", {another:.3f} far" if another else ""
    )
    return Finding(sample.label, check, "unproven", detail, numbers)


def _same_shape(sample: SampleFolder, found: list[_Seen], tools: Tools) -> Finding:
    """By faces that look into the camera."""
    check, portrait = "dancer.proportions", tools.portrait(sample)
    frontal = [one for one in found if interocular_px(one.face) >= _FEWEST_PX and is_frontal(one.image, one.face)]
    if not frontal or not portrait.faces or not is_frontal(portrait.image, portrait.faces[0]):
        return Finding(sample.label, check, "unproven", "no frontal faces, large enough, in both the reference and the video")
    factors = [stretch(portrait.faces[0], one.face) for one in frontal]
    out, least = float(np.median(factors)), min(factors)
    numbers = {"stretch": out, "least": least, "most": _STRETCHED, "faces": float(len(frontal))}
    if least > _STRETCHED:
        detail = f"the reference's face is drawn out by {least:.2f} and more against each of the video's: one of them is squashed"
        return Finding(sample.label, check, "fail", detail, numbers)
    if out > _STRETCHED:
        detail = f"the reference's face has the shape of some of the video's ({least:.2f}), not of most ({out:.2f}): heads that nod and turn"
        return Finding(sample.label, check, "unproven", detail, numbers)
    return Finding(sample.label, check, "pass", "the reference's face has the proportions of the video's", numbers)
