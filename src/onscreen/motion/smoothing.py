"""The 1 euro filter (Casiez, Roussel, Vogel 2012): jitter goes where a point is slow, nothing lags where it is fast.

A first-order low pass whose cutoff grows with the speed. Only points that are seen are moved; each starts anew after every gap, and
no gap is filled.
"""

from __future__ import annotations

import numpy as np

MIN_CUTOFF_HZ = 1.0  # of a point that stands still (the authors' start value)
SPEED_CUTOFF_HZ = 1.0  # the paper's d_cutoff: of the speed itself
# The paper's beta, per pixel a second there; here per length of the picture of the body a second, so that a size of picture is no
# parameter: a wrist that crosses the body's own height in half a second is followed within a frame.
BETA = 12.0


def one_euro(points: np.ndarray, fps: float) -> np.ndarray:
    """(T, 134, 3) float32 with smoothed x, y where the confidence is above 0; confidences and unseen points stay as they are.

    points: (T, P, 3) x px, y px, confidence. fps: frames a second.
    """
    smooth, size = points.astype(np.float32).copy(), _body_size(points)
    before = np.zeros(points.shape[1:], np.float64)  # the filtered x, y of the frame before
    speed = np.zeros((points.shape[1], 2))
    running = np.zeros(points.shape[1], bool)
    for index, frame in enumerate(points.astype(np.float64)):
        seen = frame[:, 2] > 0
        going = seen & running
        raw_speed = (frame[:, :2] - before[:, :2]) * fps
        speed = np.where(going[:, None], speed + _alpha(SPEED_CUTOFF_HZ, fps) * (raw_speed - speed), 0.0)
        share = _alpha(MIN_CUTOFF_HZ + BETA * np.hypot(*speed.T) / size, fps)[:, None]
        filtered = np.where(going[:, None], before[:, :2] + share * (frame[:, :2] - before[:, :2]), frame[:, :2])
        smooth[index, seen, :2] = filtered[seen]
        before[:, :2], running = filtered, seen
    return smooth


def _alpha(cutoff_hz: float | np.ndarray, fps: float) -> np.ndarray:
    """Weight of the new value in a first-order low pass."""
    return np.asarray(1 / (1 + fps / (2 * np.pi * np.asarray(cutoff_hz))))


def _body_size(points: np.ndarray) -> float:
    """Median over the frames of the larger extent of what is seen, px."""
    extents = [float(np.ptp(frame[frame[:, 2] > 0, :2], axis=0).max()) for frame in points if (frame[:, 2] > 0).sum() > 1]
    return max(float(np.median(extents)) if extents else 1.0, 1.0)
