"""The 134 points: order, names, and where MediaPipe's and COCO's points go."""

import numpy as np
import pytest

from onscreen.motion.keypoints import (
    COCO_WHOLEBODY,
    FACE,
    INDEX,
    JOINT_TYPES,
    LEFT_HAND,
    RIGHT_HAND,
    assemble,
    drop_outside,
    drop_unsure,
    from_coco_wholebody,
    to_annotations,
)
from pose_cases import IBUG_MIRROR

# The order of the body, of each side's feet, and MediaPipe's number of each, written out by hand from the two published lists.
ORDER = [
    ("nose", 0),
    ("neck", None),
    ("right_shoulder", 12),
    ("right_elbow", 14),
    ("right_wrist", 16),
    ("left_shoulder", 11),
    ("left_elbow", 13),
    ("left_wrist", 15),
    ("right_hip", 24),
    ("right_knee", 26),
    ("right_ankle", 28),
    ("left_hip", 23),
    ("left_knee", 25),
    ("left_ankle", 27),
    ("right_eye", 5),
    ("left_eye", 2),
    ("right_ear", 8),
    ("left_ear", 7),
    ("left_big_toe", 31),
    ("left_small_toe", None),
    ("left_heel", 29),
    ("right_big_toe", 32),
    ("right_small_toe", None),
    ("right_heel", 30),
]


def body() -> np.ndarray:
    """A synthetic MediaPipe body whose 33 points all differ."""
    return np.array([(10 + index, 200 + 2 * index, 0.5 + index / 100) for index in range(33)], np.float32)


@pytest.mark.parametrize(
    ("place", "name", "landmark"), [(i, name, mark) for i, (name, mark) in enumerate(ORDER) if mark is not None]
)
def test_each_body_and_foot_point_comes_from_its_mediapipe_landmark(place: int, name: str, landmark: int) -> None:
    points = assemble(body())
    assert JOINT_TYPES[place] == name
    np.testing.assert_array_equal(points[place], body()[landmark])


# MediaPipe's pose landmark that each becomes when the picture is mirrored.
MIRRORED_POSE = [0, *range(4, 7), *range(1, 4), 8, 7, 10, 9]
MIRRORED_POSE += [landmark + (1 if landmark % 2 else -1) for landmark in range(11, 33)]


def whole() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A synthetic body, face, left and right hand whose 33 + 68 + 21 + 21 points all differ, between x = 0 and x = 1000."""
    shapes = (33, 68, 21, 21)
    numbers = np.split(np.arange(sum(shapes)), np.cumsum(shapes)[:-1])
    body_, face, left, right = (np.stack([7 * n, 1000 - 3 * n, 0.3 + n / 1000], axis=1).astype(np.float32) for n in numbers)
    return body_, face, left, right


def expected(name: str) -> np.ndarray:
    """Where a point comes from, by its name alone."""
    pose, face, left, right = whole()
    if name == "neck":
        return np.array([*(pose[11, :2] + pose[12, :2]) / 2, min(pose[11, 2], pose[12, 2])])
    if name.endswith("small_toe"):
        return np.zeros(3)
    if name.startswith("face_"):
        return face[int(name.removeprefix("face_"))]
    fingers = {"thumb": 1, "forefinger": 5, "middle_finger": 9, "ring_finger": 13, "pinky_finger": 17}
    side, _, rest = name.partition("_")
    hand = left if side == "left" else right
    if rest == "hand_root":
        return hand[0]
    if rest[:-1] in fingers:
        return hand[fingers[rest[:-1]] + int(rest[-1]) - 1]
    return pose[dict(ORDER)[name]]


@pytest.mark.parametrize(("place", "name"), list(enumerate(JOINT_TYPES)))
def test_each_of_the_134_points_is_what_its_name_says(place: int, name: str) -> None:
    np.testing.assert_allclose(assemble(*whole())[place], expected(name), rtol=1e-6)


def test_a_mirrored_body_swaps_its_sides_and_nothing_else() -> None:
    """The dancer of a mirrored picture: where her right hand was at x, his left hand is at 1000 - x."""

    def mirrored(points: np.ndarray) -> np.ndarray:
        return np.where([True, False, False], 1000 - points, points).astype(np.float32)

    pose, face, left, right = whole()
    there = assemble(pose, face, left, right)
    back = assemble(mirrored(pose[MIRRORED_POSE]), mirrored(face[IBUG_MIRROR]), mirrored(right), mirrored(left))
    for name in JOINT_TYPES:
        side, _, rest = name.partition("_")
        other = f"{ ({'left': 'right', 'right': 'left'}[side]) }_{rest}" if side in ("left", "right") else name
        other = f"face_{IBUG_MIRROR[int(rest)]}" if side == "face" else other
        seen = there[INDEX[other]]
        np.testing.assert_allclose(back[INDEX[name]], mirrored(seen) if seen.any() else seen, atol=1e-3)


def test_points_below_the_least_confidence_are_unseen_and_those_at_it_stay() -> None:
    points = np.array([[[5, 6, 0.09], [7, 8, 0.1], [1, 2, 0.9], [0, 0, 0]]], np.float32)
    kept = drop_unsure(points, np.float32(0.1))
    np.testing.assert_array_equal(kept, [[[0, 0, 0], points[0, 1], points[0, 2], [0, 0, 0]]])
    np.testing.assert_array_equal(drop_unsure(points, 0.0), points)


def test_there_are_134_different_names_and_the_parts_lie_where_openpose_has_them() -> None:
    assert [name for name, _ in ORDER] == list(JOINT_TYPES[:24])
    assert len(set(JOINT_TYPES)) == 134
    assert (JOINT_TYPES[24], JOINT_TYPES[91], JOINT_TYPES[92], JOINT_TYPES[113]) == (
        "face_0",
        "face_67",
        "left_hand_root",
        "right_hand_root",
    )


def test_the_neck_is_the_middle_of_the_shoulders_with_the_lower_confidence() -> None:
    neck = assemble(body())[INDEX["neck"]]
    np.testing.assert_allclose(neck, [21.5, 223, 0.61], rtol=1e-6)


@pytest.mark.parametrize("shoulder", [11, 12])
def test_without_a_shoulder_there_is_no_neck_and_no_shoulder(shoulder: int) -> None:
    pose = body()
    pose[shoulder, 2] = 0
    points = assemble(pose)
    assert not points[INDEX["neck"]].any()
    assert not points[INDEX["left_shoulder" if shoulder == 11 else "right_shoulder"]].any()


def test_small_toes_are_never_there_because_mediapipe_has_none() -> None:
    assert not assemble(body())[[INDEX["left_small_toe"], INDEX["right_small_toe"]]].any()


def test_face_and_hands_go_to_their_places_in_order() -> None:
    face = np.arange(68 * 3, dtype=np.float32).reshape(68, 3) + 1
    left = np.arange(21 * 3, dtype=np.float32).reshape(21, 3) + 1000
    right = np.arange(21 * 3, dtype=np.float32).reshape(21, 3) + 2000
    points = assemble(None, face, left, right)
    np.testing.assert_array_equal(points[FACE], face)
    np.testing.assert_array_equal(points[LEFT_HAND], left)
    np.testing.assert_array_equal(points[RIGHT_HAND], right)
    assert not points[:24].any()


def test_an_unseen_point_is_zero_in_all_three_values() -> None:
    pose = body()
    pose[:, 2] = 0
    assert not assemble(pose).any()


def test_points_outside_the_picture_become_unseen_and_those_on_its_edge_stay() -> None:
    points = np.array([[-0.1, 5, 1], [0, 0, 1], [99.9, 49.9, 1], [100, 5, 1], [5, 50, 1]], np.float32)
    np.testing.assert_array_equal(drop_outside(points, 100, 50)[:, 2], [0, 1, 1, 0, 0])
    assert not drop_outside(points, 100, 50)[[0, 3, 4]].any()


def test_coco_wholebody_points_keep_their_names() -> None:
    coco = np.array([(index + 1, 1, 1) for index in range(133)], np.float32)
    points = from_coco_wholebody(coco)
    assert COCO_WHOLEBODY[:3] == ("nose", "left_eye", "right_eye")
    assert points[INDEX["left_shoulder"], 0] == 6
    assert points[INDEX["right_ankle"], 0] == 17
    assert points[INDEX["left_small_toe"], 0] == 19
    assert points[INDEX["right_heel"], 0] == 23
    assert points[INDEX["face_0"], 0] == 24
    assert points[INDEX["right_pinky_finger4"], 0] == 133


def test_annotations_have_the_guides_form() -> None:
    points = np.zeros((3, 134, 3), np.float32)
    points[1, 4] = [12.345, 67.891, 0.25]
    found = to_annotations(points, "vid_1", 24)
    assert (found["video_id"], found["fps"], found["duration"]) == ("vid_1", 24, 0.125)
    pose = found["poses"][1]
    assert (pose["frame_id"], pose["timestamp"]) == (1, round(1 / 24, 6))
    assert len(pose["keypoints"]) == 134
    assert pose["keypoints"][4] == {"x": 12.35, "y": 67.89, "confidence": 0.25, "joint_type": "right_wrist"}
