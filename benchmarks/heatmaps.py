"""Compares motion/heatmaps.py with the double loop over pixels that the guide's time knew. Run: python benchmarks/heatmaps.py [--whole]

150 frames x 134 points x 64 x 64. The loop runs over _LOOP_FRAMES frames, a whole number of times less, and its time a frame is
multiplied; --whole runs it over all 150 (10 minutes). Prints core-seconds of both, their ratio, and how far their values differ.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from onscreen.motion.heatmaps import SIGMA, heatmaps
from onscreen.motion.keypoints import N_POINTS

_FRAMES, _LOOP_FRAMES, _SIDE, _RESOLUTION, _ROUNDS = 150, 2, 512, 64, 7


def main(whole: bool) -> None:
    random = np.random.default_rng(0)  # where the points lie changes nothing about the work
    points = np.dstack([random.uniform(0, _SIDE, (_FRAMES, N_POINTS, 2)), np.ones((_FRAMES, N_POINTS, 1))]).astype(np.float32)
    ours = sorted(_core_s(heatmaps, points, _SIDE, _RESOLUTION) for _ in range(_ROUNDS))[_ROUNDS // 2]
    measured = _FRAMES if whole else _LOOP_FRAMES
    loop = _core_s(double_loop, points[:measured]) * _FRAMES / measured
    apart = np.abs(heatmaps(points[:1], _SIDE, _RESOLUTION) - double_loop(points[:1])).max()
    print(f"{_FRAMES} frames x {N_POINTS} x {_RESOLUTION} x {_RESOLUTION}, core-seconds (median of {_ROUNDS} for ours)")
    print(f"double loop {loop:.1f} ({'run in full' if whole else f'{measured} frames run, times {_FRAMES // measured}'})")
    print(f"outer product {ours:.3f}: {loop / ours:.0f} times faster; values differ by at most {apart:.1e}")
    assert loop / ours >= 100


def double_loop(points: np.ndarray) -> np.ndarray:
    """The same maps, a pixel at a time."""
    maps = np.zeros((*points.shape[:2], _RESOLUTION, _RESOLUTION), np.float32)
    for frame in range(len(points)):
        for joint in range(points.shape[1]):
            x, y = points[frame, joint, :2].astype(float) * _RESOLUTION / _SIDE
            for row in range(_RESOLUTION):
                for column in range(_RESOLUTION):
                    square = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
                    maps[frame, joint, row, column] = math.exp(-square / (2 * SIGMA**2))
    return maps


def _core_s(function, *arguments) -> float:
    start_s = time.process_time()
    function(*arguments)
    return time.process_time() - start_s


if __name__ == "__main__":
    main("--whole" in sys.argv[1:])
