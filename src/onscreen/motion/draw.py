"""A dancer's points drawn over the picture, for people to look at."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from onscreen.motion.keypoints import FACE, FEET, INDEX, LEFT_HAND, N_POINTS, RIGHT_HAND

_LEFT, _RIGHT, _MIDDLE = (255, 128, 0), (0, 160, 255), (0, 220, 0)  # RGB: the dancer's left orange, right blue
_CHAINS = (
    ("neck", "{}_shoulder", "{}_elbow", "{}_wrist"),
    ("neck", "{}_hip", "{}_knee", "{}_ankle", "{}_heel", "{}_big_toe"),
    ("nose", "{}_eye", "{}_ear"),
)
_FINGER_STARTS = (1, 5, 9, 13, 17)
_STRENGTHS = 4  # steps of confidence that can be told apart; the lowest is a quarter as strong as the highest
_FAR_PX = 1 << 20  # points of a broken file may lie anywhere; OpenCV counts pixels in 32 bits


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


def dots() -> list[tuple[bool, tuple[int, int, int]]]:
    """Of each of the 134 points: whether it is one of many and drawn small, and its colour."""
    small = [FACE.start <= index < FACE.stop or index >= LEFT_HAND.start for index in range(N_POINTS)]
    feet = [FEET.start <= index < FEET.stop for index in range(N_POINTS)]
    return [(one, (255, 255, 0) if foot else (255, 255, 255)) for one, foot in zip(small, feet, strict=True)]


def draw_pose(image: np.ndarray, points: np.ndarray, min_confidence: float = 0.0) -> np.ndarray:
    """A copy of an RGB uint8 picture with the seen points of (134, 3) in it; points at or below min_confidence are left out.

    The less sure a point, the fainter it is; a line is as sure as its less sure end.
    """
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    strength = _strengths(points, min_confidence)
    where = np.clip(np.nan_to_num(points[:, :2]), -_FAR_PX, _FAR_PX).round().astype(int).tolist()
    thick = max(1, round(max(image.shape[:2]) / 400))
    for step in range(1, _STRENGTHS + 1):
        drawn = canvas if step == _STRENGTHS else canvas.copy()
        for first, second, colour in bones():
            if min(strength[first], strength[second]) == step:
                cv2.line(drawn, where[first], where[second], colour, thick, cv2.LINE_AA)
        for index, (small, colour) in enumerate(dots()):
            if strength[index] == step:
                cv2.circle(drawn, where[index], thick if small else 2 * thick, colour, -1, cv2.LINE_AA)
        if drawn is not canvas:
            canvas = cv2.addWeighted(drawn, step / _STRENGTHS, canvas, 1 - step / _STRENGTHS, 0)
    return canvas


def _strengths(points: np.ndarray, min_confidence: float) -> list[int]:
    """0 for what is not drawn, else 1-4 by confidence."""
    confidence = np.where(np.isfinite(points).all(axis=1), points[:, 2], 0.0)
    steps = np.clip(np.ceil(confidence * _STRENGTHS), 1, _STRENGTHS).astype(int)
    return [int(step) for step in np.where(confidence > min_confidence, steps, 0)]
