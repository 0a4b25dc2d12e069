"""What checks of files, metadata and videos say of small samples made here; no model is loaded."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from media_cases import beep_at, pictures, shifted, video
from onscreen.checks import leaks, structure
from onscreen.checks import video as videos
from onscreen.checks.finding import Finding
from onscreen.checks.sample import Broken, SampleFolder, read_samples
from onscreen.checks.tools import Tools
from onscreen.media.audio import Audio
from onscreen.media.video import write_video

TOOLS = Tools({})


def statuses(found: Iterator[Finding]) -> dict[str, str]:
    return {finding.check: finding.status for finding in found}


def sample(root: Path, frames: int = 48, fps: int = 24, seconds: float | None = None, **entry: object) -> SampleFolder:
    """A folder with a video of numbered pictures and noise, as a tool may have made it."""
    folder = root / "train" / "one"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 0.1, round((seconds or frames / fps) * 44100)).astype(np.float32)
    write_video(folder / "video.mp4", pictures(frames), fps, Audio(noise, 44100))
    return SampleFolder(root, "train", "one", entry or None, {"resolution": 96})


def test_a_missing_embedding_is_a_warning_only_where_metadata_says_so(tmp_path: Path) -> None:
    for name in ("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg"):
        (tmp_path / "train" / "one").mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / "one" / name).write_bytes(b"x")
    told = {"complete": False, "missing": ["face_embedding"]}
    assert statuses(structure.check_files(SampleFolder(tmp_path, "train", "one", told), TOOLS)) == {"files.present": "warn"}
    assert statuses(structure.check_files(SampleFolder(tmp_path, "train", "one", None), TOOLS)) == {"files.present": "fail"}


def test_frames_are_counted_in_all_three_files(tmp_path: Path) -> None:
    one = sample(tmp_path)
    np.save(one.folder / "music_features.npy", np.zeros((48, 3)))
    (one.folder / "pose_annotations.json").write_text(json.dumps({"poses": [{}] * 48}))
    assert statuses(structure.check_frames(one, Tools({}))) == {"files.frames": "pass"}
    np.save(one.folder / "music_features.npy", np.zeros((47, 3)))
    other = SampleFolder(tmp_path, "train", "one", None)
    assert statuses(structure.check_frames(other, Tools({}))) == {"files.frames": "fail"}


def test_metadata_that_says_another_length_fails_and_none_at_all_is_unproven(tmp_path: Path) -> None:
    right = sample(tmp_path, frames=48, fps=24, split="train", duration=2.0)
    assert statuses(structure.check_entry(right, Tools({}))) == {"metadata.entry": "pass"}
    wrong = SampleFolder(tmp_path, "train", "one", {"frames": 50})
    assert statuses(structure.check_entry(wrong, Tools({}))) == {"metadata.entry": "fail"}
    assert statuses(structure.check_entry(SampleFolder(tmp_path, "train", "one", None), TOOLS)) == {"metadata.entry": "unproven"}


def test_metadata_that_is_no_json_leaves_the_samples_to_be_checked(tmp_path: Path) -> None:
    (tmp_path / "train" / "one").mkdir(parents=True)
    (tmp_path / "metadata.json").write_text("[" * 100_000)
    [one] = read_samples(tmp_path)
    assert one.entry is None
    assert statuses(structure.check_metadata([one], {})) == {"metadata.file": "fail"}
    with pytest.raises(Broken, match="neither"):
        read_samples(tmp_path / "train")


@pytest.mark.parametrize(
    ("shared", "status"),
    [
        ({"lacking": {"validation": "there is one dance"}, "samples": {"train": 1, "validation": 0}}, "warn"),
        ({"lacking": {"validation": "there is one dance"}, "samples": {"train": 0, "validation": 1}}, "fail"),
        ({"lacking": {"train": "there is one dance"}}, "fail"),
        ({}, "fail"),
    ],
)
def test_an_empty_side_is_wrong_unless_metadata_says_why_it_is_empty(
    tmp_path: Path, shared: dict[str, object], status: str
) -> None:
    [found] = leaks.check_split([SampleFolder(tmp_path, "train", "one", {}, shared)], {})
    assert found.status == status
    assert ("there is one dance" in found.detail) == (status == "warn")


@pytest.mark.parametrize(("fps", "frames", "wrong"), [(25, 48, "video.frame_rate"), (24, 20, "video.length")])
def test_a_wrong_rate_and_a_short_video_fail(tmp_path: Path, fps: int, frames: int, wrong: str) -> None:
    found = statuses(videos.check_rate(sample(tmp_path, frames, fps), Tools({})))
    assert [check for check, status in found.items() if status == "fail"] == [wrong]


def test_sound_that_ends_early_or_starts_late_is_out_of_step(tmp_path: Path) -> None:
    whole = sample(tmp_path / "a")
    assert statuses(videos.check_sync(whole, Tools({}))) == {"video.sync": "pass"}
    assert statuses(videos.check_sync(sample(tmp_path / "b", seconds=1.8), Tools({}))) == {"video.sync": "fail"}
    late = SampleFolder(tmp_path / "c", "train", "one", None)
    late.folder.mkdir(parents=True)
    shifted(whole.folder / "video.mp4", late.folder / "video.mp4", "audio", 0.1)
    assert statuses(videos.check_sync(late, Tools({}))) == {"video.sync": "fail"}


def test_a_video_that_stands_still_is_black_or_has_no_sound_fails(tmp_path: Path) -> None:
    for name, image in (("still", next(pictures(1))), ("black", np.zeros((64, 96, 3), np.uint8))):
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        write_video(folder / "video.mp4", [image] * 30, 24, beep_at(0.5, 30 / 24))
        found = videos.check_picture(SampleFolder(tmp_path, "train", name, None), Tools({}))
        assert statuses(found) == {"video.picture": "fail"}
    video(tmp_path / "train" / "mute" / "video.mp4", beep_s=None)
    mute = SampleFolder(tmp_path, "train", "mute", None)
    assert statuses(videos.check_sound(mute, Tools({}))) == {"video.sound": "fail"}


def test_a_video_that_breaks_off_or_is_not_square_fails(tmp_path: Path) -> None:
    one = sample(tmp_path)
    assert statuses(videos.check_decodes(one, Tools({}))) == {"video.decodes": "pass"}
    assert statuses(videos.check_size(one, Tools({}))) == {"video.resolution": "fail"}
    path = one.folder / "video.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert statuses(videos.check_decodes(one, Tools({}))) == {"video.decodes": "fail"}
