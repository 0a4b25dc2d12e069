"""The interval of a difference between two models, with the same people drawn for both."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.matching.paired import FEWEST_DRAWS, paired_interval

few = settings(max_examples=25, deadline=None)  # of lists that take long to draw
values = st.lists(st.floats(0, 1), min_size=FEWEST_DRAWS, max_size=FEWEST_DRAWS + 50)


@few
@given(values)
def test_equal_values_differ_by_nothing(ours: list[float]) -> None:
    assert paired_interval(ours, ours) == (0.0, 0.0)


@few
@given(values, st.floats(-1, 1))
def test_a_constant_difference_has_no_width_though_draws_spread(ours: list[float], shift: float) -> None:
    low, high = paired_interval([value + shift for value in ours], ours)
    assert (low, high) == pytest.approx((shift, shift), abs=1e-9)


@few
@given(values, st.randoms(use_true_random=False))
def test_turning_the_question_turns_the_answer(ours: list[float], random) -> None:
    others = random.sample(ours, len(ours))
    low, high = paired_interval(ours, others)
    assert paired_interval(others, ours) == pytest.approx((-high, -low))


@few
@given(st.floats(-0.5, 0.5), st.floats(0.01, 0.2), st.integers(0, 99))
def test_independent_draws_give_the_interval_of_two_normal_distributions(shift: float, spread: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    ours, others = random.normal(shift, spread, 4000), random.normal(0, spread, 4000)
    wide = 1.96 * math.sqrt(2) * spread
    assert paired_interval(ours.tolist(), others.tolist()) == pytest.approx((shift - wide, shift + wide), abs=0.15 * wide)


def test_a_draw_without_a_value_counts_for_neither_and_moves_no_other() -> None:
    ours: list[float | None] = [index / 1000 for index in range(300)]
    others: list[float | None] = list(ours)
    ours[7] = others[250] = None
    assert paired_interval(ours, others) == (0.0, 0.0)


def test_too_few_draws_and_other_draws_are_told() -> None:
    assert "are not of the same draws" in str(paired_interval([0.5] * 200, [0.5] * 100))
    assert str(paired_interval([0.5] * 200, [None] * 150 + [0.4] * 50)).startswith("50 of 200 resamples")
    assert isinstance(paired_interval([], []), str)
