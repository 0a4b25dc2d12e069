"""Is pose_annotations.json what the guide asks for: 134 named points a frame, in time, in the picture, with a confidence?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.structure import fps_of
from onscreen.checks.tools import Tools
from onscreen.motion.keypoints import BODY, FACE, INDEX, JOINT_TYPES, LEFT_HAND, RIGHT_HAND

_FIELDS = ("video_id", "fps", "duration", "poses")
_POINT = ("x", "y", "confidence", "joint_type")
_SHOWN = 5
_LEGS = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]


def check_schema(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.schema: the fields of the guide. poses.times: frame i is frame_id i at i / 24 s, and fps and duration say so.
    poses.joints: 134 points in every frame, under their real names, in the named order."""
    data, poses = sample.annotations, frames_of(sample)
    wrong = [name for name in _FIELDS if name not in data]
    wrong += _wrong_fields(poses)
    yield Finding(sample.label, "poses.schema", "fail" if wrong else "pass", _few(wrong, "all fields are there"))
    late = _wrong_times(poses, data, fps_of(sample))
    yield Finding(
        sample.label, "poses.times", "fail" if late else "pass", _few(late, f"{len(poses)} frames, i / {fps_of(sample)} s")
    )
    counts = {len(pose["keypoints"]) if _has_points(pose) else 0 for pose in poses}
    if counts != {limits.POINTS}:
        detail = f"{', '.join(map(str, sorted(counts)))} points a frame, wanted {limits.POINTS}"
        yield Finding(sample.label, "poses.joints", "fail", detail)
        return
    yield _names(sample, poses)


def check_values(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.values: finite, inside the picture, confidence 0-1; what is not seen is 0, 0, 0."""
    points, film = sample.points, tools.film(sample)
    if points.ndim != 3 or not points.size:
        raise Broken("pose_annotations.json: frames without points")
    broken = int((~np.isfinite(points)).any(axis=2).sum())
    x, y, confidence = np.where(np.isfinite(points), points, 0).transpose(2, 0, 1)
    beyond = limits.ROUNDED_PX
    outside = (x < -beyond) | (y < -beyond) | (x > film.probe.width + beyond) | (y > film.probe.height + beyond)
    numbers = {
        "not_finite": float(broken),
        "outside": float((outside & (confidence > 0)).sum()),
        "confidence_beyond_0_1": float(((confidence < 0) | (confidence > 1)).sum()),
        "unseen_with_a_place": float(((confidence == 0) & ((x != 0) | (y != 0))).sum()),
        "seen_at_0_0": float(((confidence > 0) & (x == 0) & (y == 0)).sum()),
    }
    wrong = [f"{count:.0f} points {name.replace('_', ' ')}" for name, count in numbers.items() if count]
    yield Finding(sample.label, "poses.values", "fail" if wrong else "pass", _few(wrong, "all values are possible"), numbers)


def check_confidence(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.confidence: mean of the body's seen points above 0.8 (the guide recommends). poses.body: share of frames with a body; a
    dancer whose legs are seldom seen is a warning."""
    confidence = sample.points[..., 2] if sample.points.ndim == 3 else np.zeros((0, 0))
    if not confidence.size or not np.isfinite(confidence).all():
        raise Broken("pose_annotations.json: confidences are missing or not finite")
    body = confidence[:, BODY]
    seen = body > 0
    share = float((seen.sum(axis=1) >= limits.BODY_POINTS).mean())
    if not seen.any():
        yield Finding(sample.label, "poses.body", "fail", "no point of a body is seen in any frame", {"share": 0.0})
        return
    mean, whole = float(body[seen].mean()), float(seen.mean())
    detail = f"mean {mean:.2f} of the body's points that are seen ({whole:.0%} of them); above {limits.RECOMMENDED_CONFIDENCE} recommended"
    status: Status = "pass" if mean > limits.RECOMMENDED_CONFIDENCE else "warn"
    yield Finding(sample.label, "poses.confidence", status, detail, {"mean": mean, "seen_share": whole})
    parts = {"face": FACE, "left hand": LEFT_HAND, "right hand": RIGHT_HAND}
    shares = {name: float((confidence[:, part] > 0).any(axis=1).mean()) for name, part in parts.items()}
    fail, warn = limits.BODY_SHARE
    shares["both legs"] = legs = float((confidence[:, _LEGS] >= limits.SEEN).all(axis=1).mean())
    status = "fail" if share < fail else "warn" if share < warn or legs < limits.LEGS_SHARE else "pass"
    detail = f"a body in {share:.0%} of the frames; {', '.join(f'{name} in {part:.0%}' for name, part in shares.items())}"
    yield Finding(
        sample.label, "poses.body", status, detail, {"share": share, **{k.replace(" ", "_"): v for k, v in shares.items()}}
    )


def frames_of(sample: SampleFolder) -> list[Any]:
    """The poses of pose_annotations.json. Raises Broken without any."""
    data = sample.annotations
    poses = data.get("poses") if isinstance(data, dict) else None
    if not isinstance(poses, list) or not poses:
        raise Broken("pose_annotations.json: holds no list of poses")
    return poses


def names_are_real(sample: SampleFolder) -> bool:
    """Whether the points of the first frame are named and ordered as ours, so that it is known which is which."""
    pose = frames_of(sample)[0]
    return _has_points(pose) and _types(pose) == JOINT_TYPES


def _names(sample: SampleFolder, poses: list[Any]) -> Finding:
    if all(_types(pose) == JOINT_TYPES for pose in poses):
        return Finding(sample.label, "poses.joints", "pass", f"{limits.POINTS} points under their names, in their order")
    first = _types(poses[0])
    if sorted(map(str, first)) == sorted(JOINT_TYPES):
        return Finding(sample.label, "poses.joints", "fail", "the names are right, their order is not, or changes")
    unknown = [str(name) for name in first if name not in JOINT_TYPES]
    detail = f"{len(unknown)} of {limits.POINTS} names are of no joint ({', '.join(unknown[:3])}, ...)"
    return Finding(sample.label, "poses.joints", "fail", detail, {"unknown": float(len(unknown))})


def _types(pose: Any) -> tuple[Any, ...]:
    return tuple(point.get("joint_type") if isinstance(point, dict) else None for point in pose["keypoints"])


def _has_points(pose: Any) -> bool:
    return isinstance(pose, dict) and isinstance(pose.get("keypoints"), list)


def _wrong_fields(poses: list[Any]) -> list[str]:
    found = list[str]()
    for frame, pose in enumerate(poses):
        if not _has_points(pose) or "frame_id" not in pose or "timestamp" not in pose:
            found.append(f"frame {frame} lacks frame_id, timestamp or keypoints")
        elif not all(isinstance(point, dict) and all(name in point for name in _POINT) for point in pose["keypoints"]):
            found.append(f"frame {frame} has points without {', '.join(_POINT)}")
        elif not all(_is_number(point[name]) for point in pose["keypoints"] for name in _POINT[:3]):
            found.append(f"frame {frame} has points whose x, y or confidence is no number")
    return found


def _wrong_times(poses: list[Any], data: dict[str, Any], fps: int) -> list[str]:
    found = list[str]()
    for frame, pose in enumerate(poses):
        number, time_s = (pose.get("frame_id"), pose.get("timestamp")) if isinstance(pose, dict) else (None, None)
        if number != frame:
            found.append(f"frame_id {number} stands at place {frame}")
        elif not _is_near(time_s, frame / fps, limits.TIME_S):
            found.append(f"frame {frame} at {time_s} s, wanted {frame / fps:.3f} s")
    if data.get("fps") != fps:
        found.append(f"fps {data.get('fps')}, wanted {fps}")
    duration = data.get("duration")
    if not _is_near(duration, len(poses) / fps, 1 / fps):
        found.append(f"duration {duration} s of {len(poses)} frames")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_near(value: Any, wanted: float, within: float) -> bool:
    return _is_number(value) and bool(abs(value - wanted) <= within)


def _few(wrong: list[str], right: str) -> str:
    return "; ".join(wrong[:_SHOWN]) + (f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "") or right
