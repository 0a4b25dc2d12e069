"""Changes of a window of a dance for training: the same for its frames and its points, so that both go on saying the same.

Positions are continuous pixels: pixel i of a row reaches from i to i + 1, and a picture that is resized scales them. cv2 counts from
the middle of a pixel, so matrices for it are moved by half a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.motion.keypoints import INDEX, JOINT_TYPES, drop_outside

# Ranges of the draws. A dancer stays whole in most of them, and upright; colours stay those of a camera.
_ZOOM = (0.9, 1.25)  # more than 1 is a crop
_SHIFT = 0.06  # of the side, each way
_TURN_DEG = 10.0
_BRIGHTNESS, _CONTRAST, _SATURATION = 20.0, 0.2, 0.2  # levels of 255; shares, each way
_OTHER = {"left": "right", "right": "left"}
# iBUG's 68 points in a mirror: jaw, brows, nose, eyes, mouth
_FACE_MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)


def _mirrored(name: str) -> int:
    if name.startswith("face_"):
        return INDEX[f"face_{_FACE_MIRROR[int(name.removeprefix('face_'))]}"]
    side, _, joint = name.partition("_")
    return INDEX[f"{_OTHER[side]}_{joint}"] if side in _OTHER else INDEX[name]


MIRROR = np.array([_mirrored(name) for name in JOINT_TYPES])
"""(134,) the point that takes each point's place in a mirror: the dancer's left becomes a right."""


@dataclass(frozen=True)
class Change:
    """flip: mirrored left to right, before all else. matrix: (2, 3) of continuous positions in a picture of side 1.

    colour: (3, 4) of RGB values 0-255, the last column added.
    """

    flip: bool
    matrix: np.ndarray
    colour: np.ndarray


NO_CHANGE = Change(False, np.eye(2, 3), np.eye(3, 4))


def draw_change(random: np.random.Generator, *, may_flip: bool = True) -> Change:
    """A change: mirrored half the time; turned, zoomed and moved a little around the picture's middle; other light and colours."""
    # of training windows alone, on request: how a window is shown; frames and points share it, and nothing is stored
    flip = bool(random.random() < 0.5) and may_flip
    zoom, turn = random.uniform(*_ZOOM), np.radians(random.uniform(-_TURN_DEG, _TURN_DEG))
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.full(2, 0.5)
    moved = middle + random.uniform(-_SHIFT, _SHIFT, 2) - linear @ middle
    contrast, saturation = 1 + random.uniform(-_CONTRAST, _CONTRAST), 1 + random.uniform(-_SATURATION, _SATURATION)
    grey = np.tile([0.299, 0.587, 0.114], (3, 1))  # ITU-R BT.601's weights of R, G, B
    mixed = contrast * (saturation * np.eye(3) + (1 - saturation) * grey)
    light = 127.5 * (1 - contrast) + random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    return Change(flip, np.column_stack([linear, moved]), np.column_stack([mixed, np.full(3, light)]))


def change_points(points: np.ndarray, change: Change, side: float) -> np.ndarray:
    """(..., 134, 3) px of a side x side picture, changed as change_picture changes that; what leaves it becomes unseen."""
    placed = points[..., MIRROR, :] if change.flip else points
    x, y = placed[..., 0] / side, placed[..., 1] / side
    at = np.stack([1 - x if change.flip else x, y, np.ones_like(x)], axis=-1)
    moved = np.concatenate([at @ change.matrix.T * side, placed[..., 2:]], axis=-1)
    return drop_outside(np.where(placed[..., 2:] > 0, moved, 0), side, side)


def change_picture(image: np.ndarray, change: Change) -> np.ndarray:
    """(side, side, 3) uint8 RGB; what comes in from beyond the edge is black, as around a letterboxed picture."""
    import cv2

    side = image.shape[0]
    image = change_colour(image[:, ::-1] if change.flip else image, change)
    if np.array_equal(change.matrix, NO_CHANGE.matrix):
        return image
    linear, moved = change.matrix[:, :2], change.matrix[:, 2] * side
    shifted = linear @ np.full(2, 0.5) + moved - 0.5
    return np.asarray(cv2.warpAffine(image, np.column_stack([linear, shifted]), (side, side), flags=cv2.INTER_LINEAR))


def change_colour(image: np.ndarray, change: Change) -> np.ndarray:
    """The same picture in other light."""
    import cv2

    if np.array_equal(change.colour, NO_CHANGE.colour):
        return np.ascontiguousarray(image)
    return np.asarray(cv2.transform(np.ascontiguousarray(image), change.colour))


def change_reference(image: np.ndarray, change: Change) -> np.ndarray:
    """The reference picture: mirrored and lit as the frames, and not moved, since its face is framed on purpose."""
    return change_colour(image[:, ::-1] if change.flip else image, change)
