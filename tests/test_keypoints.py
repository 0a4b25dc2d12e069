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
    from_coco_wholebody,
    to_annotations,
)

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
