"""Poses: hands go to the nearer wrist; on real people the points lie where annotators put them, left is left."""

import json

import numpy as np
import pytest

from onscreen import weights
from onscreen.media.sampling import sample_frames
from onscreen.motion.keypoints import BODY, FACE, INDEX, LEFT_HAND, RIGHT_HAND, from_coco_wholebody
from onscreen.motion.mediapipe_poses import nearest_wrists
from onscreen.motion.poses import WEIGHTS_OF, open_poses
from real_data import DATA

TRUTH = DATA / "dance" / "wholebody_gt" / "test_coco_wholebody.json"
PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
needs_truth = pytest.mark.skipif(not TRUTH.is_file(), reason=f"no {TRUTH}")


def hand(x: float, y: float) -> np.ndarray:
    """A hand 20 px large whose root is at x, y."""
    points = np.full((21, 3), 0.9, np.float32)
    points[:, :2] = np.array([x, y]) + np.linspace(0, 20, 21)[:, None]
    return points


WRISTS = {"left": np.array([100, 100, 1], np.float32), "right": np.array([200, 100, 1], np.float32)}


def test_each_hand_goes_to_the_nearer_wrist_whatever_crop_it_was_found_in() -> None:
    given = nearest_wrists([hand(205, 100), hand(98, 100)], WRISTS)
    assert given["left"][0, 0] == 98
    assert given["right"][0, 0] == 205


def test_of_two_hands_at_one_wrist_the_nearest_stays_and_the_other_wrist_gets_none() -> None:
    given = nearest_wrists([hand(110, 100), hand(101, 100)], WRISTS)
    assert list(given) == ["left"]
    assert given["left"][0, 0] == 101


def test_a_hand_further_from_the_wrist_than_it_is_large_is_somebody_elses() -> None:
    assert nearest_wrists([hand(125, 100)], WRISTS) == {}


@pytest.fixture(scope="module")
def files() -> dict:
    names = WEIGHTS_OF["mediapipe"]
    weights.ensure(names)
    return {file: weights.path_of(name, file) for name in names for file in weights.model(name).files}


def test_a_picture_without_anybody_gives_zeros(files: dict) -> None:
    with open_poses("mediapipe", files) as find:
        seen = find(np.full((256, 256, 3), 128, np.uint8), 0.0)
    assert not seen.points.any()
    assert (seen.face_box, seen.face_score) == (None, 0.0)


@needs_truth
def test_points_lie_where_annotators_put_them_and_left_is_never_taken_for_right(files: dict) -> None:
    """COCO-WholeBody: 12 people of at least 12 annotated body points; PCK@0.2 of the torso (measured: 0.88 of the seen)."""
    import cv2

    truth = json.loads(TRUTH.read_text())
    names = {image["id"]: image["file_name"] for image in truth["images"]}
    errors, swapped = [], []
    with open_poses("mediapipe", files) as find:
        for person in truth["annotations"]:
            parts = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
            wanted = from_coco_wholebody(np.concatenate([person[part] for part in parts]).reshape(133, 3))
            if (wanted[BODY, 2] > 0).sum() < 12:
                continue
            image = cv2.imread(str(TRUTH.parent / names[person["image_id"]]))[..., ::-1]
            x, y, width, height = person["bbox"]
            margin = 0.15 * max(width, height)
            left, top = int(max(0, x - margin)), int(max(0, y - margin))
            find.restart()
            found = find(image[top : int(y + height + margin), left : int(x + width + margin)], 0.0).points
            found[found[:, 2] > 0, :2] += [left, top]
            torso = np.hypot(*(wanted[INDEX["left_shoulder"]] - wanted[INDEX["right_hip"]])[:2])
            both = (wanted[BODY, 2] > 0) & (found[BODY, 2] > 0)
            errors += list(np.hypot(*(found - wanted)[BODY, :2][both].T) / torso)
            for pair in PAIRS:
                sides = [INDEX[f"left_{pair}"], INDEX[f"right_{pair}"]]
                if both[sides].all():
                    straight = np.hypot(*(found[sides] - wanted[sides])[:, :2].T).sum() / torso
                    crossed = np.hypot(*(found[sides] - wanted[sides[::-1]])[:, :2].T).sum() / torso
                    if straight > crossed + 0.2:  # seen from the side both lie on one another
                        swapped.append((person["id"], pair))
    assert len(errors) > 150
    assert np.mean(np.array(errors) < 0.2) > 0.85
    assert swapped == []


@pytest.mark.skipif(not (DATA / "dance" / "dance_with_music.mp4").is_file(), reason=f"no dance in {DATA}")
def test_a_dancer_is_seen_from_head_to_heel_with_both_hands_and_the_face(files: dict) -> None:
    frames = sample_frames(DATA / "dance" / "dance_with_music.mp4", 0.0, 12.0, 6, "keyframes")
    with open_poses("mediapipe", files) as find:
        seen = [find(frame.image, frame.time_s) for frame in frames]
    points = np.array([one.points for one in seen])
    assert (points[:, BODY, 2] > 0).mean() > 0.95
    assert (points[:, FACE, 2] > 0.5).all()
    assert (points[:, LEFT_HAND, 2] > 0).any()
    assert (points[:, RIGHT_HAND, 2] > 0).any()
    # She faces the camera: her right side is on the left of the picture.
    for joint in ("shoulder", "hip", "eye"):
        assert (points[:, INDEX[f"right_{joint}"], 0] < points[:, INDEX[f"left_{joint}"], 0]).all()
    # The face's points lie around the body's nose and eyes.
    nose = points[:, INDEX["face_30"], :2] - points[:, INDEX["nose"], :2]
    assert np.hypot(*nose.T).max() < 30
