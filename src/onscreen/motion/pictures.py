"""Pictures as MediaPipe wants them, and parts of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_picture(image: np.ndarray) -> Any:
    """An RGB uint8 array as MediaPipe's image."""
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def crop_around(image: np.ndarray, centre: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The square around a point as far as it lies in the picture, and its upper left corner (x, y)."""
    height, width = image.shape[:2]
    low = np.clip(np.floor(centre - side / 2), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(centre + side / 2), 0, [width, height]).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low
