import os
import subprocess
import sys
from pathlib import Path

import pytest

import onscreen
from face_cases import empty_video, portrait_video
from onscreen.errors import InputError, NothingUsable
from onscreen.folder_run import FOLDERS, Outcome, run_folder
from onscreen.records import Face, Identity, Reject
from onscreen.store import read_table

NO_PARAMS = Path("/nowhere/params.yaml")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    portrait_video(folder / "first.mp4", 0)
    portrait_video(folder / "sub folder" / "second.mp4", 0, frames=30)
    portrait_video(folder / "other.mp4", 2)
    empty_video(folder / "nobody.mp4")
    (folder / "text.mp4").write_text("not a video")
    return folder


@pytest.fixture(scope="module")
def output(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "new folder"
    assert _run(videos, folder).faces == 3
    return folder


def _run(source: Path, output: Path, settings: Path = NO_PARAMS) -> Outcome:
    return run_folder(source, output, settings)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_of_videos_becomes_people_in_the_guides_layout(output: Path) -> None:
    assert _names(output / "extracted_faces") == {"first.jpg", "second.jpg", "other.jpg"}
    assert len(_names(output / "deduped_faces")) == 3
    assert sum("_dedupe_" in name for name in _names(output / "deduped_faces")) == 1
    assert len(_names(output / "representative_faces")) == 2
    assert {path.name for path in output.iterdir()} == {
        ".onscreen",
        *FOLDERS,
        "faces.parquet",
        "identities.parquet",
        "rejects.parquet",
    }
    assert all((output / face.image).is_file() for face in read_table(output / "faces.parquet", Face))
    assert len({row.identity_id for row in read_table(output / "identities.parquet", Identity)}) == 2
    rejects = {(row.item, row.stage, row.code) for row in read_table(output / "rejects.parquet", Reject)}
    assert ("nobody", "extract_faces", "no_face") in rejects
    assert any(item == "text" and stage == "prepare" for item, stage, _ in rejects)


def test_the_input_is_only_read(videos: Path, output: Path) -> None:
    assert _names(videos) == {"first.mp4", "other.mp4", "nobody.mp4", "text.mp4", "sub folder"}


def test_a_repeat_measures_nothing_and_replaces_its_own_files(videos: Path, output: Path) -> None:
    items = {path: path.stat().st_mtime_ns for path in (output / ".onscreen" / "cache").rglob("*.npz")}
    assert _run(videos, output).identities == 2
    assert {path: path.stat().st_mtime_ns for path in (output / ".onscreen" / "cache").rglob("*.npz")} == items


def test_a_file_that_onscreen_did_not_write_is_never_replaced(videos: Path, output: Path, tmp_path: Path) -> None:
    mine = output / "deduped_faces" / "mine.jpg"
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"mine\.jpg"):
        _run(videos, output)
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    (tmp_path / "extracted_faces").mkdir()
    (tmp_path / "extracted_faces" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holiday\.jpg"):
        _run(videos, tmp_path)


def test_a_folder_of_other_videos_is_not_filled(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.mp4").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holiday\.mp4"):
        _run(videos, tmp_path)
    assert not (tmp_path / "extracted_faces").exists()


def test_an_output_inside_the_input_does_not_feed_on_itself(tmp_path: Path) -> None:
    portrait_video(tmp_path / "one.mp4", 0)
    assert _run(tmp_path, tmp_path / "result") == _run(tmp_path, tmp_path / "result")
    with pytest.raises(InputError, match="of its own"):
        _run(tmp_path, tmp_path)


def test_params_of_the_folder_count(videos: Path, tmp_path: Path) -> None:
    settings = tmp_path / "params.yaml"
    settings.write_text("dedupe: {threshold: 1.9}\nfaces: {frames: first}\nstorage: {layout: shards}\n")
    outcome = _run(videos, tmp_path / "out", settings)
    assert (outcome.faces, outcome.identities) == (3, 1)
    assert {face.n_frames for face in read_table(tmp_path / "out" / "faces.parquet", Face)} == {1}
    assert _names(tmp_path / "out" / "extracted_faces") == {"first.jpg", "second.jpg", "other.jpg"}  # to look at, never in shards


def test_nothing_usable_is_an_error_that_leaves_the_reasons(tmp_path: Path) -> None:
    empty_video(tmp_path / "in" / "nobody.mp4")
    with pytest.raises(NothingUsable, match="no_face"):
        _run(tmp_path / "in", tmp_path / "out")
    assert [row.code for row in read_table(tmp_path / "out" / "rejects.parquet", Reject) if row.scope == "face"] == ["no_face"]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "text.mp4").write_text("not a video")
    with pytest.raises(NothingUsable):
        _run(tmp_path / "bad", tmp_path / "out")
    assert [row.item for row in read_table(tmp_path / "out" / "rejects.parquet", Reject)] == ["text"]
    assert _names(tmp_path / "out" / "extracted_faces") == set()


def _command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    source = str(Path(onscreen.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "ONSCREEN_HOME": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "onscreen", "run", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_tells_what_it_found_and_its_exit_code(videos: Path, output: Path, tmp_path: Path) -> None:
    good = _command("--input", str(videos), "--output", str(output), cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert "identities" in good.stdout
    (tmp_path / "empty").mkdir()
    for source, said in {"empty": "holds no video", "missing": "there is no such folder"}.items():
        bad = _command("--input", source, "--output", "out", cwd=tmp_path)
        assert bad.returncode == 2
        assert f"--input {tmp_path / source}" in bad.stderr
        assert said in bad.stderr
        assert "data.raw" not in bad.stderr
        assert "Traceback" not in bad.stderr
