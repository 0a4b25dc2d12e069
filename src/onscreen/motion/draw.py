"""A dancer's points drawn over the picture, for people to look at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from onscreen.motion.keypoints import FACE, FEET, INDEX, LEFT_HAND, RIGHT_HAND

_LEFT, _RIGHT, _MIDDLE = (255, 128, 0), (0, 160, 255), (0, 220, 0)  # RGB: the dancer's left orange, right blue
_CHAINS = (
    ("neck", "{}_shoulder", "{}_elbow", "{}_wrist"),
    ("neck", "{}_hip", "{}_knee", "{}_ankle", "{}_heel", "{}_big_toe"),
    ("nose", "{}_eye", "{}_ear"),
)
_FINGER_STARTS = (1, 5, 9, 13, 17)


def bones() -> list[tuple[int, int, tuple[int, int, int]]]:
    """Pairs of points that a line joins, with its colour."""
    lines = [(INDEX["nose"], INDEX["neck"], _MIDDLE)]
    for side, colour in (("left", _LEFT), ("right", _RIGHT)):
        for chain in _CHAINS:
            names = [INDEX[name.format(side)] for name in chain]
            lines += [(first, second, colour) for first, second in pairwise(names)]
    for hand, colour in ((LEFT_HAND, _LEFT), (RIGHT_HAND, _RIGHT)):
        for start in _FINGER_STARTS:
            finger = [hand.start, *range(hand.start + start, hand.start + start + 4)]
            lines += [(first, second, colour) for first, second in pairwise(finger)]
    return lines


def draw_pose(image: np.ndarray, points: np.ndarray, min_confidence: float = 0.0) -> np.ndarray:
    """A copy of an RGB uint8 picture with the seen points of (134, 3) in it; points at or below min_confidence are left out."""
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    seen = points[:, 2] > min_confidence
    where = [(round(float(x)), round(float(y))) for x, y, _ in points]
    thick = max(1, round(max(image.shape[:2]) / 400))
    for first, second, colour in bones():
        if seen[first] and seen[second]:
            cv2.line(canvas, where[first], where[second], colour, thick, cv2.LINE_AA)
    for index in np.flatnonzero(seen):
        small = FACE.start <= index < FACE.stop or index >= LEFT_HAND.start
        colour = (255, 255, 0) if FEET.start <= index < FEET.stop else (255, 255, 255)
        cv2.circle(canvas, where[index], thick if small else 2 * thick, colour, -1, cv2.LINE_AA)
    return canvas
