"""Points over a picture: where they are, whose side they are on, how sure they are."""

import numpy as np
import pytest

from onscreen.motion.draw import bones, dots, draw_pose
from onscreen.motion.keypoints import INDEX, N_POINTS

ORANGE, BLUE = np.array([255, 128, 0]), np.array([0, 160, 255])


def picture(**places: tuple[float, float, float]) -> np.ndarray:
    """A grey picture of 400 x 400 with these points drawn in it."""
    points = np.zeros((N_POINTS, 3))
    for name, place in places.items():
        points[INDEX[name]] = place
    return draw_pose(np.full((400, 400, 3), 100, np.uint8), points)


def arm(side: str, confidence: float) -> np.ndarray:
    """The colour in the middle of a forearm."""
    drawn = picture(**{f"{side}_elbow": (100, 200, 1.0), f"{side}_wrist": (300, 200, confidence)})
    return drawn[200, 200].astype(int)


def test_the_dancers_left_is_orange_and_the_right_blue() -> None:
    assert np.abs(arm("left", 1.0) - ORANGE).max() < 20  # a thin line is smoothed
    assert np.abs(arm("right", 1.0) - BLUE).max() < 20


def test_a_line_is_as_faint_as_its_less_sure_end() -> None:
    from_grey = [np.abs(arm("left", confidence) - 100).sum() for confidence in (0.1, 0.4, 0.7, 1.0)]
    assert from_grey == sorted(set(from_grey))
    assert from_grey[0] == pytest.approx(from_grey[3] / 4, rel=0.1)


@pytest.mark.parametrize("unseen", [0.0, -1.0, np.nan])
def test_what_is_not_seen_is_not_drawn(unseen: float) -> None:
    assert (picture(left_wrist=(200, 200, unseen)) == 100).all()
    alone = picture(left_elbow=(100, 200, 1.0))
    assert (picture(left_elbow=(100, 200, 1.0), left_wrist=(300, 200, unseen)) == alone).all()


def test_points_at_or_below_the_least_confidence_are_left_out() -> None:
    points = np.zeros((N_POINTS, 3))
    points[0] = 20, 20, 0.3
    image = np.zeros((40, 40, 3), np.uint8)
    assert not draw_pose(image, points, 0.3).any()
    assert draw_pose(image, points, 0.29).any()
    assert not image.any(), "the picture that was given stays as it is"


@pytest.mark.parametrize("far", [1e30, -1e30, np.inf, np.nan])
def test_places_of_a_broken_file_do_no_harm(far: float) -> None:
    picture(left_elbow=(100, 200, 1.0), left_wrist=(far, 200, 5.0))


def test_lines_join_points_of_one_side_in_its_colour() -> None:
    name_of = {index: name for name, index in INDEX.items()}
    for first, second, colour in bones():
        sides = {name_of[index].split("_")[0] for index in (first, second)} & {"left", "right"}
        assert len(sides) <= 1
        assert colour == ((255, 128, 0) if "left" in sides else (0, 160, 255) if "right" in sides else (0, 220, 0))
    assert len(dots()) == N_POINTS
