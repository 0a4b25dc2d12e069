"""The square part of the picture that a dance sample shows: one for a whole clip, so that the dancer moves and the camera does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.motion.keypoints import drop_outside

MARGIN = 0.15
"""Of the body's extent, on every side: hair and fingers lie beyond the points."""
FORESIGHT = 0.3
"""The margin where only some frames of a clip are known."""
_MUCH_LARGER = 1.6  # x the side of the fitted window
_SURE = 0.5  # confidence; a doubtful point must not widen the picture


@dataclass(frozen=True)
class Window:
    """A square of the source picture: its upper left corner and its side, px. Where it lies outside the picture it is black.

    The side is even, and so are corners outside the picture: colour is coded for two pixels at once.
    """

    x: int
    y: int
    side: int


def whole_window(width: int, height: int) -> Window:
    """The letterbox: the smallest square of an even side around the whole picture."""
    side = _even(max(width, height))
    return Window(_place(0, side, width), _place(0, side, height), side)


def fit_window(points: np.ndarray, width: int, height: int, resolution: int, margin: float = MARGIN) -> Window:
    """The window that holds the dancer in all frames.

    points: (T, 134, 3) source px. margin: of the body's extent, on every side. It is never larger than the square around the whole
    picture (the letterbox, also when nobody is seen), and where the picture allows not smaller than `resolution`, so that nothing is
    scaled up.
    """
    sure = points[points[..., 2] >= _SURE][:, :2]
    whole = _even(max(width, height))
    low, high = (sure.min(axis=0), sure.max(axis=0)) if len(sure) else (np.zeros(2), np.array([width, height]))
    side = _even(int(np.clip(np.ceil((high - low).max() * (1 + 2 * margin)), min(resolution, whole), whole)))
    corner = [_place(middle, side, length) for middle, length in zip((low + high) / 2, (width, height), strict=True)]
    return Window(corner[0], corner[1], side)


def suits(window: Window, points: np.ndarray, width: int, height: int, resolution: int) -> bool:
    """Whether a window that was chosen from few frames does for all: no sure point is cut off that another would show, and the dancer
    is not much smaller in it than it could be."""
    fitted = fit_window(points, width, height, resolution)
    low, high = _extent(window, width, height)
    sure = points[points[..., 2] >= _SURE][:, :2]
    return bool((sure >= low).all() and (sure < high).all() and window.side <= _MUCH_LARGER * fitted.side)


def _extent(window: Window, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    corner = np.array([window.x, window.y])
    return np.maximum(corner, 0), np.minimum(corner + window.side, [width, height])


def _even(length: int) -> int:
    return length + length % 2


def _place(middle: float, side: int, length: int) -> int:
    """Start of the window along one axis: inside the picture where it fits, else with the picture in its middle."""
    if side >= length:
        return -2 * ((side - length) // 4)
    return int(np.clip(round(middle - side / 2), 0, length - side))


def show(image: np.ndarray, window: Window, resolution: int) -> np.ndarray:
    """(resolution, resolution, 3) uint8: what the window shows, never squashed."""
    import cv2

    height, width = image.shape[:2]
    left, top = max(0, -window.x), max(0, -window.y)
    right, bottom = max(0, window.x + window.side - width), max(0, window.y + window.side - height)
    part = image[max(0, window.y) : window.y + window.side, max(0, window.x) : window.x + window.side]
    square = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    shrinks = window.side > resolution
    return np.asarray(cv2.resize(square, (resolution, resolution), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def to_window(points: np.ndarray, window: Window, resolution: int) -> np.ndarray:
    """(..., 3) source px to px of what show gives; points outside it become unseen."""
    moved = points.copy()
    moved[..., 0] = (points[..., 0] - window.x) * resolution / window.side
    moved[..., 1] = (points[..., 1] - window.y) * resolution / window.side
    return drop_outside(np.where(points[..., 2:] > 0, moved, 0), resolution, resolution)
