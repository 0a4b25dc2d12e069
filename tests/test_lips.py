"""Lips that open with the voice, beside it, or not at all."""

import numpy as np
import pytest

from onscreen.voices.lips import LOUD_HZ, lips, loudness

LOUD = np.convolve(np.random.default_rng(0).normal(size=130), np.ones(3) / 3, "same")[:100]


def test_loudness_has_a_value_every_80_ms_and_a_floor():
    sound = np.concatenate([np.zeros(1280), np.full(1280, 0.1), np.zeros(5)]).astype(np.float32)
    np.testing.assert_allclose(loudness(sound), [-7, -2], atol=1e-5)


@pytest.mark.parametrize("late", [0, 2, -3])
def test_lips_that_follow_are_found_at_their_lag(late):
    openings = (0.2 + 0.05 * np.roll(LOUD, -late)[::2]).astype(np.float32)
    found = lips(0, openings, LOUD)
    assert found.follow > 0.9
    assert found.lag_s == pytest.approx(late / LOUD_HZ)


def test_lips_that_begin_later_than_the_sound_are_compared_with_their_own_time():
    assert lips(10, 0.1 * LOUD[20:80:2].astype(np.float32), LOUD).lag_s == 0


def test_a_mouth_that_stands_still_has_no_correlation():
    found = lips(0, np.full(100, 0.05, np.float32), LOUD)
    assert found.movement == pytest.approx(0, abs=1e-6)
    assert found.follow is None
    assert lips(0, LOUD.astype(np.float32), np.zeros(100)).follow is None


def test_under_two_seconds_nothing_is_said():
    assert lips(0, LOUD[:11], LOUD) is None
    assert lips(45, LOUD.astype(np.float32), LOUD).follow is None
