"""Changes for training: points and pictures go the same way, left and right are swapped by name."""

import numpy as np
import pytest

from dance_cases import spot, spot_at
from onscreen.motion.augment import MIRROR, NO_CHANGE, Change, change_picture, change_points, change_reference, draw_change
from onscreen.motion.keypoints import INDEX, JOINT_TYPES

SIDE = 96
FLIP = Change(True, NO_CHANGE.matrix, NO_CHANGE.colour)
SHIFT = Change(False, np.array([[1, 0, 0.25], [0, 1, 0]]), NO_CHANGE.colour)


def test_in_a_mirror_left_is_right_and_twice_is_nothing() -> None:
    assert (MIRROR[MIRROR] == np.arange(134)).all()
    for index, name in enumerate(JOINT_TYPES):
        other = JOINT_TYPES[MIRROR[index]]
        if name.startswith(("left_", "right_")):
            assert {name.partition("_")[0], other.partition("_")[0]} == {"left", "right"}
            assert name.partition("_")[2] == other.partition("_")[2]
        elif not name.startswith("face_"):
            assert other == name


@pytest.mark.parametrize(
    ("one", "other"),
    [(0, 16), (8, 8), (17, 26), (27, 27), (31, 35), (36, 45), (39, 42), (41, 46), (48, 54), (59, 55), (60, 64), (67, 65)],
)
def test_the_face_is_mirrored_by_ibugs_numbers(one: int, other: int) -> None:
    assert MIRROR[INDEX[f"face_{one}"]] == INDEX[f"face_{other}"]


def one_point(x: float, y: float, name: str = "nose") -> np.ndarray:
    points = np.zeros((134, 3), np.float32)
    points[INDEX[name]] = x, y, 0.8
    return points


@pytest.mark.parametrize("seed", range(40))
def test_a_spot_in_the_picture_goes_where_its_point_goes(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.uniform(35, 61, 2)
    change = draw_change(random)
    points = change_points(one_point(x, y), change, SIDE)
    assert points[INDEX["nose"], 2] == pytest.approx(0.8)
    assert spot_at(change_picture(spot(x, y), change)) == pytest.approx(tuple(points[INDEX["nose"], :2]), abs=0.25)


def test_a_left_wrist_in_a_mirror_is_a_right_one() -> None:
    points = change_points(one_point(20, 30, "left_wrist"), FLIP, SIDE)
    assert points[INDEX["right_wrist"]] == pytest.approx([76, 30, 0.8])
    assert points[INDEX["left_wrist"]].tolist() == [0, 0, 0]
    assert spot_at(change_picture(spot(20, 30), FLIP)) == pytest.approx((76, 30), abs=0.1)


def test_a_point_that_leaves_the_picture_is_unseen_and_an_unseen_one_stays_so() -> None:
    points = change_points(one_point(80, 30), SHIFT, SIDE)
    assert points.max() == 0
    assert (change_picture(np.full((SIDE, SIDE, 3), 200, np.uint8), SHIFT)[:, :23] == 0).all()


def test_no_change_changes_nothing() -> None:
    image, points = spot(40.2, 33.3), one_point(40.2, 33.3)
    assert (change_picture(image, NO_CHANGE) == image).all()
    assert (change_points(points, NO_CHANGE, SIDE) == points).all()


def test_the_reference_is_mirrored_and_lit_and_not_moved() -> None:
    change = Change(True, SHIFT.matrix, np.column_stack([np.eye(3), np.full(3, 20.0)]))
    found = change_reference(spot(20, 30), change)
    assert spot_at(found) == pytest.approx((76, 30), abs=0.1)
    assert found.min() == 20


def test_changes_are_small_and_of_both_hands() -> None:
    changes = [draw_change(np.random.default_rng(seed)) for seed in range(200)]
    assert 60 < sum(change.flip for change in changes) < 140
    corners = np.array([[0.3, 0.3, 1], [0.7, 0.7, 1]])
    moved = [np.abs(corners @ change.matrix.T - corners[:, :2]).max() for change in changes]
    assert max(moved) < 0.2
    assert not any(draw_change(np.random.default_rng(seed), may_flip=False).flip for seed in range(50))
