"""M2PDataset: windows of dances whose parts are of one time, what is left out and why, batches in processes of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dance_cases import FPS, MARK, SIDE, dance_points, describe, number_of, pictures, spot_at, write_dance
from media_cases import broken, slideshow
from onscreen.errors import ConfigError, InputError
from onscreen.media.video import write_video
from onscreen.motion.dataset import M2PDataset, m2p_dataloader
from onscreen.motion.keypoints import INDEX

T = 8


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def dances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dances to train on, of 48 and 20 frames, and one to validate; described in metadata.json but for the shorter."""
    root = tmp_path_factory.mktemp("dances")
    write_dance(root / "train" / "long", 48)
    write_dance(root / "train" / "short", 20, seed=1)
    write_dance(root / "validation" / "other", 30, seed=2)
    describe(root, {"id": "vid_1", "folder": "train/long", "split": "train", "song": 3, "music": {"tempo_bpm": 120.0}})
    return root


def opened(root: Path, split: str = "train", **options: Any) -> M2PDataset:
    return M2PDataset(**{"data_root": root, "split": split, "sequence_length": T, "resolution": SIDE, **options})


def first_of(item: dict[str, Any]) -> int:
    return int(item["music_features"][0, 0])


def test_a_window_has_the_shapes_that_the_design_names(dances: Path) -> None:
    item = opened(dances)[0]
    assert item["video_id"] == "vid_1"
    assert {key: (tuple(value.shape), value.dtype) for key, value in item.items() if key != "video_id"} == {
        "music_features": ((T, 4800), torch.float32),
        "pose_heatmap": ((T, 134, 64, 64), torch.float32),
        "pose_coordinates": ((T, 134, 2), torch.float32),
        "pose_confidence": ((T, 134), torch.float32),
        "reference_image": ((3, SIDE, SIDE), torch.float32),
        "face_embedding": ((512,), torch.float32),
        "video_frames": ((T, SIDE, SIDE, 3), torch.uint8),
    }
    assert 0 <= item["reference_image"].min() < item["reference_image"].max() <= 1
    assert torch.linalg.norm(item["face_embedding"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_frames_music_and_points_of_a_window_are_of_one_time(dances: Path, split: str) -> None:
    dataset = opened(dances, split)
    for index, item in enumerate(dataset):
        folder, first = dataset.locate(index)
        expected = dance_points(48 if folder.name == "long" else 20 if folder.name == "short" else 30)[first : first + T]
        assert [number_of(frame.numpy()) for frame in item["video_frames"]] == list(range(first, first + T))
        assert item["music_features"][:, 0].tolist() == list(range(first, first + T))
        assert item["pose_coordinates"].numpy() == pytest.approx(expected[..., :2], abs=0.006)  # files hold two decimals
        for frame, point in zip(item["video_frames"], item["pose_coordinates"][:, MARK], strict=True):
            assert spot_at(np.vstack([np.zeros((24, SIDE, 3)), frame.numpy()[24:]])) == pytest.approx(
                tuple(point.tolist()), abs=0.5
            )


def test_validation_takes_fixed_windows_side_by_side(dances: Path) -> None:
    dataset = opened(dances, "validation")
    starts = [dataset.locate(index)[1] for index in range(len(dataset))]
    assert starts == [0, 8, 16]
    dataset.set_epoch(5)
    assert [dataset.locate(index)[1] for index in range(len(dataset))] == starts


def test_training_draws_every_window_anew_each_epoch_and_the_same_from_the_same_seed(dances: Path) -> None:
    dataset, again, other = opened(dances), opened(dances), opened(dances, seed=1)
    drawn: dict[int, list[int]] = {}
    for epoch in range(80):
        for one in (dataset, again, other):
            one.set_epoch(epoch)
        drawn[epoch] = [dataset.locate(index)[1] for index in range(len(dataset))]
        assert drawn[epoch] == [again.locate(index)[1] for index in range(len(again))]
        assert all(0 <= start <= 48 - T for start in drawn[epoch])
    assert len(dataset) == 48 // T + 20 // T
    assert len({tuple(starts) for starts in drawn.values()}) == 80
    assert {start for starts in drawn.values() for start in starts[:6]} == set(range(48 - T + 1))
    assert all(len(set(starts[:6])) == 6 for starts in drawn.values())  # each from its own share of the dance
    assert [other.locate(index)[1] for index in range(len(other))] != drawn[79]


def test_no_window_holds_a_frame_without_a_sure_body(tmp_path: Path) -> None:
    def hidden(points: np.ndarray) -> None:
        points[20] = 0
        points[33, :, 2] = 0.3

    write_dance(tmp_path / "train" / "a", 48, change=hidden)
    dataset = opened(tmp_path)
    assert len(dataset) == 2 + 1 + 1  # frames 0-19, 21-32, 34-47
    for epoch in range(20):
        dataset.set_epoch(epoch)
        for index in range(len(dataset)):
            window = range(dataset.locate(index)[1], dataset.locate(index)[1] + T)
            assert 20 not in window
            assert 33 not in window
    assert len(opened(tmp_path, min_body_confidence=0.0)) == 6
    assert len(opened(tmp_path, min_body_confidence=0.2)) == 2 + 3


def test_of_a_dance_that_never_shows_legs_the_arms_alone_have_to_be_sure(tmp_path: Path) -> None:
    def upper(points: np.ndarray) -> None:
        points[:, [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]] = 0
        points[20, [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]] = 0

    write_dance(tmp_path / "train" / "a", 48, change=upper)
    assert len(opened(tmp_path)) == 2 + 3  # frames 0-19, 21-47


def test_points_below_the_asked_confidence_are_unseen(tmp_path: Path) -> None:
    def doubtful(points: np.ndarray) -> None:
        points[:, INDEX["nose"], 2] = 0.4

    write_dance(tmp_path / "train" / "a", change=doubtful)
    nose = INDEX["nose"]
    assert opened(tmp_path)[0]["pose_heatmap"][:, nose].max() > 0.9
    item = opened(tmp_path, min_keypoint_confidence=0.5)[0]
    assert item["pose_heatmap"][:, nose].max() == 0
    assert item["pose_confidence"][:, nose].max() == 0
    assert item["pose_coordinates"][:, nose].abs().max() == 0
    assert item["pose_confidence"][:, MARK].min() > 0.8


def test_another_resolution_takes_frames_and_points_along(dances: Path) -> None:
    item = opened(dances, resolution=SIDE // 2, pose_resolution=32)[1]
    assert item["video_frames"].shape == (T, SIDE // 2, SIDE // 2, 3)
    assert item["reference_image"].shape == (3, SIDE // 2, SIDE // 2)
    for frame, point in zip(item["video_frames"], item["pose_coordinates"][:, MARK], strict=True):
        assert spot_at(np.vstack([np.zeros((12, SIDE // 2, 3)), frame.numpy()[12:]])) == pytest.approx(
            tuple(point.tolist()), abs=0.5
        )
    assert_peaks(item, SIDE // 2)


def assert_peaks(item: dict[str, Any], side: int) -> None:
    """Each seen point lies less than half a heatmap pixel from its map's peak on each axis; unseen ones have none."""
    maps, seen = item["pose_heatmap"].numpy(), item["pose_confidence"].numpy() > 0
    resolution = maps.shape[-1]
    rows, columns = np.unravel_index(maps.reshape(*maps.shape[:2], -1).argmax(axis=2), maps.shape[2:])
    peaks = np.stack([columns, rows], axis=-1) + 0.5
    away = np.abs(peaks - item["pose_coordinates"].numpy() * resolution / side)
    assert seen.any()
    assert away[seen].max() <= 0.5 + 1e-3
    assert maps[~seen].max(initial=0) == 0


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dance whose frames show nothing but the spot."""
    root = tmp_path_factory.mktemp("plain")
    write_dance(root / "train" / "a", 48, counted=False)
    return root


def test_heatmaps_coordinates_and_frames_agree_under_every_change(plain: Path) -> None:
    dataset, mirrored = opened(plain, augment=True), 0
    before = opened(plain)
    for epoch in range(6):
        dataset.set_epoch(epoch)
        before.set_epoch(epoch)
        for index in range(len(dataset)):
            item, unchanged = dataset[index], before[index]
            assert_peaks(item, SIDE)
            coordinates, confidence = item["pose_coordinates"].numpy(), item["pose_confidence"].numpy()
            mark = min(
                (MARK, INDEX["left_wrist"]),
                key=lambda joint: np.abs(coordinates[0, joint] - spot_at(item["video_frames"][0].numpy())).max(),
            )
            mirrored += mark != MARK
            for frame, point, sure in zip(item["video_frames"], coordinates[:, mark], confidence[:, mark], strict=True):
                if sure and point.min() > 8 and point.max() < SIDE - 8:  # else a part of the spot is out of the picture
                    assert spot_at(frame.numpy()) == pytest.approx(tuple(point), abs=0.6)
            assert torch.equal(item["music_features"], unchanged["music_features"])
            assert torch.equal(item["face_embedding"], unchanged["face_embedding"])
    assert 8 < mirrored < 28  # of 36


def test_joints_of_other_names_are_read_in_their_order_and_never_mirrored(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "train" / "a"
    shutil.copytree(plain / "train" / "a", folder)
    data = json.loads((folder / "pose_annotations.json").read_text())
    for pose in data["poses"]:
        for index, point in enumerate(pose["keypoints"]):
            point["joint_type"] = f"joint_{index}"
    (folder / "pose_annotations.json").write_text(json.dumps(data))
    dataset = opened(tmp_path, augment=True)
    for index in range(len(dataset)):
        item = dataset[index]
        assert spot_at(item["video_frames"][0].numpy()) == pytest.approx(
            tuple(item["pose_coordinates"][0, MARK].tolist()), abs=0.6
        )


def test_joints_in_another_order_are_put_into_ours_by_name(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "train" / "a"
    shutil.copytree(plain / "train" / "a", folder)
    data = json.loads((folder / "pose_annotations.json").read_text())
    for pose in data["poses"]:
        pose["keypoints"].reverse()
    (folder / "pose_annotations.json").write_text(json.dumps(data))
    assert torch.equal(opened(tmp_path)[0]["pose_coordinates"], opened(plain)[0]["pose_coordinates"])


def test_what_metadata_says_is_told_and_without_it_what_the_files_say(dances: Path) -> None:
    dataset = opened(dances)
    assert dataset.get_video_info(0)["music"] == {"tempo_bpm": 120.0}
    assert dataset.get_video_info(0)["song"] == 3
    assert dataset.get_video_info(len(dataset) - 1) == {
        **{"id": "short", "split": "train", "folder": "train/short"},
        **{"frames": 20, "fps": 24.0, "duration": pytest.approx(20 / 24)},
    }


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def other_music(**change: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        music = np.load(folder / "music_features.npy")
        music = music[: change.get("frames", len(music)), : change.get("width", 4800)]
        if "value" in change:
            music[17, 40] = change["value"]
        np.save(folder / "music_features.npy", music)

    return spoil


def other_poses(spoil_poses: Callable[[Any], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = json.loads((folder / "pose_annotations.json").read_text())
        spoil_poses(data)
        (folder / "pose_annotations.json").write_text(json.dumps(data))

    return spoil


def cut_off(folder: Path) -> None:
    data = (folder / "video.mp4").read_bytes()
    (folder / "video.mp4").write_bytes(data[: len(data) * 2 // 3])


def wide(folder: Path) -> None:
    write_video(folder / "video.mp4", (np.hstack([image, image]) for image in pictures(dance_points(48))), FPS)


def save_vector(vector: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "face_embedding.npy", vector)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without("face_embedding.npy"), "face_embedding.npy is missing"),
        (without("video.mp4"), "video.mp4 is missing"),
        (without("music_features.npy"), "music_features.npy is missing"),
        (without("pose_annotations.json"), "pose_annotations.json is missing"),
        (without("reference_image.jpg"), "reference_image.jpg is missing"),
        (other_music(frames=47), "video 48, music 47, poses 48"),
        (other_music(width=128), "(48, 128)"),
        (other_music(value=np.nan), "no numbers"),
        (other_poses(lambda data: data["poses"].pop()), "poses 47"),
        (other_poses(lambda data: data.update(fps=30)), "24 frames a second, its poses 30"),
        (other_poses(lambda data: data["poses"][5]["keypoints"].pop()), "pose_annotations.json"),
        (other_poses(lambda data: data["poses"][5].update(frame_id=6)), "frame_id"),
        (other_poses(lambda data: data["poses"][5]["keypoints"].reverse()), "differs between frames"),
        (other_poses(lambda data: data.pop("poses")), "pose_annotations.json"),
        (lambda folder: (folder / "pose_annotations.json").write_text("{"), "pose_annotations.json"),
        (lambda folder: (folder / "music_features.npy").write_bytes(b"no array"), "music_features.npy"),
        (lambda folder: (folder / "reference_image.jpg").write_bytes(b"no picture"), "no picture"),
        (lambda folder: (folder / "video.mp4").write_bytes(b"no video"), "no video format"),
        (cut_off, "its header tells of 48 frames"),
        (wide, "192x96"),
        (lambda folder: slideshow(folder / "video.mp4", [0, 0.04, 0.3, 0.9]), "constant rate"),
        (save_vector(np.zeros(512, np.float32)), "length 0"),
        (save_vector(np.full(512, np.nan, np.float32)), "length nan"),
        (save_vector(np.ones(128, np.float32)), "(128,)"),
        (save_vector(np.array({"a": 1})), "face_embedding.npy"),  # a pickle is never opened
    ],
)
def test_a_broken_dance_is_left_out_by_name_and_the_others_stay(
    dances: Path, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    for name in ("good", "bad"):
        shutil.copytree(dances / "train" / "long", tmp_path / "train" / name)
    spoil(tmp_path / "train" / "bad")
    dataset = opened(tmp_path)
    assert {dataset[index]["video_id"] for index in range(0, len(dataset), 3)} == {"good"}
    [(name, told)] = dataset.skipped
    assert name == "bad"
    assert reason in told


def test_a_dance_shorter_than_the_window_is_left_out_and_not_padded(dances: Path) -> None:
    dataset = opened(dances, sequence_length=24)
    assert len(dataset) == 2
    assert dataset.skipped == [("short", "20 frames, shorter than sequence_length = 24")]


def test_where_nothing_is_left_the_error_says_why_and_what_would_help(dances: Path, tmp_path: Path) -> None:
    shutil.copytree(dances / "train" / "long", tmp_path / "train" / "a")
    (tmp_path / "train" / "a" / "face_embedding.npy").unlink()
    with pytest.raises(InputError, match=r'a: face_embedding.npy is missing.*face_embedding="dlib"'):
        opened(tmp_path)
    assert opened(tmp_path, face_embedding="dlib")[0]["face_embedding"].shape == (128,)
    with pytest.raises(InputError, match=r"train.*split is train or validation"):
        opened(tmp_path, "test")


@pytest.mark.parametrize("options", [{"sequence_length": 0}, {"resolution": 12.5}, {"face_embedding": "random"}])
def test_a_value_that_is_not_allowed_is_named(dances: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        opened(dances, **options)


def test_damage_that_only_decoding_meets_is_an_error_that_names_the_dance(dances: Path, tmp_path: Path) -> None:
    folder = tmp_path / "train" / "a"
    shutil.copytree(dances / "train" / "long", folder)
    broken(dances / "train" / "long" / "video.mp4", folder / "video.mp4", "video", 0.9, 1.1)
    dataset = opened(tmp_path, "train", sequence_length=48)
    with pytest.raises(InputError, match="frames 0 to 47"):
        dataset[0]


def test_points_are_parsed_once_and_a_damaged_memory_of_them_is_made_anew(dances: Path, own_home: Path) -> None:
    expected = opened(dances)[0]["pose_coordinates"]
    held = list((own_home / ".cache" / "onscreen" / "poses").iterdir())
    assert len(held) == 2
    times = [path.stat().st_mtime_ns for path in held]
    assert torch.equal(opened(dances)[0]["pose_coordinates"], expected)
    assert [path.stat().st_mtime_ns for path in held] == times
    for path in held:
        path.write_bytes(b"PK damaged")
    assert torch.equal(opened(dances)[0]["pose_coordinates"], expected)


def test_a_home_that_cannot_be_written_costs_only_time(dances: Path, own_home: Path) -> None:
    own_home.write_text("a file, not a folder")
    assert len(opened(dances)) == 8


def test_a_last_batch_that_is_not_full_is_dropped_in_training_and_kept_in_validation(dances: Path) -> None:
    assert [len(batch["video_id"]) for batch in m2p_dataloader(opened(dances), batch_size=3)] == [3, 3]
    batches = list(m2p_dataloader(opened(dances, "validation"), batch_size=2))
    assert [len(batch["video_id"]) for batch in batches] == [2, 1]
    assert [int(first) for batch in batches for first in batch["music_features"][:, 0, 0]] == [0, 8, 16]
    assert batches[0]["pose_heatmap"].shape == (2, T, 134, 64, 64)
    with pytest.raises(ConfigError, match="batch_size = 9: there are 8 windows"):
        m2p_dataloader(opened(dances), batch_size=9)


def test_the_order_is_another_each_epoch_and_the_callers_generator_is_left_alone(dances: Path) -> None:
    state = torch.get_rng_state()
    dataset = opened(dances)
    loader = m2p_dataloader(dataset)
    orders = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        orders.append(tuple(loader.sampler))
        assert sorted(orders[-1]) == list(range(8))
    assert len(set(orders)) == 3
    next(iter(loader))
    assert torch.equal(torch.get_rng_state(), state)


SCRIPT = """
import sys
from onscreen.motion.dataset import M2PDataset, m2p_dataloader

def main():
    dataset = M2PDataset(sys.argv[1], "train", 8, 96, augment=True)
    for workers in (0, 2):
        loader = m2p_dataloader(dataset, batch_size=2, num_workers=workers)
        for epoch in range(2):
            dataset.set_epoch(epoch)
            for batch in loader:
                print(batch["video_id"], *(int(batch[key].double().sum() * 1000) for key in batch if key != "video_id"))

if __name__ == "__main__":
    main()
"""


def test_two_workers_give_what_none_gives_in_a_fresh_process_and_hear_of_the_epoch(dances: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, str(script), str(dances)], capture_output=True, text=True, check=True, timeout=120)
    told = run.stdout.splitlines()
    assert told[:8] == told[8:]
    assert len(set(told)) == 8
