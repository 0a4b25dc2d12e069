"""Keypoints as pictures: a Gaussian around each point, one picture a joint."""

from __future__ import annotations

import numpy as np

SIGMA = 2.0
"""Heatmap pixels. HRNet's for maps of 64 pixels (arXiv:1902.09212), which mmpose keeps for COCO-WholeBody."""
_REACH = 6.0  # sigmas; what lies beyond is 1.5e-8 of the peak, below float32's resolution of it


def heatmaps(points: np.ndarray, side: int, resolution: int = 64, sigma: float = SIGMA) -> np.ndarray:
    """(..., resolution, resolution) float32, [y, x], of points (..., 3) x, y, confidence in pixels of a side x side picture.

    A seen point is exp(-d^2 / (2 sigma^2)), d its distance in heatmap pixels from a pixel's centre: the brightest pixel is the one
    that the point lies in, and the point is less than half a pixel from its centre on each axis. An unseen point's map is zero.
    The outer product of two 1-D Gaussians: 2 x resolution exponentials a point instead of resolution^2.
    """
    centres = np.arange(resolution, dtype=np.float32) + np.float32(0.5)
    where = points[..., :2].astype(np.float32) * np.float32(resolution / side)
    away = (centres - where[..., None]) / np.float32(sigma)  # (..., 2, resolution)
    along = np.exp(np.float32(-0.5) * np.minimum(np.abs(away), _REACH) ** 2, dtype=np.float32)
    along[np.abs(away) >= _REACH] = 0  # products of tinier numbers are subnormal, which processors multiply slowly
    along[..., 1, :] *= points[..., 2, None] > 0
    return np.asarray(along[..., 1, :, None] * along[..., 0, None, :], np.float32)
