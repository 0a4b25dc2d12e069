"""Do the points lie where the body is, when it is there? A body model looks again at a stretch in which the limbs move most.

Five single frames cannot tell a pose from the one a fifth of a second before, nor a body from one drawn a tenth smaller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from onscreen.checks import limits
from onscreen.checks.finding import Finding, Status
from onscreen.checks.movement import scale_of
from onscreen.checks.poses import names_are_real
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.structure import fps_of
from onscreen.checks.tools import Tools
from onscreen.media.video import constant_rate_frames
from onscreen.motion.keypoints import INDEX, assemble

_LIMBS = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle")]
_BODY = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "hip")] + _LIMBS
_NAMES = {index: name.replace("_", " ") for name, index in INDEX.items()}
_EVERY, _LOOKS = 2, 12  # what is looked at again is 2 frames apart; the annotation is known in between
_REACH = 12  # frames that the points may lie early or late, half a second of 24


@dataclass(frozen=True)
class Again:
    """A body that was found again. frames: (N,) numbers; found: (N, 134, 3) px; points: (T, 134, 3) px, all as annotated; body: the
    dancer's scale, px."""

    frames: np.ndarray
    found: np.ndarray
    points: np.ndarray
    body: float


@dataclass(frozen=True)
class Timing:
    """lag: how many frames late the points lie. beside: mean distance of a limb at that lag, beside_own: at 0, in the same frames; moved: of the limbs that
    are found from their own middle; rough: of each from a straight line between its neighbours in time. In bodies."""

    lag: int
    beside: float
    beside_own: float
    moved: float
    rough: float


def check_timing(sample: SampleFolder, tools: Tools) -> Iterator[Finding]:
    """poses.timing: no other frames' points fit better than the frame's own. poses.scale: as large as the body, and where it is."""
    points = sample.points
    if points.ndim != 3 or points.shape[1] != limits.POINTS or not np.isfinite(points).all():
        raise Broken("pose_annotations.json: frames are not 134 finite points")
    body = scale_of(points) if names_are_real(sample) else None
    if body is None:
        detail = "it is not known which point is which joint, or none is seen"
        yield from (Finding(sample.label, f"poses.{name}", "unproven", detail) for name in ("timing", "scale"))
        return
    again = look_again(sample, tools, body)
    if len(again.frames) < limits.LOOKED_AT:
        detail = f"the body is found again in {len(again.frames)} frames; of the others see poses.picture"
        yield from (Finding(sample.label, f"poses.{name}", "unproven", detail) for name in ("timing", "scale"))
        return
    yield time_of(sample.label, again)
    yield size_of(sample.label, again)


def look_again(sample: SampleFolder, tools: Tools, body: float) -> Again:
    """The body in a stretch and in the frames that film keeps, but for those in which it is somebody else, or nobody."""
    points, fps = sample.points, fps_of(sample)
    first = _liveliest(points)
    last = min(len(points), first + _EVERY * _LOOKS)
    found = dict(tools.bodies(sample))
    images = constant_rate_frames(sample.folder / "video.mp4", first / fps, last / fps, fps)
    for frame, image in enumerate((shown.image for shown in images), first):
        seen = tools.body(image) if (frame - first) % _EVERY == 0 and frame not in found else None
        found |= {frame: assemble(seen)} if seen is not None else {}
    frames = [frame for frame in sorted(found) if frame < len(points) and _is_near(points[frame], found[frame], body)]
    return Again(np.array(frames, int), np.array([found[frame] for frame in frames]).reshape(-1, limits.POINTS, 3), points, body)


def compare(again: Again) -> Timing | str:
    """When the points lie, or why that is not known. Each limb's usual distance is taken off: models differ in where a joint is."""
    distances = {lag: _distance(again, lag) for lag in range(-_REACH, _REACH + 1)}
    pairs = distances[0][1]
    if pairs < limits.LOOKED_AT:
        return "hardly a limb is seen"
    enough = {lag: (mean, _own(again, lag)) for lag, (mean, count) in distances.items() if count >= pairs / 2}
    lag = min(enough, key=lambda lag: (enough[lag][0] / max(1e-9, enough[lag][1]), abs(lag)))
    limbs = np.where(again.found[:, _LIMBS, 2:] >= limits.SEEN, again.found[:, _LIMBS, :2], np.nan)
    moved, rough = _mean(_centred(limbs), again.body), _mean(_bend(again.frames, limbs), again.body)
    return Timing(lag, *enough[lag], moved, rough)


def scale_and_offset(again: Again) -> tuple[float, float]:
    """How many times as large as the body the points are drawn, and how far beside it they lie, bodies.

    Least squares without the fifth that fits worst, over shoulders, hips and limbs of all frames together.
    """
    own, found = again.points[again.frames][:, _BODY], again.found[:, _BODY]
    both = (own[..., 2] >= limits.SEEN) & (found[..., 2] >= limits.SEEN)
    one, two = own[both][:, :2], found[both][:, :2]
    offset = float(np.linalg.norm(np.median(one - two, axis=0))) / again.body
    kept, scale = np.ones(len(one), bool), 1.0
    for _ in range(3):
        a, b = one - one[kept].mean(axis=0), two - two[kept].mean(axis=0)
        scale = float((a * b)[kept].sum() / max(1e-9, (b[kept] ** 2).sum()))
        away = np.linalg.norm(a - scale * b, axis=1)
        kept = away <= np.quantile(away, 0.8)
    return scale, offset


def time_of(label: str, again: Again) -> Finding:
    """poses.timing of the sample with that label."""
    found = compare(again)
    if isinstance(found, str):
        return Finding(label, "poses.timing", "unproven", found)
    numbers = {"lag_frames": float(found.lag), "distance": found.beside, "distance_own": found.beside_own}
    numbers |= {"moved": found.moved, "rough": found.rough, "frames": float(len(again.frames))}
    if found.moved < limits.MOVES_BODIES or found.rough > limits.ROUGH * found.moved:
        detail = "the dancer hardly moves" if found.moved < limits.MOVES_BODIES else "the body found again flickers"
        return Finding(label, "poses.timing", "unproven", f"{detail}: poses of other frames would fit as well", numbers)
    if found.beside_own > limits.UNFOLLOWED * found.moved and found.beside > limits.ELSEWHEN * found.moved:
        detail = f"the limbs move by {found.moved:.3f} bodies, and the points lie {found.beside_own:.3f} beside them: they do not follow"
        return Finding(label, "poses.timing", "fail", detail, numbers)
    better = found.lag != 0 and found.beside_own >= limits.LAG_BETTER * found.beside
    if better and abs(found.lag) >= limits.LAG_FRAMES:
        lag = f"{abs(found.lag)} frames {'late' if found.lag > 0 else 'early'}"
        detail = f"the points lie {lag}: {found.beside:.3f} bodies beside the limbs there, {found.beside_own:.3f} as they are"
        return Finding(label, "poses.timing", "fail", detail, numbers)
    status: Status = "warn" if better else "pass"
    detail = f"limbs lie {found.beside_own:.3f} bodies from where they are found again in {len(again.frames)} frames, and move by {found.moved:.3f}"
    detail += f"; a frame {'later' if found.lag < 0 else 'earlier'} {found.beside:.3f}" if better else ""
    return Finding(label, "poses.timing", status, detail, numbers)


def size_of(label: str, again: Again) -> Finding:
    """poses.scale of the sample with that label."""
    scale, offset = scale_and_offset(again)
    off, (warn, fail) = abs(scale - 1), limits.DRAWN_SCALE
    status: Status = "fail" if off > fail or offset > limits.OFFSET_BODIES else "warn" if off > warn else "pass"
    places = _astray(again)
    detail = f"drawn {scale:.3f} times as large as the body that is found again, {offset:.3f} bodies beside it"
    detail += f"; elsewhere than where it is found: {', '.join(places)}" if places else ""
    numbers = {"scale": scale, "offset": offset, "astray": float(len(places)), "frames": float(len(again.frames))}
    return Finding(label, "poses.scale", "fail" if places else status, detail, numbers)


def _astray(again: Again) -> list[str]:
    """Joints that are sure, and in most frames far from where they are found."""
    own, found = again.points[again.frames], again.found
    both = (own[..., 2] >= limits.SURE) & (found[..., 2] >= limits.SURE)
    away = np.linalg.norm(own[..., :2] - found[..., :2], axis=2) / again.body
    return [
        _NAMES[joint]
        for joint in _BODY
        if both[:, joint].sum() >= limits.LOOKED_AT and np.median(away[both[:, joint], joint]) > limits.ASTRAY_BODIES
    ]


def _liveliest(points: np.ndarray) -> int:
    """The first frame of the stretch in which limbs that are seen move most."""
    seen = points[:, _LIMBS, 2] >= limits.SEEN
    step = np.linalg.norm(np.diff(points[:, _LIMBS, :2], axis=0), axis=2)
    moves = (step * (seen[1:] & seen[:-1])).sum(axis=1)
    long = min(_EVERY * _LOOKS, len(moves))
    return int(np.convolve(moves, np.ones(long), "valid").argmax()) if long else 0


def _is_near(annotated: np.ndarray, found: np.ndarray, body: float) -> bool:
    both = (annotated[_BODY, 2] >= limits.SEEN) & (found[_BODY, 2] >= limits.SEEN)
    away = np.linalg.norm(annotated[_BODY, :2] - found[_BODY, :2], axis=1)[both]
    return bool(len(away)) and float(np.median(away)) <= limits.SAME_BODY * body


def _distance(again: Again, lag: int) -> tuple[float, int]:
    """Mean distance of the limbs, bodies, when the points of frame t are taken for those of frame t - lag; and of how many limbs."""
    at = again.frames + lag
    inside = (at >= 0) & (at < len(again.points))
    own, found = again.points[at[inside]][:, _LIMBS], again.found[inside][:, _LIMBS]
    both = (own[..., 2] >= limits.SEEN) & (found[..., 2] >= limits.SEEN)
    between = np.where(both[..., None], own[..., :2] - found[..., :2], np.nan)
    return _mean(_centred(between), again.body), int(both.sum())


def _own(again: Again, lag: int) -> float:
    """The distance at lag 0 in those frames alone that _distance compares at that lag: others may be harder, or easier."""
    inside = (again.frames + lag >= 0) & (again.frames + lag < len(again.points))
    return _distance(replace(again, frames=again.frames[inside], found=again.found[inside]), 0)[0]


def _centred(values: np.ndarray) -> np.ndarray:
    """(N, K, 2) less the median of each limb; NaN is not seen."""
    middle = [np.nanmedian(limb, axis=0) if np.isfinite(limb).any() else np.zeros(2) for limb in values.transpose(1, 0, 2)]
    return np.asarray(values - np.array(middle))


def _bend(frames: np.ndarray, limbs: np.ndarray) -> np.ndarray:
    """How far each limb lies beside the middle of where it is one look before and one after."""
    even = (np.diff(frames)[1:] == _EVERY) & (np.diff(frames)[:-1] == _EVERY)
    return np.asarray((limbs[1:-1] - (limbs[2:] + limbs[:-2]) / 2)[even])


def _mean(values: np.ndarray, body: float) -> float:
    """Mean length, bodies; those further than FAR_BODIES count as that far, so that a limb taken for another does not decide."""
    away = np.linalg.norm(values, axis=-1) / body
    away = away[np.isfinite(away)]
    return float(np.minimum(away, limits.FAR_BODIES).mean()) if len(away) else 0.0
