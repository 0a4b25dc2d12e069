"""Do the points belong to this picture? A body model looks at some frames again and is compared with what is annotated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.poses import names_are_real
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.motion.keypoints import BODY, INDEX, from_coco_wholebody

_MIRRORED = [INDEX[name.replace("left", "~").replace("right", "left").replace("~", "right")] for name in list(INDEX)[BODY]]


def check_pictured(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.picture: PCK@0.2 of the torso against the body found again in a few frames; poses.left_right: whose left is left."""
    points, found = sample.points, tools.bodies(sample)
    if points.ndim != 3 or points.shape[1] != limits.POINTS or not np.isfinite(points).all():
        raise Broken("pose_annotations.json: frames are not 134 finite points")
    pairs = [(points[frame], body) for frame, body in found.items() if frame < len(points)]
    if not pairs:
        yield Finding(sample.label, "poses.picture", "unproven", "the body model finds nobody in the frames that were looked at")
        return
    orders = {"": pairs} if names_are_real(sample) else {"": pairs, ", in COCO-WholeBody's order": _reordered(pairs)}
    counts = {order: _pck(some) for order, some in orders.items()}
    order, (near, compared) = max(counts.items(), key=lambda item: item[1][0] / max(1, item[1][1]))
    if not compared:
        yield Finding(sample.label, "poses.picture", "fail", "none of the body's points is annotated where a body is seen")
        return
    share, (fail, warn) = near / compared, limits.SAME_POINTS
    status: Status = "fail" if share < fail else "warn" if share < warn else "pass"
    detail = f"{share:.0%} of {compared} points lie where the body is found again, in {len(pairs)} frames{order}"
    yield Finding(
        sample.label, "poses.picture", status, detail, {"pck": share, "points": float(compared), "frames": float(len(pairs))}
    )
    if names_are_real(sample):
        yield _left_right(sample, pairs, share)


def _left_right(sample: SampleFolder, pairs: list[tuple[np.ndarray, np.ndarray]], share: float) -> Finding:
    near, compared = _pck([(_exchanged(annotated), body) for annotated, body in pairs])
    other = near / max(1, compared)
    numbers = {"pck": share, "pck_exchanged": other}
    if other > share + limits.SIDES_MARGIN:
        detail = f"left and right are exchanged: {other:.0%} of the points fit then, {share:.0%} as they are"
        return Finding(sample.label, "poses.left_right", "fail", detail, numbers)
    if other + limits.SIDES_MARGIN > share:
        return Finding(
            sample.label, "poses.left_right", "unproven", "the body found again does not tell left from right", numbers
        )
    return Finding(
        sample.label, "poses.left_right", "pass", f"as they are {share:.0%} of the points fit, exchanged {other:.0%}", numbers
    )


def _pck(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[int, int]:
    """How many points lie within PCK_TORSO of the torso of where they are found, and how many are seen by both."""
    near = compared = 0
    for annotated, body in pairs:
        torso = _torso(body)
        both = (annotated[BODY, 2] >= limits.SEEN) & (body[BODY, 2] >= limits.SEEN)
        away = np.linalg.norm(annotated[BODY, :2] - body[BODY, :2], axis=1)
        near += int((both & (away <= limits.PCK_TORSO * torso)).sum())
        compared += int(both.sum())
    return near, compared


def _torso(body: np.ndarray) -> float:
    """px: from the neck to the middle of the hips, but no less than the shoulders' width."""
    hips = body[[INDEX["left_hip"], INDEX["right_hip"]], :2].mean(axis=0)
    shoulders = body[[INDEX["left_shoulder"], INDEX["right_shoulder"]], :2]
    return float(max(np.linalg.norm(shoulders.mean(axis=0) - hips), np.linalg.norm(shoulders[0] - shoulders[1])))


def _exchanged(points: np.ndarray) -> np.ndarray:
    other = points.copy()
    other[BODY] = points[_MIRRORED]
    return other


def _reordered(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(from_coco_wholebody(annotated[:133]), body) for annotated, body in pairs]
