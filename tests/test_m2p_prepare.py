"""`onscreen m2p prepare` on any folder: every container, a growing folder, and what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import onscreen
from dance_videos import CODECS, DANCE, dance_video
from onscreen.errors import ConfigError, InputError, NothingUsable, OnscreenError
from onscreen.guide.m2p import Prepared, lines, prepare_folder
from onscreen.records import Reject
from onscreen.store import read_json, read_table, write_json

NO_PARAMS = Path("/nowhere/params.yaml")
LATER = ".avi"
needs_dance = pytest.mark.skipif(not (DANCE / "dance_with_music.mp4").is_file(), reason=f"no dance in {DANCE}")
SONGS = (("ragtime", 8), ("waltz", 6), ("vibe_ace", 10), ("ragtime", 30), ("waltz", 16), ("vibe_ace", 30))


def made(source: Path, output: Path, ratio: float = 0.8, resolution: str | None = None, fps: int | None = None) -> Prepared:
    return prepare_folder(source, output, fps, resolution, ratio, NO_PARAMS)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dances")
    for suffix, (song, start_s) in zip(CODECS, SONGS, strict=True):
        dance_video(folder / f"in {suffix[1:]}{suffix}", song, start_s)
    (folder / f"in {LATER[1:]}{LATER}").rename(folder / "later")
    shutil.copy(DANCE / "silent_dance_0.mp4", folder / "silent.mp4")
    (folder / "labels.csv").write_text("file,genre,mood\nin mp4.mp4,jazz,\n")
    return folder


@pytest.fixture(scope="module")
def output(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "dataset"
    (folder.parent / "params.yaml").write_text("engine: {workers: 1}")  # most of the time goes into starting processes
    source = str(Path(onscreen.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "ONSCREEN_HOME": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "onscreen", "m2p", "prepare", "--input_dir", str(videos), "--output_dir", str(folder)]
    command += ["--fps", "24", "--resolution", "512x512", "--split_ratio", "0.8"]
    done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1, done.stderr  # one video gave no dance
    assert "5 dances" in done.stdout
    assert "4 train, 1 validation" in done.stdout
    assert "rejected: silent: no_audio" in done.stderr
    return folder


def sides(output: Path) -> dict[str, str]:
    return {clip["id"]: clip["split"] for clip in read_json(output / "metadata.json")["clips"]}


@needs_dance
def test_a_real_dance_in_every_container_becomes_a_sample(videos: Path, output: Path) -> None:
    assert {path.name for path in output.iterdir()} == {".onscreen", "train", "validation", "metadata.json", "rejects.parquet"}
    described = read_json(output / "metadata.json")
    assert set(sides(output)) == {f"in {suffix[1:]}" for suffix in CODECS} - {f"in {LATER[1:]}"}
    assert described["samples"] == {"train": 4, "validation": 1}
    assert described["lacking"] == {}
    for clip in described["clips"]:
        assert {path.name for path in (output / clip["folder"]).iterdir()} >= {
            *("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg")
        }
        assert (clip["reference_shows_face"], clip["complete"]) == (False, False)  # too far away for a face
        assert clip["missing"] == ["face_embedding", "face_embedding_dlib"]
        assert "shorter_than_recommended" in {remark["code"] for remark in clip["warnings"]}
    labelled = {clip["id"]: clip["labels"] for clip in described["clips"]}
    assert labelled["in mp4"] == {"genre": "jazz"}
    assert labelled["in mov"] == {}
    assert [(row.item, row.code) for row in read_table(output / "rejects.parquet", Reject)] == [("silent", "no_audio")]


@needs_dance
def test_a_folder_that_grew_measures_only_what_is_new_and_moves_nobody(videos: Path, output: Path) -> None:
    before = sides(output)
    items = set((output / ".onscreen" / "cache").rglob("*.npz"))
    (videos / "later").rename(videos / f"in {LATER[1:]}{LATER}")
    prepared = made(videos, output)
    assert (prepared.dances, prepared.remembered, prepared.without) == (6, 5, 1)
    assert {name: side for name, side in sides(output).items() if name in before} == before
    assert len(set((output / ".onscreen" / "cache").rglob("*.npz")) - items) == 3  # of prepare, the look, the dance
    first, second = lines(prepared)
    assert "6 dances" in first
    assert "5 dances kept the side" in second


def test_one_dance_is_told_in_the_singular() -> None:
    one = Prepared(7, 6, 1, 1, {"train": 1, "validation": 0}, 1, 1, 1, 0, (), ())
    assert list(lines(one)) == [
        "1 dance of 7 videos (1 with warnings, 6 videos gave none): 1 train, 0 validation; 1 person, 1 song, 1 group that no split may part"
    ]


@needs_dance
def test_a_file_of_somebody_else_is_never_touched(videos: Path, output: Path, tmp_path: Path) -> None:
    mine = output / "train" / "mine.txt"
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt"):
        made(videos, output)
    mine.unlink()
    (tmp_path / "validation" / "other").mkdir(parents=True)
    (tmp_path / "validation" / "other" / "video.mp4").write_bytes(b"theirs")
    with pytest.raises(InputError, match=r"validation/other/video\.mp4"):
        made(videos, tmp_path)
    assert (tmp_path / "validation" / "other" / "video.mp4").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resolution": "512x256"}, "--resolution 512x256: must be square, as 512x512"),
        ({"resolution": "big"}, "--resolution big: must be width x height"),
        ({"resolution": "50x50"}, "--resolution = 50"),
        ({"ratio": 0.0}, "--split_ratio 0"),
        ({"ratio": 1.5}, "--split_ratio 1.5"),
        ({"ratio": float("nan")}, "--split_ratio nan"),
        ({"fps": 15}, "--fps = 15"),
        ({"fps": 120}, "--fps = 120"),
    ],
)
def test_a_wrong_option_is_named_before_any_work(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, tmp_path / "out", **options)  # type: ignore[arg-type]  # that they are wrong is the point
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "output", "error", "said"),
    [
        ("missing", "out", InputError, "there is no such folder"),
        ("file", "out", InputError, "is a file, not a folder"),
        ("empty", "out", NothingUsable, "holds no video"),
        ("texts", "out", NothingUsable, "it holds 1 of .txt"),
        ("texts", "texts", InputError, "must not be the input folder or lie inside it"),
        ("texts", "texts/out", InputError, "must not be the input folder or lie inside it"),
        ("data/train", "data", InputError, "which this command writes"),
        ("texts", "file", InputError, "must be a folder, and is a file"),
    ],
)
def test_folders_that_cannot_be_are_told_apart(
    tmp_path: Path, source: str, output: str, error: type[OnscreenError], said: str
) -> None:
    for folder in ("empty", "texts", "data/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "file").write_text("a")
    with pytest.raises(error, match=said):
        made(tmp_path / source, tmp_path / output)


def test_without_a_usable_video_the_reasons_are_left_and_both_sides_say_why_they_are_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text.mp4").write_text("not a video")
    with pytest.raises(NothingUsable, match=r"gave a dance \(1 .*rejects\.parquet"):
        made(tmp_path / "in", tmp_path / "out")
    assert [row.item for row in read_table(tmp_path / "out" / "rejects.parquet", Reject)] == ["text"]
    assert all("holds no sample" in (tmp_path / "out" / side / ".gitkeep").read_text() for side in ("train", "validation"))
    write_json(tmp_path / "out" / "metadata.json", {"clips": [{"id": "a"}]})
    with pytest.raises(OnscreenError, match="Delete it to divide the dances anew"):
        made(tmp_path / "in", tmp_path / "out")
