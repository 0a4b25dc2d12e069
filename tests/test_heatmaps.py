"""Heatmaps: a Gaussian around each seen point, brightest where the point lies."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onscreen.motion.heatmaps import SIGMA, heatmaps


def test_a_map_is_the_gaussian_of_every_pixels_distance() -> None:
    x, y, side, resolution = 201.3, 77.9, 512, 16
    found = heatmaps(np.array([[x, y, 0.7]], np.float32), side, resolution)[0]
    at_x, at_y = x * resolution / side, y * resolution / side
    for row in range(resolution):
        for column in range(resolution):
            square = (column + 0.5 - at_x) ** 2 + (row + 0.5 - at_y) ** 2
            assert found[row, column] == pytest.approx(math.exp(-square / (2 * SIGMA**2)), abs=1e-6)


inside = st.floats(0, 511.875, width=32)


@given(inside, inside, st.sampled_from([16, 64, 96]))
def test_the_brightest_pixel_is_the_one_that_the_point_lies_in(x: float, y: float, resolution: int) -> None:
    found = heatmaps(np.array([x, y, 1.0], np.float32), 512, resolution)
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    assert abs(column + 0.5 - x * resolution / 512) <= 0.5 + 1e-4
    assert abs(row + 0.5 - y * resolution / 512) <= 0.5 + 1e-4
    assert 0.93 < found.max() <= 1  # at a pixel's corner the nearest centre is half a diagonal away


def test_an_unseen_points_map_is_zero_and_the_others_stay() -> None:
    points = np.array([[[0, 0, 0], [100, 200, 0.3]]], np.float32)
    found = heatmaps(points, 512)
    assert found.shape == (1, 2, 64, 64)
    assert found.dtype == np.float32
    assert found[0, 0].max() == 0
    assert found[0, 1].max() > 0.9


def test_no_value_is_so_small_that_processors_are_slow_with_it() -> None:
    found = heatmaps(np.array([300, 40, 1.0], np.float32), 512)
    assert found[found > 0].min() > np.finfo(np.float32).tiny
