"""Beat alignment of dancers whose beats are known."""

import numpy as np
import pytest

from onscreen.motion.alignment import SIGMA_S, Alignment, NotMeasured, beat_alignment
from onscreen.motion.keypoints import INDEX, N_POINTS

BEATS_S = np.arange(0.5, 12, 0.5)


def dancer(stops_s: np.ndarray, fps: float = 24.0, seconds: float = 12.0) -> np.ndarray:
    """(T, 134, 3): all points swing to and fro, and stand still at the given moments."""
    time_s = np.arange(int(seconds * fps)) / fps
    turn = np.interp(time_s, stops_s, np.arange(len(stops_s)), left=-1, right=len(stops_s))
    points = np.ones((len(time_s), N_POINTS, 3), np.float32)
    points[..., 0] = 256 + 80 * np.cos(np.pi * turn)[:, None]
    points[..., 1] = np.arange(N_POINTS)
    return points


def measured(points: np.ndarray, beats_s: np.ndarray = BEATS_S, fps: float = 24.0) -> Alignment:
    found = beat_alignment(points, beats_s, fps)
    assert isinstance(found, Alignment)
    return found


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
def test_a_dancer_who_stops_on_the_beats_scores_one_at_any_frame_rate(fps: float) -> None:
    found = measured(dancer(BEATS_S, fps), fps=fps)
    assert found.score > 0.95
    assert found.sigma_s == SIGMA_S == 0.05
    nearest = np.abs(found.dance_beats_s[:, None] - BEATS_S).min(axis=1)
    assert nearest.max() <= 0.5 / fps + 1e-6
    assert len(found.dance_beats_s) >= 20


def test_a_dancer_who_stops_between_the_beats_scores_nothing_and_chance_is_the_same() -> None:
    late, on = measured(dancer(BEATS_S + 0.25)), measured(dancer(BEATS_S))
    assert late.score < 0.01
    assert late.chance == pytest.approx(on.chance, abs=0.03)
    assert on.chance == pytest.approx(
        np.sqrt(2 * np.pi) * SIGMA_S / 0.5, abs=0.03
    )  # the share of a beat that a bell of sigma fills


def test_a_dancer_with_another_tempo_scores_about_chance() -> None:
    found = measured(dancer(np.arange(0.3, 12, 0.437)))
    assert found.score == pytest.approx(found.chance, abs=0.1)


def test_a_known_lateness_lowers_the_score_as_the_bell_says() -> None:
    assert measured(dancer(BEATS_S + 0.05)).score == pytest.approx(np.exp(-0.5), abs=0.15)


def test_gaps_hold_no_dance_beats_and_points_nobody_saw_count_for_nothing() -> None:
    points = dancer(BEATS_S)
    points[96:144] = 0  # seconds 4 to 6
    points[:, INDEX["left_ankle"]] = 0
    found = measured(points)
    assert found.joints == 12
    assert not ((found.dance_beats_s > 3.95) & (found.dance_beats_s < 6.05)).any()
    assert found.score > 0.95
    assert found.seen_s == pytest.approx(12 - 2 - 2 / 24, abs=0.01)


def test_a_joint_that_flickers_is_left_out_and_makes_no_gaps() -> None:
    points = dancer(BEATS_S)
    points[::2, INDEX["right_wrist"]] = 0
    found = measured(points)
    assert found.joints == 12
    assert found.score > 0.95


@pytest.mark.parametrize(
    ("points", "beats_s", "why"),
    [
        (dancer(BEATS_S), np.array([1.0]), "1 music beats"),
        (np.zeros((240, N_POINTS, 3), np.float32), BEATS_S, "0 joints"),
        (np.zeros((0, N_POINTS, 3), np.float32), BEATS_S, "0 joints"),
        (np.ones((240, N_POINTS, 3), np.float32), BEATS_S, "0 dance beats"),
    ],
)
def test_what_cannot_be_scored_says_why(points: np.ndarray, beats_s: np.ndarray, why: str) -> None:
    found = beat_alignment(points, beats_s, 24.0)
    assert isinstance(found, NotMeasured)
    assert found.reason.startswith(why)
