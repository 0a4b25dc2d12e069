"""Could these points be of a body's parts? Joints that stand still in a moving arm, faces and hands without extent, or far from theirs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.movement import scale_of
from onscreen.checks.poses import names_are_real
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.motion.keypoints import FACE, INDEX, LEFT_HAND, RIGHT_HAND

_LIMB = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
_NEXT_TO = [
    (INDEX[f"{side}_{a}"], INDEX[f"{side}_{b}"]) for side in ("left", "right") for pair in _LIMB for a, b in (pair, pair[::-1])
]
_NAMES = {index: name.replace("_", " ") for name, index in INDEX.items()}
_PARTS = {
    "face": (FACE, [INDEX[name] for name in ("nose", "left_eye", "right_eye")]),
    "left hand": (LEFT_HAND, [INDEX["left_wrist"]]),
    "right hand": (RIGHT_HAND, [INDEX["right_wrist"]]),
}
_ROUNDED_PX, _MOVES_PX = 0.015, 0.5
_SOME = 10  # points of a part that make one
_FEW = 12  # steps of a neighbour below which nothing is said of a joint


def check_frozen(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.frozen: no joint stays at one pixel while the one next to it in its limb moves."""
    points = _points(sample)
    if not names_are_real(sample):
        yield Finding(sample.label, "poses.frozen", "unproven", "the names do not tell which point is which joint")
        return
    shares = {joint: _frozen(points, joint, beside) for joint, beside in _NEXT_TO}
    warn, fail = limits.FROZEN_SHARE
    still = {_NAMES[joint]: share for joint, share in shares.items() if share >= warn}
    most = max(shares.values())
    said = ", ".join(f"{name} in {share:.0%}" for name, share in still.items())
    detail = (
        f"stays at one pixel while the joint beside it moves: {said} of the frames"
        if still
        else "every joint moves with its limb"
    )
    status: Status = "fail" if most >= fail else "warn" if still else "pass"
    yield Finding(sample.label, "poses.frozen", status, detail, {"frozen_share": most, "joints": float(len(still))})


def check_parts(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.parts: face and hands have an extent, and lie at their own nose and wrist."""
    points = _points(sample)
    body = scale_of(points) if names_are_real(sample) else None
    if body is None:
        yield Finding(sample.label, "poses.parts", "unproven", "neither torso nor limbs are known")
        return
    numbers, wrong = dict[str, float](), list[str]()
    for name, (part, at) in _PARTS.items():
        extents, away = _extents(points[:, part]) / body, _away(points, part, at) / body
        key = name.replace(" ", "_")
        if len(extents):
            numbers |= {f"{key}_extent": float(np.median(extents))}
            small = float((extents < limits.PART_EXTENT).mean())
            wrong += (
                [f"in {small:.0%} of the frames all points of the {name} lie at one place"] if small >= limits.PART_SHARE else []
            )
        if len(away):
            numbers |= {f"{key}_away": float(np.median(away))}
            most = limits.FACE_AWAY * float(np.median(extents)) if part == FACE else limits.HAND_AWAY
            far = float(np.median(away)) > most
            wrong += [f"the {name} lies {np.median(away):.2f} bodies beside {_NAMES[at[0]]}"] if far else []
    detail = "; ".join(wrong) or "face and hands have an extent, and lie where the body has them"
    if not numbers:
        yield Finding(sample.label, "poses.parts", "unproven", "neither face nor hands are seen")
        return
    yield Finding(sample.label, "poses.parts", "fail" if wrong else "pass", detail, numbers)


def _points(sample: SampleFolder) -> np.ndarray:
    points = sample.points
    if points.ndim != 3 or points.shape[1] != limits.POINTS or not np.isfinite(points).all():
        raise Broken("pose_annotations.json: frames are not 134 finite points")
    return points


def _frozen(points: np.ndarray, joint: int, beside: int) -> float:
    """Share of the steps of the joint beside in which this one stays; 0 of fewer than _FEW."""
    seen = (points[:, joint, 2] > 0) & (points[:, beside, 2] > 0)
    own, other = (np.linalg.norm(np.diff(points[:, k, :2], axis=0), axis=1) for k in (joint, beside))
    moves = (other > _MOVES_PX) & seen[1:] & seen[:-1]
    return float((own <= _ROUNDED_PX)[moves].mean()) if moves.sum() >= _FEW else 0.0


def _extents(part: np.ndarray) -> np.ndarray:
    """px, the larger side of the box around the part's points, of the frames in which enough of them are seen."""
    boxes = [frame[frame[:, 2] > 0, :2] for frame in part]
    return np.array([np.ptp(box, axis=0).max() for box in boxes if len(box) >= _SOME])


def _away(points: np.ndarray, part: slice, at: list[int]) -> np.ndarray:
    """px from the face's middle to that of nose and eyes, or from a hand's root to its wrist, of the frames with all of them."""
    seen = np.array([(frame[part, 2] > 0).sum() >= _SOME and (frame[at, 2] >= limits.SEEN).all() for frame in points])
    seen &= points[:, part.start, 2] > 0
    own = points[:, part.start, :2] if part != FACE else np.median(points[:, part, :2], axis=1)
    return np.asarray(np.linalg.norm(own - points[:, at, :2].mean(axis=1), axis=1)[seen])
