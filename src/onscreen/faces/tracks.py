"""Faces followed through the frames of a clip: looked for every few frames, joined by overlap, their boxes drawn on between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import cv2
import numpy as np

from onscreen.faces.detectors import Detector, overlap

Seen = TypeVar("Seen")

_SURE = 0.5  # score of a face that is followed
_SAME = 0.3  # overlap of a face with where it was, some frames ago; between two faces beside each other it is 0
_MISSES = 2  # looks that may miss a face before its track ends
_GREY = 110  # what lies outside of the frame, as in Light-ASD's crops
_WIDER = 0.4  # of the face's size, added on every side, likewise
_MOUTH, _EYES = (13, 14), (33, 263)  # points of the mesh: inner lips, outer corners of the eyes


@dataclass
class Track(Generic[Seen]):
    """One face. first: index of its first frame. boxes: x, y, width, height px, a frame each. seen: what was looked for in each."""

    first: int
    boxes: list[np.ndarray] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Index behind its last frame."""
        return self.first + len(self.boxes)


def follow(
    frames: Iterable[np.ndarray], detect: Detector, every: int, look: Callable[[np.ndarray, np.ndarray], Seen]
) -> list[Track[Seen]]:
    """The faces of a clip, in order of their first frame. Holds a few frames at a time.

    frames: (H, W, 3) uint8 RGB. every: frames from one search to the next; between them boxes move evenly. look(frame, box): called
    once for each frame of a track. A box is that of the face's mesh: forehead to chin, as detectors of the field draw it.
    """
    tracks, live = list[Track[Seen]](), list[Track[Seen]]()
    held: deque[tuple[int, np.ndarray]] = deque(maxlen=_MISSES * every + 1)
    for index, frame in enumerate(frames):
        held.append((index, frame))
        if index % every:
            continue
        boxes = [_box(face.mesh) for face in detect(frame) if face.score >= _SURE]
        live = [track for track in live if index - track.end < _MISSES * every]
        for track in sorted(live, key=lambda one: -len(one.boxes)):
            near = max(boxes, key=lambda box: overlap(tuple(box), tuple(track.boxes[-1])), default=None)
            if near is not None and overlap(tuple(near), tuple(track.boxes[-1])) >= _SAME:
                boxes = [box for box in boxes if box is not near]
                _extend(track, held, near, look)
        new = [Track(index, [box], [look(frame, box)]) for box in boxes]
        tracks, live = tracks + new, live + new
    return tracks


def _extend(
    track: Track[Seen], held: Iterable[tuple[int, np.ndarray]], box: np.ndarray, look: Callable[[np.ndarray, np.ndarray], Seen]
) -> None:
    behind = [(index, frame) for index, frame in held if index >= track.end]
    start, steps = track.boxes[-1], len(behind)
    for step, (_, frame) in enumerate(behind, 1):
        track.boxes.append(start + (box - start) * step / steps)
        track.seen.append(look(frame, track.boxes[-1]))


def _box(mesh: np.ndarray) -> np.ndarray:
    low, high = mesh.min(0), mesh.max(0)
    return np.concatenate([low, high - low]).astype(np.float64)


def speaking_crop(frame: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """(side, side) uint8 grey: the lower part of a face, cut out as for Light-ASD.

    That is the middle half of a square 1.4 times the face's size, which begins at the box's top and is centred on it from left to right.
    """
    x, y, width, height = box
    size = max(width, height)
    span = size * (1 + _WIDER)
    left, top = x + width / 2 - span / 4, y + height / 2 - size / 2 + span / 4
    step = span / 2 / side
    to_frame = np.array([[step, 0, left + step / 2], [0, step, top + step / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(frame, to_frame, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=[_GREY] * 3)
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))


def mouth_opening(mesh: np.ndarray) -> float:
    """Distance of the inner lips over that of the eyes' outer corners. mesh: (468, 2) px."""
    upper, lower = mesh[list(_MOUTH)]
    left, right = mesh[list(_EYES)]
    return float(np.linalg.norm(lower - upper) / max(float(np.linalg.norm(right - left)), 1e-6))
