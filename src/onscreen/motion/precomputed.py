"""Keypoints that another program found, beside the video, in one of two forms:

<stem>.keypoints.json: COCO-WholeBody. {"images": [{id, width, height}, one a frame of the video, in the order of their ids],
"annotations": [{image_id, keypoints (17 x 3), foot_kpts, face_kpts, lefthand_kpts, righthand_kpts; or keypoints (133 x 3)}]}.
<stem>_keypoints/: OpenPose. One <name>_<frame number>_keypoints.json a frame, with people: [{pose_keypoints_2d (BODY_25 or 18
points), face_keypoints_2d, hand_left_keypoints_2d, hand_right_keypoints_2d}].

Frame i of the file is the i-th frame of the video, on the video's own times. What a file leaves out stays unseen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.container import clock_start, open_media, packets, picture_stream
from onscreen.motion import keypoints
from onscreen.motion.keypoints import FACE, INDEX, JOINT_TYPES, LEFT_HAND, RIGHT_HAND
from onscreen.motion.main_dancer import MainDancer
from onscreen.motion.seen import Seen

_FILE, _FOLDER = ".keypoints.json", "_keypoints"
_COCO_PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
_VALID = {
    "foot_kpts": "foot_valid",
    "face_kpts": "face_valid",
    "lefthand_kpts": "lefthand_valid",
    "righthand_kpts": "righthand_valid",
}
_BODY_25 = (*JOINT_TYPES[:8], "", *JOINT_TYPES[8:24])  # its point 8 is the middle of the hips
_OPENPOSE = {"face_keypoints_2d": FACE, "hand_left_keypoints_2d": LEFT_HAND, "hand_right_keypoints_2d": RIGHT_HAND}
_NAME = re.compile(r"(?:^|_)(\d+)_keypoints\.json$")
_CLOCK_ERROR_S = 0.001  # containers that count in milliseconds


@dataclass(frozen=True)
class Keypoints:
    """frames: for each frame of the video the people in it, (134, 3) float32 each. size: width, height px, or None if not told."""

    frames: Sequence[Sequence[np.ndarray]]
    size: tuple[int, int] | None


def keypoints_of(video: Path) -> Path | None:
    """The file or folder of keypoints that belongs to a video; None when there is none."""
    file, folder = video.with_name(f"{video.stem}{_FILE}"), video.with_name(f"{video.stem}{_FOLDER}")
    return file if file.is_file() else folder if folder.is_dir() else None


def files_of(path: Path) -> list[Path]:
    """The files that make up what keypoints_of gave, in a fixed order: their content is what poses depend on."""
    return [path] if path.is_file() else sorted(path.glob("*_keypoints.json"))


class PrecomputedPoses:
    """The main dancer of a file of keypoints. Use it through open_poses."""

    def __init__(self, path: Path, video: Path) -> None:
        """Raises Rejected: keypoints_missing, keypoints_unreadable, keypoints_wrong_shape, keypoints_not_numbers,
        keypoints_wrong_count (of frames), and what open_media raises."""
        self._keypoints, self._times = read(path), frame_times(video)
        found, wanted = len(self._keypoints.frames), len(self._times)
        if found != wanted:
            numbers = {"frames": float(found), "frames_of_video": float(wanted)}
            raise Rejected("keypoints_wrong_count", f"{path.name} has another number of frames than the video", numbers)
        self._dancer = MainDancer()

    def __call__(self, image: np.ndarray, time_s: float) -> Seen:
        """The points of the frame that is on screen at time_s. Raises Rejected keypoints_wrong_size: made for another picture."""
        height, width = image.shape[:2]
        size = self._keypoints.size or (width, height)
        if size != (width, height):
            numbers = {"width": size[0], "height": size[1], "width_of_video": width, "height_of_video": height}
            raise Rejected("keypoints_wrong_size", "the keypoints are of pictures of another size", numbers)
        people = self._keypoints.frames[max(0, int(np.searchsorted(self._times, time_s + _CLOCK_ERROR_S, "right")) - 1)]
        chosen = self._dancer.choose(people, image, time_s)
        if chosen is None:
            return Seen(keypoints.assemble(None), None, 0.0, len(people))
        points = keypoints.drop_outside(people[chosen], width, height)
        box, score = face_box(points)
        return Seen(points, box, score, len(people), self._dancer.person)

    def restart(self) -> None:
        """A new shot begins."""
        self._dancer = MainDancer()


def face_box(points: np.ndarray) -> tuple[tuple[float, float, float, float] | None, float]:
    """x, y, width, height px around the 68 points of a face, and their mean confidence; None, 0 unless all are seen."""
    face = points[FACE]
    if (face[:, 2] <= 0).any():
        return None, 0.0
    low, size = face[:, :2].min(axis=0), np.ptp(face[:, :2], axis=0)
    return (float(low[0]), float(low[1]), float(size[0]), float(size[1])), float(face[:, 2].mean())


def frame_times(video: Path) -> np.ndarray:
    """(N,) seconds on the file's clock, growing: when each frame of the video comes on screen. Nothing is decoded."""
    with open_media(video) as container:
        stream = picture_stream(container)
        if stream is None:
            raise Rejected("no_video_stream", "it holds no moving picture")
        zero = clock_start(container)
        found = (packet for packet in packets(container, stream) if packet.pts is not None and not packet.is_discard)
        return np.sort([float(packet.pts * packet.time_base) - zero for packet in found])


def read(path: Path) -> Keypoints:
    """All frames of a file or a folder. Raises Rejected as PrecomputedPoses does, but for the count."""
    if path.is_file():
        return _read_coco(path)
    if path.is_dir():
        return _read_openpose(path)
    raise Rejected("keypoints_missing", f"{path.name} is not there")


def _read_coco(path: Path) -> Keypoints:
    data = _json(path)
    try:
        images = sorted(data["images"], key=lambda image: int(image["id"]))
        place = {int(image["id"]): index for index, image in enumerate(images)}
        frames: list[list[np.ndarray]] = [[] for _ in images]
        for person in data["annotations"]:
            frames[place[int(person["image_id"])]].append(_coco_person(person, path.name))
        sizes = {(int(image["width"]), int(image["height"])) for image in images if "width" in image and "height" in image}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Rejected("keypoints_unreadable", f"{path.name} is not COCO-WholeBody: {type(error).__name__} {error}") from error
    if len(sizes) > 1 or len(place) != len(images):
        raise Rejected("keypoints_unreadable", f"{path.name}: its images are not the frames of one video")
    return Keypoints([_somebody(people) for people in frames], next(iter(sizes), None))


def _coco_person(person: Mapping[str, Any], name: str) -> np.ndarray:
    if len(person["keypoints"]) == 3 * len(keypoints.COCO_WHOLEBODY):
        return keypoints.from_coco_wholebody(_points(person["keypoints"], (133,), name))
    parts = []
    for part, count in _COCO_PARTS.items():
        there = person.get(part) if person.get(_VALID.get(part, ""), True) else None
        parts.append(_points(there, (count,), name) if there else np.zeros((count, 3), np.float32))
    return keypoints.from_coco_wholebody(np.concatenate(parts))


def _read_openpose(folder: Path) -> Keypoints:
    named = [(int(match[1]), file) for file in files_of(folder) if (match := _NAME.search(file.name))]
    numbered = dict(named)
    if not numbered:
        raise Rejected("keypoints_missing", f"{folder.name} holds no file named *_<frame number>_keypoints.json")
    if len(numbered) < len(named):
        raise Rejected("keypoints_unreadable", f"{folder.name} holds several files of one frame number, as of several videos")
    first = min(numbered)
    if sorted(numbered) != list(range(first, first + len(numbered))):
        numbers = {"files": float(len(numbered)), "first": float(first), "last": float(max(numbered))}
        raise Rejected("keypoints_wrong_count", f"{folder.name} lacks frames between its first and its last", numbers)
    frames = []
    for number in sorted(numbered):
        data, name = _json(numbered[number]), f"{folder.name}/{numbered[number].name}"
        try:
            frames.append(_somebody([_openpose_person(person, name) for person in data["people"]]))
        except (KeyError, TypeError, AttributeError) as error:
            raise Rejected("keypoints_unreadable", f"{name} is not OpenPose's: {type(error).__name__} {error}") from error
    return Keypoints(frames, None)


def _openpose_person(person: Mapping[str, Any], name: str) -> np.ndarray:
    points = np.zeros((keypoints.N_POINTS, 3), np.float32)
    body = _points(person["pose_keypoints_2d"], (25, 18), name)
    joints = _BODY_25 if len(body) == 25 else JOINT_TYPES[:18]
    for joint, point in zip(joints, body, strict=True):
        if joint:
            points[INDEX[joint]] = point
    for part, place in _OPENPOSE.items():
        if values := person.get(part):  # empty where that part was not looked for
            count = place.stop - place.start
            points[place] = _points(values, (70, 68) if place == FACE else (count,), name)[:count]  # OpenPose adds both pupils
    points[points[:, 2] <= 0] = 0
    return points


def _points(values: Sequence[float], counts: Sequence[int], name: str) -> np.ndarray:
    """(N, 3) x, y px, confidence in [0, 1] (COCO's labels 1 and 2 are certain; scores of some networks pass 1)."""
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise Rejected("keypoints_not_numbers", f"{name} holds something else than numbers") from error
    if points.ndim != 1 or points.size not in [3 * count for count in counts]:
        wanted = " or ".join(str(3 * count) for count in counts)
        raise Rejected("keypoints_wrong_shape", f"{name}: {points.size} values where {wanted} are wanted")
    points = points.reshape(-1, 3)
    if not np.isfinite(points).all():
        raise Rejected(
            "keypoints_not_numbers", f"{name} holds values that are not finite", {"values": float((~np.isfinite(points)).sum())}
        )
    points[:, 2] = np.clip(points[:, 2], 0, 1)
    return points.astype(np.float32)


def _somebody(people: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [points for points in people if points.any()]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected("keypoints_unreadable", f"{path.name} cannot be read as JSON: {type(error).__name__}") from error
