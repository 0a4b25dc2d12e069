"""The 1 euro filter: less jitter, hardly any lag, and nothing where nothing was seen."""

import math

import numpy as np
import pytest

from onscreen.motion.smoothing import BETA, MIN_CUTOFF_HZ, SPEED_CUTOFF_HZ, one_euro


def points_of(x: np.ndarray, confidence: float = 0.8) -> np.ndarray:
    """(T, 2, 3): a point that moves along x, and one that stands 100 px below its start so that the size is known."""
    still = np.stack([np.full(len(x), x[0]), np.full(len(x), 200.0)], axis=-1)
    moving = np.stack([x, np.full(len(x), 100.0)], axis=-1)
    places = np.stack([moving, still], axis=1)
    return np.concatenate([places, np.full((*places.shape[:2], 1), confidence)], axis=-1).astype(np.float32)


def test_a_standing_point_jitters_less_and_stays_where_it_is() -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, 240)  # a fixed sequence
    found = one_euro(points_of(300 + noise), 24)[:, 0, 0]
    assert found[24:].std() < noise[24:].std() / 2
    assert abs(found.mean() - 300) < 0.2


def test_a_fast_point_is_followed_within_a_frame() -> None:
    x = 100 + 10 * np.arange(48.0)  # 240 px a second past a body of 470 px
    found = one_euro(points_of(x), 24)[:, 0, 0]
    assert np.abs(found[12:] - x[12:]).max() < 10


def test_the_filter_is_that_of_the_paper() -> None:
    """Against the published algorithm, written out for one number at a time."""
    x, fps = 50 + 20 * np.sin(np.arange(40) / 5), 24.0
    frames = points_of(x)
    size = float(np.median(np.maximum(100, np.abs(x - x[0]))))
    wanted, speed = [float(x[0])], 0.0

    def weight(cutoff: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff) * fps)

    for value in x[1:]:
        speed += weight(SPEED_CUTOFF_HZ) * ((value - wanted[-1]) * fps - speed)
        share = weight(MIN_CUTOFF_HZ + BETA * abs(speed) / size)
        wanted.append(share * value + (1 - share) * wanted[-1])
    np.testing.assert_allclose(one_euro(frames, fps)[:, 0, 0], wanted, atol=1e-3)


def test_a_gap_stays_a_gap_and_the_point_starts_anew_after_it() -> None:
    frames = points_of(np.where(np.arange(30) < 15, 100.0, 400.0))
    frames[10:15, 0] = 0
    found = one_euro(frames, 24)
    assert not found[10:15, 0].any()
    assert found[15, 0, 0] == 400
    np.testing.assert_array_equal(found[..., 2], frames[..., 2])


@pytest.mark.parametrize("frames", [np.zeros((5, 134, 3), np.float32), np.zeros((0, 134, 3), np.float32)])
def test_nobody_is_nobody(frames: np.ndarray) -> None:
    np.testing.assert_array_equal(one_euro(frames, 24), frames)


def test_the_input_is_not_changed() -> None:
    frames = points_of(100 + np.random.default_rng(1).normal(0, 3, 20))  # a fixed sequence
    before = frames.copy()
    one_euro(frames, 24)
    np.testing.assert_array_equal(frames, before)
