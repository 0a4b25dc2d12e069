"""The part of an embedding that belongs to the person."""

import numpy as np
import pytest

from onscreen.matching.shrinkage import personal_part


def people(count: int, each: int, between: np.ndarray, within: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Items of people whose means and items spread by these deviations a value."""
    random = np.random.default_rng(seed)  # made-up people: the test knows their covariances
    means = np.repeat(random.normal(size=(count, len(between))) * between, each, axis=0)
    return means + random.normal(size=means.shape) * within, np.repeat(np.arange(count), each)


def test_it_is_the_best_linear_prediction_of_a_persons_mean() -> None:
    between, within = np.array([2.0, 1.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0, 0.5])
    part = personal_part(*people(4000, 5, between, within, 0))
    assert part == pytest.approx(np.diag([4 / 5, 1 / 5, 0, 0]), abs=0.03)


def test_people_with_different_numbers_of_items_count_alike() -> None:
    items, person = people(3000, 4, np.array([2.0, 0.5]), np.array([1.0, 1.0]), 1)
    kept = np.ones(len(items), bool)
    kept[2::8] = kept[3::8] = False  # every second person has two items
    assert personal_part(items[kept], person[kept]) == pytest.approx(np.diag([4 / 5, 1 / 5]), abs=0.03)


def test_fewer_people_than_values_take_no_direction_away() -> None:
    between, within = np.ones(50), 0.5 * np.ones(50)
    assert np.array_equal(personal_part(*people(50, 2, between, within, 2)), np.eye(50))
    assert np.linalg.eigvals(personal_part(*people(60, 2, between, within, 2))).real.min() > 0.5


def test_a_distance_across_directions_of_noise_shrinks_and_one_across_people_stays() -> None:
    items, person = people(500, 6, np.r_[3 * np.ones(4), np.zeros(36)], np.ones(40), 3)
    part = personal_part(items, person)
    unseen, whose = people(200, 2, np.r_[3 * np.ones(4), np.zeros(36)], np.ones(40), 4)

    def found(vectors: np.ndarray) -> float:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return float(((unit[0::2] @ unit[1::2].T).argmax(axis=1) == np.arange(200)).mean())

    assert len(whose) == 400
    assert found(unseen @ part.T) == pytest.approx(found(unseen[:, :4]), abs=0.02)
    assert found(unseen @ part.T) > 1.3 * found(unseen)


def test_nothing_is_known_of_the_spread_where_nobody_has_two_items() -> None:
    items, person = people(50, 1, np.ones(3), np.ones(3), 5)
    assert np.array_equal(personal_part(items, person), np.eye(3))


def test_equal_items_change_nothing() -> None:
    assert np.array_equal(personal_part(np.ones((10, 3)), np.arange(10) // 2), np.eye(3))
