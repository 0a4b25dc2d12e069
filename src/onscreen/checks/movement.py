"""Do the points move as a body does? Jumps, bones, sides, and frames that were copied or interpolated.

The dancer's scale is the longest of a few usual lengths (torso, shoulders, thigh, upper arm), each its median over the clip, so that
one that is foreshortened all the time does not make the body small.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.poses import names_are_real
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.motion.keypoints import BODY, INDEX, LEFT_HAND, RIGHT_HAND

_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LEFT, _RIGHT = ([INDEX[f"{side}_{joint}"] for joint in _JOINTS] for side in ("left", "right"))
_BONES = [
    (INDEX[f"{side}_{first}"], INDEX[f"{side}_{second}"])
    for side in ("left", "right")
    for first, second in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]
_LENGTHS = (("shoulder", "hip", 1.0), ("hip", "knee", 1.0), ("shoulder", "elbow", 1.5))  # and how many of them make a torso
_MOVES_PX = 0.5  # a step below may be rounding


def check_motion(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.motion: the points move, and are neither copies of the frame before nor straight lines between a few frames."""
    points = _points(sample)
    if len(points) < 3:
        raise Broken("pose_annotations.json: too few frames to move")
    seen = points[..., 2] > 0
    spread = max((float(points[seen[:, k], k, :2].std(axis=0).max()) for k in np.flatnonzero(seen.sum(axis=0) > 1)), default=0.0)
    repeated = _repeated(points, tools.film(sample).small)
    straight = _straight(points)
    numbers = {"spread_px": spread, "repeated_share": repeated, "straight_share": straight}
    shares = ((repeated, limits.REPEATED_SHARE), (straight, limits.STRAIGHT_SHARE))
    status: Status = "fail" if any(share >= fail for share, (_, fail) in shares) else "pass"
    if status == "pass" and any(share >= warn for share, (warn, _) in shares):
        status = "warn"
    if spread < limits.STANDS_STILL_PX:
        yield Finding(sample.label, "poses.motion", "fail", "no point moves: every frame is the same pose", numbers)
        return
    detail = f"{repeated:.0%} of the frames repeat the one before while the picture moves, {straight:.0%} lie on straight lines"
    yield Finding(sample.label, "poses.motion", status, detail, numbers)


def check_jumps(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.jumps: no point is elsewhere for one frame, and all together they do not leap about as random ones do."""
    points = _points(sample)
    scale = scale_of(points) if names_are_real(sample) else _extent(points)
    xy, confidence = points[..., :2], points[..., 2]
    step = np.linalg.norm(np.diff(xy, axis=0), axis=2)
    both = (confidence[1:] >= limits.SEEN) & (confidence[:-1] >= limits.SEEN)
    if not both.any() or scale is None:
        yield Finding(sample.label, "poses.jumps", "unproven", "no point is seen well in two frames in a row")
        return
    mean, median = float(step[both].mean()), float(np.median(step[both]))
    numbers = {"mean_step_px": mean, "median_step_bodies": median / scale, "body_px": scale}
    if median > limits.RANDOM_BODIES * scale:
        detail = f"the points leap {mean:.0f} px a frame on average, {median / scale:.1f} bodies: this is no movement of a body"
        yield Finding(sample.label, "poses.jumps", "fail", detail, numbers)
        return
    away = np.minimum(step[1:], step[:-1]) - np.linalg.norm(xy[2:] - xy[:-2], axis=2)
    spikes = away > limits.JUMP_BODIES * scale
    sure, unsure = (int((spikes & _in_three(confidence, least)).sum()) for least in (limits.SURE, limits.SEEN))
    places = [f"{_name(k)} at frame {t + 1}" for t, k in np.argwhere(spikes & _in_three(confidence, limits.SEEN))[:3]]
    numbers |= {"jumps": float(sure), "jumps_of_unsure_points": float(unsure - sure)}
    status: Status = "fail" if sure else "warn" if unsure else "pass"
    detail = (
        f"{unsure} points are elsewhere for one frame ({', '.join(places)}), {sure} of them sure"
        if unsure
        else "no point is elsewhere for one frame"
    )
    yield Finding(sample.label, "poses.jumps", status, f"{detail}; {mean:.1f} px a frame on average", numbers)


def check_bones(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.bones: limbs keep within a body's lengths, and do not change theirs from frame to frame."""
    points, scale = _points(sample), _scale(sample)
    if isinstance(scale, str):
        yield Finding(sample.label, "poses.bones", "unproven", scale)
        return
    lengths = np.stack([np.linalg.norm(points[:, a, :2] - points[:, b, :2], axis=1) for a, b in _BONES], axis=1) / scale
    seen = np.stack([(points[:, [a, b], 2] >= limits.SEEN).all(axis=1) for a, b in _BONES], axis=1)
    if not seen.any():
        yield Finding(sample.label, "poses.bones", "unproven", "no limb is seen")
        return
    long = float(((lengths > limits.BONE_BODIES) & seen).any(axis=1).mean())
    pairs = seen[1:] & seen[:-1]
    change = float(np.median(np.abs(np.diff(lengths, axis=0))[pairs])) if pairs.any() else 0.0
    status: Status = "fail" if long >= limits.LONG_BONES_SHARE or change > limits.BONE_CHANGE else "warn" if long else "pass"
    detail = f"in {long:.0%} of the frames a limb is longer than {limits.BONE_BODIES:g} bodies; lengths change by {change:.3f} bodies a frame"
    yield Finding(sample.label, "poses.bones", status, detail, {"long_share": long, "median_change": change, "body_px": scale})


def check_sides(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.sides: hands hang on their own wrists, and left and right do not change places from one frame to the next."""
    points, scale = _points(sample), _scale(sample)
    if isinstance(scale, str):
        yield Finding(sample.label, "poses.sides", "unproven", scale)
        return
    hands, other = _hands(points)
    flips = _flips(points, scale)
    wrong = [f"in {other:.0%} of {hands} frames a hand lies at the other wrist"] if other >= limits.OTHER_HAND_SHARE else []
    wrong += [f"left and right change places in {flips:.0%} of the frames"] if flips >= limits.FLIPS_SHARE else []
    numbers = {"frames_with_hands": float(hands), "at_the_other_wrist_share": other, "flips_share": flips}
    detail = "; ".join(wrong) or f"hands at their own wrists in {hands} frames, sides stay"
    yield Finding(sample.label, "poses.sides", "fail" if wrong else "warn" if flips else "pass", detail, numbers)


def scale_of(points: np.ndarray) -> float | None:
    """The dancer's size in px, about a torso's length; None where no usual length is seen."""
    found = list[float]()
    for first, second, factor in _LENGTHS:
        for side in ("left", "right"):
            a, b = points[:, INDEX[f"{side}_{first}"]], points[:, INDEX[f"{side}_{second}"]]
            seen = (a[:, 2] >= limits.SEEN) & (b[:, 2] >= limits.SEEN)
            if seen.any():
                found.append(factor * float(np.median(np.linalg.norm((a - b)[seen, :2], axis=1))))
    return max(found) if found and max(found) > 0 else None


def _points(sample: SampleFolder) -> np.ndarray:
    points = sample.points
    if points.ndim != 3 or not points.size or not np.isfinite(points).all():
        raise Broken("pose_annotations.json: frames differ in their points, or hold values that are not finite")
    return points


def _scale(sample: SampleFolder) -> float | str:
    """The dancer's scale, or why it is not known."""
    if not names_are_real(sample):
        return "the names do not tell which point is which joint"
    return scale_of(_points(sample)) or "neither torso nor limbs are seen"


def _extent(points: np.ndarray) -> float | None:
    """A third of what the points of a frame cover, its median: about a torso, whatever their order."""
    covers = [
        np.ptp(frame[frame[:, 2] >= limits.SEEN, :2], axis=0).max() for frame in points if (frame[:, 2] >= limits.SEEN).any()
    ]
    return float(np.median(covers)) / 3 if covers and np.median(covers) > 0 else None


def _repeated(points: np.ndarray, small: np.ndarray) -> float:
    same = (points[1:] == points[:-1]).all(axis=(1, 2)) & (points[1:, :, 2] > 0).any(axis=1)
    if len(small) == len(points):
        same &= (small[1:] != small[:-1]).any(axis=(1, 2))
    return float(same.mean())


def _straight(points: np.ndarray) -> float:
    """Share of the triples of frames in which the body moves and every point moves evenly along a line."""
    body = points[:, BODY]
    seen = _in_three(body[..., 2], 1e-9)
    moves = (np.linalg.norm(body[2:, :, :2] - body[:-2, :, :2], axis=2) > 2 * _MOVES_PX) & seen
    bend = np.linalg.norm(body[2:, :, :2] - 2 * body[1:-1, :, :2] + body[:-2, :, :2], axis=2)
    moving = moves.any(axis=1)
    return float(((bend < limits.STRAIGHT_PX) | ~seen).all(axis=1)[moving].mean()) if moving.any() else 0.0


def _in_three(confidence: np.ndarray, least: float) -> np.ndarray:
    sure = confidence >= least
    return np.asarray(sure[2:] & sure[1:-1] & sure[:-2])


def _hands(points: np.ndarray) -> tuple[int, float]:
    """Hands that are seen while both wrists are, and the share of them that lie at the other wrist."""
    own, other = list[np.ndarray](), list[np.ndarray]()
    left, right = points[:, INDEX["left_wrist"]], points[:, INDEX["right_wrist"]]
    for hand, mine, theirs in ((LEFT_HAND, left, right), (RIGHT_HAND, right, left)):
        root = points[:, hand.start]
        seen = (root[:, 2] > 0) & (left[:, 2] >= limits.SEEN) & (right[:, 2] >= limits.SEEN)
        own.append(np.linalg.norm((root - mine)[seen, :2], axis=1))
        other.append(np.linalg.norm((root - theirs)[seen, :2], axis=1))
    near, far = np.concatenate(own), np.concatenate(other)
    return len(near), float((2 * far < near).mean()) if len(near) else 0.0


def _flips(points: np.ndarray, scale: float) -> float:
    """Share of the steps that exchanging left and right would halve, and more."""
    left, right = points[:, _LEFT], points[:, _RIGHT]
    seen = (left[..., 2] >= limits.SEEN) & (right[..., 2] >= limits.SEEN)
    both = seen[1:] & seen[:-1]

    def step(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        away = np.linalg.norm(one[1:, :, :2] - two[:-1, :, :2], axis=2)
        return np.asarray((away * both).sum(axis=1) / np.maximum(1, both.sum(axis=1)) / scale)

    stays = (step(left, left) + step(right, right)) / 2
    swaps = (step(left, right) + step(right, left)) / 2
    flips = (stays > limits.FLIP_BODIES) & (stays > 2 * swaps) & (both.sum(axis=1) > 1)
    return float(flips.mean()) if len(flips) else 0.0


def _name(point: int) -> str:
    return next((name for name, index in INDEX.items() if index == point), f"point {point}")
