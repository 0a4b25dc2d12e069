"""Poses: hands go to the nearer wrist; on real people the points lie where annotators put them, left is left."""

import json
from pathlib import Path

import numpy as np
import pytest

from onscreen import weights
from onscreen.errors import ConfigError
from onscreen.media.sampling import sample_frames
from onscreen.media.video import constant_rate_frames
from onscreen.motion.keypoints import BODY, FACE, INDEX, LEFT_HAND, RIGHT_HAND, from_coco_wholebody
from onscreen.motion.mediapipe_poses import nearest_wrists
from onscreen.motion.poses import WEIGHTS_OF, open_body, open_poses, weights_of
from real_data import DATA

TRUTH = DATA / "dance" / "wholebody_gt" / "test_coco_wholebody.json"
PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
DANCES = ("dance_with_music.mp4", "silent_dance_2.mp4")
LANDMARKER = DATA.parent / "models" / "mediapipe" / "face_landmarker_v2_with_blendshapes.task"
needs_dance = pytest.mark.skipif(not all((DATA / "dance" / name).is_file() for name in DANCES), reason=f"no dances in {DATA}")
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


@needs_dance
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


def crossing(index: int, count: int, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Two dancers who pass one another, the first in front; and the x of the middle of each."""
    canvas = np.full((512, 900, 3), 128, np.uint8)
    spaces = [900 - picture.shape[1] for picture in (first, second)]
    places = [round(spaces[0] * index / (count - 1)), round(spaces[1] * (1 - index / (count - 1)))]
    for picture, place in ((second, places[1]), (first, places[0])):
        canvas[512 - picture.shape[0] :, place : place + picture.shape[1]] = picture
    return canvas, places[0] + first.shape[1] / 2, places[1] + second.shape[1] / 2


@needs_dance
def test_of_two_dancers_who_pass_one_another_the_same_is_followed_all_along(files: dict) -> None:
    """36 frames; the smaller is hidden for a third of them. Where the hips are seen, they are those of the larger."""
    count, followed, people = 36, [], []
    films = [
        [resized(frame.image, height) for frame in constant_rate_frames(DATA / "dance" / name, 0.0, 3.0, count / 3)]
        for name, height in (("dance_with_music.mp4", 512), ("silent_dance_2.mp4", 400))
    ]
    with open_poses("mediapipe", files, people=2) as find:
        for index in range(count):
            image, large_x, small_x = crossing(index, count, films[0][index], films[1][index])
            seen = find(image, index / 24)
            hips = seen.points[[INDEX["left_hip"], INDEX["right_hip"]]]
            people.append(seen.people)
            if (hips[:, 2] > 0).all():
                x = float(hips[:, 0].mean())
                followed.append(
                    (seen.person, abs(x - large_x) < 100 and (abs(x - large_x) < abs(x - small_x) or seen.people == 1))
                )
    assert len(followed) > 0.9 * count
    assert np.mean([right for _, right in followed]) > 0.95
    assert {person for person, _ in followed} == {0}
    assert max(people) == 2
    assert people.count(2) > count / 3


def resized(image: np.ndarray, height: int) -> np.ndarray:
    import cv2

    return np.asarray(cv2.resize(image, (round(image.shape[1] * height / image.shape[0]), height), interpolation=cv2.INTER_AREA))


@needs_dance
def test_single_pictures_can_be_asked_how_many_people_they_show(files: dict) -> None:
    frames = [sample_frames(DATA / "dance" / name, 0.0, 1.0, 1, "first")[0].image for name in DANCES]
    pair, _, _ = crossing(0, 2, resized(frames[0], 512), resized(frames[1], 400))
    with open_body(files, video=False, people=2) as body:
        assert [len(body.bodies(picture)) for picture in (frames[0], pair)] == [1, 2]


@needs_dance
def test_two_frames_at_one_time_are_two_frames(files: dict) -> None:
    image = resized(sample_frames(DATA / "dance" / DANCES[0], 0.0, 1.0, 1, "first")[0].image, 512)
    with open_poses("mediapipe", files) as find:
        assert [find(image, time_s).people for time_s in (1.0, 1.0004, 1.0, 0.5)] == [1, 1, 1, 1]


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with (
        pytest.raises(ConfigError, match=r"openpose is no backend for poses\. Known: mediapipe, rtmw, precomputed"),
        open_poses("openpose", {}),
    ):
        pass


def test_the_face_landmarker_takes_dlibs_place_where_it_is_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(weights_of("rtmw")) == {"mediapipe_pose", "rtmw"}
    assert weights_of("precomputed") == ()
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    assert weights_of("mediapipe") == WEIGHTS_OF["mediapipe"]
    if LANDMARKER.is_file():
        place = weights.place(weights.model("mediapipe_face_landmarker"), "face_landmarker.task")
        place.parent.mkdir(parents=True)
        place.symlink_to(LANDMARKER)
        found = weights_of("mediapipe")
        assert "mediapipe_face_landmarker" in found
        assert "dlib_landmarks_68" not in found
