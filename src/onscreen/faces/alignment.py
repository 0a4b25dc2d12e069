"""Upright crops: a face turned so that its eyes lie level, with a margin around it."""

from __future__ import annotations

import cv2
import numpy as np

from onscreen.faces.detectors import Detection


def aligned_crop(image: np.ndarray, face: Detection, side_px: int, margin: float, *, level: bool = True) -> np.ndarray:
    """The face upright on its eyes: (side_px, side_px, 3) uint8 RGB, black where the crop reaches out of the image.

    image: (H, W, 3) uint8 RGB. margin: of the box's larger side, added on every side. level: False leaves the face as it leans.
    """
    turn = _to_crop(face, side_px, margin, level)
    corners = _corners(turn, side_px)
    ratio = float(np.linalg.norm(corners[1] - corners[0])) / side_px
    region, turn = _region(image, turn, corners, ratio)
    size = (side_px, side_px)
    return cv2.warpAffine(region, turn, size) if region.size else np.zeros((*size, 3), np.uint8)


def completeness(shape: tuple[int, ...], face: Detection, margin: float) -> float:
    """The share of a face's crop that lies inside the image, 0-1. shape: of the image, height first."""
    corners = _corners(_to_crop(face, 1, margin, True), 1)
    height, width = shape[:2]
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inside = cv2.intersectConvexConvex(corners.astype(np.float32), frame)[0]
    return float(np.clip(inside / np.linalg.norm(corners[1] - corners[0]) ** 2, 0.0, 1.0))


def _to_crop(face: Detection, side_px: int, margin: float, level: bool) -> np.ndarray:
    """(2, 3) float64: from pixels of the image to those of the crop."""
    x, y, width, height = face.box
    across = face.landmarks[1] - face.landmarks[0]
    lean = float(np.degrees(np.arctan2(across[1], across[0]))) if level else 0.0
    turn = cv2.getRotationMatrix2D((0.0, 0.0), lean, side_px / (max(width, height) * (1 + 2 * margin)))
    turn[:, 2] = side_px / 2 - turn[:, :2] @ np.array([x + width / 2, y + height / 2])
    return np.asarray(turn, np.float64)


def _corners(turn: np.ndarray, side_px: int) -> np.ndarray:
    """(4, 2) the crop's corners in pixels of the image, in the order of a walk around it."""
    square = np.array([[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]])
    return np.asarray((square - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T)


def _region(image: np.ndarray, turn: np.ndarray, corners: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that a crop samples, and the map from it to the crop; empty where it lies outside.

    ratio: pixels of the image for one of the crop. From 2 on the part is made smaller by averages, so that sampling it does not
    alias.
    """
    beside = np.ceil(ratio) + 2  # what interpolation reads around the corners
    limits = (image.shape[1], image.shape[0])
    left, top = np.clip(np.floor(corners.min(0) - beside), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0) + beside), 0, limits).astype(int)
    region = image[top:bottom, left:right]
    scale = np.ones(2)
    if ratio >= 2 and region.size:
        smaller = [max(1, round(int(length) / ratio)) for length in (right - left, bottom - top)]
        scale = np.array([right - left, bottom - top]) / smaller
        region = cv2.resize(region, smaller, interpolation=cv2.INTER_AREA)
    first = np.array([left, top]) + (scale - 1) / 2  # the middle of the region's first pixel
    return region, np.column_stack([turn[:, :2] * scale, turn[:, :2] @ first + turn[:, 2]])
