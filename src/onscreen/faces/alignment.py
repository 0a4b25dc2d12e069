"""Upright crops: a face turned so that its eyes lie level, with a margin around it."""

from __future__ import annotations

import cv2
import numpy as np

from onscreen.faces.detectors import Detection


def aligned_crop(
    image: np.ndarray, face: Detection, side_px: int, margin: float, *, level: bool = True
) -> tuple[np.ndarray, float]:
    """The face upright on its eyes, and how much of the crop the image covers.

    image: (H, W, 3) uint8 RGB. margin: of the box's larger side, added on every side. level: False leaves the face as it leans.
    Returns (side_px, side_px, 3) uint8 RGB, black where the crop reaches out of the image, and completeness 0-1.
    """
    x, y, width, height = face.box
    reach = max(width, height) * (1 + 2 * margin)
    image, shrunk = _shrunk(image, reach / side_px)
    across = face.landmarks[1] - face.landmarks[0]
    lean = float(np.degrees(np.arctan2(across[1], across[0]))) if level else 0.0
    turn = cv2.getRotationMatrix2D((0.0, 0.0), lean, side_px / reach / shrunk)
    centre = np.array([x + width / 2, y + height / 2]) * shrunk
    turn[:, 2] = side_px / 2 - turn[:, :2] @ centre
    size = (side_px, side_px)
    inside = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), turn, size)
    return cv2.warpAffine(image, turn, size), float(inside.mean() / 255)


def _shrunk(image: np.ndarray, ratio: float) -> tuple[np.ndarray, float]:
    """The image made smaller by whole-pixel averages where it is more than twice too fine, so that sampling it does not alias."""
    if ratio < 2:
        return image, 1.0
    height, width = image.shape[:2]
    smaller = cv2.resize(image, (max(1, round(width / ratio)), max(1, round(height / ratio))), interpolation=cv2.INTER_AREA)
    return smaller, smaller.shape[1] / width
