"""Keypoints made by other programs: every point goes to its name, each frame to its time; what cannot be right is named."""

import json
from pathlib import Path

import numpy as np
import pytest

from media_cases import shifted, video
from onscreen.errors import Rejected
from onscreen.motion.keypoints import COCO_WHOLEBODY, FACE, INDEX, JOINT_TYPES, LEFT_HAND, RIGHT_HAND
from onscreen.motion.poses import open_poses
from onscreen.motion.precomputed import frame_times, keypoints_of, read

IMAGE = np.zeros((64, 96, 3), np.uint8)  # the size of media_cases' videos
FRAMES = 10
PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video(tmp_path_factory.mktemp("film") / "dance.mp4", FRAMES / 25, 25, 0.1)


def person(shift: float = 0.0, step: float = 0.4) -> list[float]:
    """133 points that all differ: point i is at (10 + i * step + shift, 5 + i * step)."""
    return [value for i in range(133) for value in (10 + i * step + shift, 5 + i * step, 0.5 + i / 1000)]


def split(values: list[float]) -> dict[str, list[float]]:
    parts, start = {}, 0
    for part, count in PARTS.items():
        parts[part] = values[3 * start : 3 * (start + count)]
        start += count
    return parts


def coco(frames: dict[int, list[dict]], count: int = FRAMES, **size: int) -> dict:
    people = [{"image_id": frame + 100, **one} for frame, found in frames.items() for one in found]
    return {"images": [{"id": index + 100, **size} for index in reversed(range(count))], "annotations": people}


def put(path: Path, data: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def code_of(path: Path, film: Path, at_s: float = 0.0) -> str:
    with pytest.raises(Rejected) as rejected, open_poses("precomputed", {}, keypoints=path, video=film) as find:
        find(IMAGE, at_s)
    return rejected.value.code


@pytest.mark.parametrize("form", ["133 in one", "in parts"])
def test_each_point_of_coco_wholebody_goes_to_its_name(tmp_path: Path, film: Path, form: str) -> None:
    one = {"keypoints": person()} if form == "133 in one" else split(person())
    path = put(tmp_path / "dance.keypoints.json", coco({3: [one]}))
    with open_poses("precomputed", {}, keypoints=path, video=film) as find:
        seen = find(IMAGE, 3 / 25)
    for index, name in enumerate(COCO_WHOLEBODY):
        np.testing.assert_allclose(seen.points[INDEX[name]], [10 + 0.4 * index, 5 + 0.4 * index, 0.5 + index / 1000], rtol=1e-5)
    x, y, width, height = seen.face_box or (0, 0, 0, 0)
    assert (x, y) == (pytest.approx(10 + 0.4 * 23), pytest.approx(5 + 0.4 * 23))
    assert (width, height) == (pytest.approx(0.4 * 67), pytest.approx(0.4 * 67))
    assert seen.face_score == pytest.approx(0.5 + (23 + 90) / 2000)
    assert (seen.people, seen.person) == (1, 0)


@pytest.mark.parametrize("count", [25, 18])
def test_each_point_of_openpose_goes_to_its_name(tmp_path: Path, film: Path, count: int) -> None:
    """BODY_25 has the middle of the hips as its point 8 and the feet last; its 18 points stand in our order."""

    def values(first: int, number: int) -> list[float]:
        return [value for i in range(first, first + number) for value in (5 + 0.3 * i, 4 + 0.2 * i, 0.9)]

    one = {"pose_keypoints_2d": values(0, count), "face_keypoints_2d": values(50, 70)}
    one |= {"hand_left_keypoints_2d": values(120, 21), "hand_right_keypoints_2d": []}
    folder = tmp_path / "dance_keypoints"
    for frame in range(FRAMES):
        put(folder / f"dance_{frame + 1:012d}_keypoints.json", {"version": 1.3, "people": [one] if frame == 4 else []})
    with open_poses("precomputed", {}, keypoints=folder, video=film) as find:
        assert not find(IMAGE, 3 / 25).points.any()
        points = find(IMAGE, 4 / 25).points
    order = [*JOINT_TYPES[:8], None, *JOINT_TYPES[8:24]] if count == 25 else JOINT_TYPES[:18]
    for index, name in enumerate(order):
        if name:
            np.testing.assert_allclose(points[INDEX[name]], [5 + 0.3 * index, 4 + 0.2 * index, 0.9], rtol=1e-5)
    np.testing.assert_allclose(points[FACE][:, 0], 5 + 0.3 * np.arange(50, 118), rtol=1e-5)
    np.testing.assert_allclose(points[LEFT_HAND][:, 0], 5 + 0.3 * np.arange(120, 141), rtol=1e-5)
    assert not points[RIGHT_HAND].any()
    assert points[INDEX["left_big_toe"]].any() == (count == 25)


def test_a_part_that_its_file_calls_invalid_or_leaves_out_is_unseen(tmp_path: Path) -> None:
    one = {**split(person()), "face_valid": False}
    del one["righthand_kpts"]
    points = read(put(tmp_path / "a.keypoints.json", coco({0: [one]}))).frames[0][0]
    assert not points[FACE].any()
    assert not points[RIGHT_HAND].any()
    assert points[LEFT_HAND].any()


def test_annotators_labels_1_and_2_are_certain_and_points_outside_the_picture_unseen(tmp_path: Path, film: Path) -> None:
    values = person()
    values[:6] = [20, 20, 2, 2000, 20, 1]
    path = put(tmp_path / "dance.keypoints.json", coco({0: [{"keypoints": values}]}))
    with open_poses("precomputed", {}, keypoints=path, video=film) as find:
        points = find(IMAGE, 0.0).points
    assert points[INDEX["nose"], 2] == 1
    assert not points[INDEX["left_eye"]].any()


def test_frames_are_those_on_screen_also_in_a_video_whose_picture_starts_late(tmp_path: Path, film: Path) -> None:
    late = shifted(film, tmp_path / "late.mp4", "video", 0.2)
    times = frame_times(late)
    np.testing.assert_allclose(times, 0.2 + np.arange(FRAMES) / 25, atol=0.001)
    people = {frame: [{"keypoints": person(shift=frame)}] for frame in range(FRAMES)}
    path = put(tmp_path / "late.keypoints.json", coco(people))
    with open_poses("precomputed", {}, keypoints=path, video=late) as find:
        for time_s, frame in ((0.0, 0), (0.2, 0), (0.235, 0), (0.24, 1), (0.2 + 9 / 25, 9), (5.0, 9)):
            assert find(IMAGE, time_s).points[INDEX["nose"], 0] == pytest.approx(10 + frame)


def test_the_larger_of_two_people_is_followed_whatever_their_order_in_the_file(tmp_path: Path, film: Path) -> None:
    large, small = {"keypoints": person()}, {"keypoints": person(shift=40, step=0.1)}
    people = {frame: [large, small] if frame % 2 else [small, large] for frame in range(FRAMES)}
    path = put(tmp_path / "dance.keypoints.json", coco(people))
    with open_poses("precomputed", {}, keypoints=path, video=film) as find:
        seen = [find(IMAGE, frame / 25) for frame in range(FRAMES)]
    assert {one.people for one in seen} == {2}
    assert {float(one.points[INDEX["nose"], 0]) for one in seen} == {10.0}


def broken(values: list[float] | None) -> dict:
    return coco({0: [{"keypoints": values}]})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (coco({}, FRAMES - 1), "keypoints_wrong_count"),
        (broken(person()[:-1]), "keypoints_wrong_shape"),
        (broken([*person()[:-1], float("nan")]), "keypoints_not_numbers"),
        (broken([*person()[:-1], "high"]), "keypoints_not_numbers"),
        (coco({0: []}, width=512, height=512), "keypoints_wrong_size"),
        (coco({FRAMES: [{"keypoints": person()}]}), "keypoints_unreadable"),
        ({"annotations": []}, "keypoints_unreadable"),
        ([1, 2], "keypoints_unreadable"),
        ({"images": [{"id": float("inf")}], "annotations": []}, "keypoints_unreadable"),
        (broken(None), "keypoints_unreadable"),
        ({"images": [{"id": 1}, {"id": 1}], "annotations": []}, "keypoints_unreadable"),
    ],
)
def test_what_cannot_be_this_videos_keypoints_is_named(tmp_path: Path, film: Path, data: object, code: str) -> None:
    assert code_of(put(tmp_path / "dance.keypoints.json", data), film) == code


def test_no_file_no_json_and_a_folder_with_a_hole_are_named(tmp_path: Path, film: Path) -> None:
    assert code_of(tmp_path / "dance.keypoints.json", film) == "keypoints_missing"
    (tmp_path / "dance.keypoints.json").write_bytes(b"\xff{")
    assert code_of(tmp_path / "dance.keypoints.json", film) == "keypoints_unreadable"
    folder = tmp_path / "dance_keypoints"
    folder.mkdir()
    assert code_of(folder, film) == "keypoints_missing"
    for frame in (0, 2):
        put(folder / f"dance_{frame}_keypoints.json", {"people": []})
    assert code_of(folder, film) == "keypoints_wrong_count"
    put(folder / "other_2_keypoints.json", {"people": []})
    assert code_of(folder, film) == "keypoints_unreadable"


def test_keypoints_are_found_beside_their_video(tmp_path: Path) -> None:
    clip = tmp_path / "a.b.mp4"
    assert keypoints_of(clip) is None
    (tmp_path / "a.b_keypoints").mkdir()
    assert keypoints_of(clip) == tmp_path / "a.b_keypoints"
    (tmp_path / "a.b.keypoints.json").write_text("{}")
    assert keypoints_of(clip) == tmp_path / "a.b.keypoints.json"


def test_without_a_file_the_backend_says_so(film: Path) -> None:
    with pytest.raises(Rejected, match="keypoints_missing"), open_poses("precomputed", {}, video=film):
        pass
