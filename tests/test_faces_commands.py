"""onscreen faces extract, onscreen faces dedupe: the guide's commands, names and bad input, end to end by the command line."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import typer
from filelock import FileLock
from PIL import Image
from typer.testing import CliRunner

from face_cases import astronaut, detector, empty_video, five_of_six, portrait_video, six_people
from onscreen import cli
from onscreen.config import Faces, Params
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.quality import head_pose
from onscreen.guide.commands import DETECTORS, EMBEDDERS
from onscreen.records import Face, Identity, Reject
from onscreen.store import read_json, read_table, write_json


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `onscreen faces ...` in an empty folder, without params.yaml."""
    monkeypatch.setenv("ONSCREEN_HOME", str(Path(__file__).parents[1]))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(verb: str, **options: object) -> Ended:
        given = [
            text
            for name, value in options.items()
            for text in ((f"--{name}", str(value)) if value is not True else (f"--{name}",))
        ]
        monkeypatch.setattr(sys, "argv", ["onscreen", "faces", verb, *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        read = capfd.readouterr()
        return Ended(int(ended.value.code or 0), read.out, read.err)

    return run


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of one person, one of another, one of nobody, one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    portrait_video(folder / "vid_1.mp4", 0)
    portrait_video(folder / "sub folder" / "vid_2.mp4", 0, frames=30)
    portrait_video(folder / "vid_3.mp4", 2)
    empty_video(folder / "nobody.mp4")
    (folder / "text.mp4").write_text("not a video")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def extracted(videos: Path, shared: Path, command: Command) -> Path:
    """The pictures of the videos, made once."""
    if not (shared / "extracted").is_dir():
        assert command("extract", dataset_path=videos, output_dir=shared / "extracted").code == 1
    return shared / "extracted"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def items(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / ".onscreen" / "cache").rglob("*.npz")}


def reasons(folder: Path) -> dict[str, str]:
    return {row.item: row.code for row in read_table(folder / "rejects.parquet", Reject)}


def portrait(person: int) -> np.ndarray:
    """(256, 256, 3) uint8 RGB of one of five people."""
    return aligned_crop(six_people(), five_of_six()[person], 256, 0.6)


def grouping(folder: Path) -> set[frozenset[str]]:
    people: dict[str, set[str]] = {}
    for row in read_table(folder / "identities.parquet", Identity):
        people.setdefault(row.identity_id, set()).add(row.face_id)
    return {frozenset(faces) for faces in people.values()}


def test_every_video_gives_one_picture_of_its_name_or_a_reason(extracted: Path, videos: Path) -> None:
    assert names(extracted) == {"vid_1.jpg", "vid_2.jpg", "vid_3.jpg", "faces.parquet", "rejects.parquet"}
    assert names(videos) == {"vid_1.mp4", "vid_3.mp4", "nobody.mp4", "text.mp4", "sub folder"}, "the input is only read"
    rejected = reasons(extracted)
    assert rejected.keys() == {"nobody", "text"}
    assert rejected["nobody"] == "no_face"
    for face in read_table(extracted / "faces.parquet", Face):
        assert (extracted / face.image).is_file()
        assert face.n_frames == 5


def test_a_repeat_measures_nothing_and_writes_the_same(extracted: Path, videos: Path, command: Command) -> None:
    before, measured = contents(extracted), items(extracted)
    (extracted / ".onscreen" / "new").mkdir()
    (extracted / ".onscreen" / "new" / "half.jpg").write_bytes(b"of a run that was killed")
    again = command("extract", dataset_path=videos, output_dir=extracted)
    assert again.code == 1
    assert "videos without a picture" in again.out
    assert contents(extracted) == before
    assert items(extracted) == measured


def test_without_enforcement_the_surest_find_counts_and_no_frame_becomes_a_face(
    videos: Path, tmp_path: Path, command: Command
) -> None:
    strict = tmp_path / "params.yaml"
    strict.write_text("faces: {min_score: 1.0, min_interocular_px: 500.0}\n")
    assert command("extract", dataset_path=videos, output_dir=tmp_path / "out").code == 2
    assert set(reasons(tmp_path / "out").values()) >= {"low_score", "no_face"}
    measured = items(tmp_path / "out")
    ended = command("extract", dataset_path=videos, output_dir=tmp_path / "out", **{"no-enforce_detection": True})
    assert ended.code == 0, ended.err
    assert items(tmp_path / "out") == measured, "it is a matter of thresholds"
    assert names(tmp_path / "out") == {"vid_1.jpg", "vid_2.jpg", "vid_3.jpg", "faces.parquet", "rejects.parquet"}
    assert all(0 < face.score < 1 for face in read_table(tmp_path / "out" / "faces.parquet", Face))


def test_a_folder_without_a_face_ends_in_2_and_says_why(tmp_path: Path, command: Command) -> None:
    empty_video(tmp_path / "in" / "nobody.mp4")
    for options in ({}, {"no-enforce_detection": True}):
        ended = command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / "out", **options)
        assert ended.code == 2
        assert "no_face" in ended.err
        assert "Traceback" not in ended.err
        assert reasons(tmp_path / "out") == {"nobody": "no_face"}


def test_faces_are_turned_upright_unless_asked_not_to_be(tmp_path: Path, command: Command) -> None:
    leaning = min(range(5), key=lambda person: -abs(head_pose(five_of_six()[person].landmarks)[2]))
    portrait_video(tmp_path / "in" / "vid.mp4", leaning)
    rolls = {}
    for option in ("align_faces", "no-align_faces"):
        assert command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / option, **{option: True}).code == 0
        picture = cv2.imread(str(tmp_path / option / "vid.jpg"))[..., ::-1]
        rolls[option] = abs(head_pose(detector()(np.ascontiguousarray(picture))[0].landmarks)[2])
    leaned = abs(read_table(tmp_path / "no-align_faces" / "faces.parquet", Face)[0].roll)
    assert leaned > 4
    assert rolls["align_faces"] < 2
    assert rolls["no-align_faces"] == pytest.approx(leaned, abs=2)


def test_only_the_extensions_asked_for_are_read_and_others_are_told(tmp_path: Path, command: Command) -> None:
    portrait_video(tmp_path / "in" / "a.mp4", 0)
    shutil.copyfile(tmp_path / "in" / "a.mp4", tmp_path / "in" / "b.MOV")
    first = command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / "out")
    assert first.code == 0
    assert "1 of .mov" in first.err
    assert command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / "out", video_extensions="*.mp4, mov").code == 0
    assert {name for name in names(tmp_path / "out") if name.endswith(".jpg")} == {"a.jpg", "b.jpg"}
    assert command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / "out", video_extensions="*.MOV").code == 0
    assert {name for name in names(tmp_path / "out") if name.endswith(".jpg")} == {"b.jpg"}, "its own old picture is gone"
    missing = command("extract", dataset_path=tmp_path / "in", output_dir=tmp_path / "out", video_extensions="*.avi")
    assert missing.code == 2
    assert "*.avi" in missing.err


def test_a_file_that_the_command_did_not_write_is_never_replaced(
    videos: Path, extracted: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vid_1.jpg").write_bytes(b"mine")
    ended = command("extract", dataset_path=videos, output_dir=tmp_path / "out")
    assert ended.code == 2
    assert "vid_1.jpg" in ended.err
    (tmp_path / "rep").mkdir()
    (tmp_path / "rep" / "holiday.png").write_bytes(b"mine")
    ended = command("dedupe", faces_dir=extracted, dedupe_dir=tmp_path / "de", representative_dir=tmp_path / "rep")
    assert ended.code == 2
    assert contents(tmp_path / "rep") == {"holiday.png": b"mine"}
    assert names(tmp_path / "de") == set()


@pytest.mark.parametrize("taken", ["output_dir", "dedupe_dir", "representative_dir"])
def test_a_folder_of_other_videos_is_not_filled(
    taken: str, videos: Path, extracted: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "holiday.mov").write_bytes(b"mine")
    if taken == "output_dir":
        ended = command("extract", dataset_path=videos, output_dir=tmp_path / taken)
    else:
        places = {name: tmp_path / name for name in ("dedupe_dir", "representative_dir")}
        ended = command("dedupe", faces_dir=extracted, **places)
    assert ended.code == 2
    assert f"--{taken}" in ended.err
    assert "holiday.mov" in ended.err
    assert contents(tmp_path / taken) == {"holiday.mov": b"mine"}


def test_a_folder_is_filled_by_one_run_at_a_time(videos: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "out" / ".onscreen").mkdir(parents=True)
    with FileLock(tmp_path / "out" / ".onscreen" / ".lock"):
        ended = command("extract", dataset_path=videos, output_dir=tmp_path / "out")
    assert ended.code == 2
    assert "another run" in ended.err


@pytest.mark.parametrize(
    ("verb", "options", "said"),
    [
        ("extract", {"detector_backend": "yolo"}, "mediapipe, dlib"),
        ("extract", {"video_extensions": "clip*"}, "*.mp4"),
        ("extract", {"dataset_path": "gone"}, "no such folder"),
        ("extract", {"output_dir": "in"}, "of its own"),
        ("dedupe", {"model_name": "Facenet1024"}, "Dlib, Facenet"),
        ("dedupe", {"threshold": "2.5"}, "below 2"),
        ("dedupe", {"threshold": "0"}, "above 0"),
        ("dedupe", {"threshold": "nan"}, "auto"),
        ("dedupe", {"faces_dir": "gone"}, "no such folder"),
        ("dedupe", {"dedupe_dir": "in"}, "three different"),
        ("dedupe", {}, "no picture"),
    ],
)
def test_an_option_that_cannot_be_meant_ends_in_2_and_says_what_can(
    verb: str, options: dict[str, str], said: str, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "in").mkdir()
    usual = {
        "extract": {"dataset_path": "in", "output_dir": "out"},
        "dedupe": {"faces_dir": "in", "dedupe_dir": "de", "representative_dir": "rep"},
    }
    ended = command(verb, **(usual[verb] | options))
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_help_names_every_detector_and_embedder_of_params() -> None:
    assert DETECTORS.split(", ") == list(get_args(Faces.model_fields["detector"].annotation))
    assert EMBEDDERS.split(", ") == list(get_args(Faces.model_fields["embedder"].annotation))


def test_pictures_of_one_person_are_grouped_under_the_guides_names(extracted: Path, tmp_path: Path, command: Command) -> None:
    places = {"faces_dir": extracted, "dedupe_dir": tmp_path / "de", "representative_dir": tmp_path / "rep"}
    ended = command("dedupe", **places)
    assert ended.code == 0, ended.err
    assert "what faces extract measured" in ended.out
    assert not items(tmp_path / "de")
    assert grouping(tmp_path / "de") == {frozenset({"vid_1", "vid_2"}), frozenset({"vid_3"})}
    pictures = contents(tmp_path / "de")
    joined = next(name for name in pictures if "_dedupe_" in name)
    assert joined in {"vid_1_dedupe_vid_2.jpg", "vid_2_dedupe_vid_1.jpg"}
    leader, follower = joined.removesuffix(".jpg").split("_dedupe_")
    assert names(tmp_path / "rep") == {f"{leader}.jpg", "vid_3.jpg"}
    assert pictures[joined] == (extracted / f"{follower}.jpg").read_bytes()
    assert command("dedupe", **places).code == 0
    assert contents(tmp_path / "de") == pictures
    shutil.copytree(extracted, tmp_path / "weeded")
    (tmp_path / "weeded" / "vid_3.jpg").unlink()
    weeded = command("dedupe", **(places | {"faces_dir": tmp_path / "weeded"}))
    assert "what faces extract measured" in weeded.out, "a person may delete pictures"
    assert grouping(tmp_path / "de") == {frozenset({"vid_1", "vid_2"})}


def test_pictures_alone_are_measured_once_and_give_the_same_people(extracted: Path, tmp_path: Path, command: Command) -> None:
    shutil.copytree(extracted, tmp_path / "faces")
    (tmp_path / "faces" / "vid_3.jpg").write_bytes((extracted / "vid_3.jpg").read_bytes() + b"\0")
    places = {"faces_dir": tmp_path / "faces", "dedupe_dir": tmp_path / "de", "representative_dir": tmp_path / "rep"}
    ended = command("dedupe", **places)
    assert ended.code == 0, ended.err
    assert "the pictures alone" in ended.out, "a picture is not what faces extract wrote"
    assert grouping(tmp_path / "de") == {frozenset({"vid_1", "vid_2"}), frozenset({"vid_3"})}
    measured = items(tmp_path / "de")
    (tmp_path / "faces" / "vid_2.jpg").unlink()
    assert command("dedupe", **places).code == 0
    assert items(tmp_path / "de") == measured
    assert names(tmp_path / "de") == {"vid_1.jpg", "vid_3.jpg", "identities.parquet", "rejects.parquet"}
    assert names(tmp_path / "rep") == {"vid_1.jpg", "vid_3.jpg"}


def test_any_kind_of_photo_is_read_and_what_is_none_is_named(tmp_path: Path, command: Command) -> None:
    faces = tmp_path / "faces"
    (faces / "other").mkdir(parents=True)
    face = Image.fromarray(astronaut())
    face.save(faces / "plain.png")
    face.convert("CMYK").save(faces / "ink.JPG")
    Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257).save(faces / "sixteen bit.png")
    face.convert("RGBA").save(faces / "alpha.webp")
    face.resize((6400, 6400), Image.Resampling.BICUBIC).save(faces / "40 megapixels.jpg")
    x, y, width, height = five_of_six()[2].box
    Image.fromarray(six_people()[int(y) : int(y + height), int(x) : int(x + width)]).save(faces / "other" / "tight.jpg")
    Image.fromarray(portrait(2)).save(faces / "other" / "plain.jpg")
    face.save(faces / "moving.gif", save_all=True, append_images=[face.rotate(90)])
    Image.new("RGB", (300, 300), "grey").save(faces / "wall.jpg")
    (faces / "nothing.jpg").touch()
    (faces / "text.jpg").write_text("a text")
    (faces / "half.jpg").write_bytes((faces / "ink.JPG").read_bytes()[:9000])
    (faces / "notes.txt").write_text("no picture")
    ended = command("dedupe", faces_dir=faces, dedupe_dir=tmp_path / "de", representative_dir=tmp_path / "rep")
    assert ended.code == 1, ended.err
    assert reasons(tmp_path / "de") == {
        "moving": "animated",
        "wall": "no_face",
        "nothing": "empty_file",
        "text": "not_an_image",
        "half": "truncated",
    }
    details = {row.item: row.detail for row in read_table(tmp_path / "de" / "rejects.parquet", Reject)}
    assert all(any(f"{item}{ending}" in text for ending in (".jpg", ".gif")) for item, text in details.items()), details
    counted = {
        row.split()[1]: int(row.split()[-2]) for row in ended.out.replace("pictures in ", "in_").splitlines() if "│" in row
    }
    assert (counted["pictures"], counted["in_groups"], counted["in_none"]) == (12, 7, 5)
    woman = {"plain.png", "ink", "sixteen bit", "alpha", "40 megapixels"}
    assert grouping(tmp_path / "de") >= {frozenset({"other__plain", "tight"})}
    assert {name for group in grouping(tmp_path / "de") for name in group} == {"plain", "other__plain", "tight"} | woman - {
        "plain.png"
    }


@pytest.mark.parametrize("count", [1, 4])
def test_one_picture_or_the_same_one_many_times_is_one_person(count: int, tmp_path: Path, command: Command) -> None:
    (tmp_path / "faces").mkdir()
    for number in range(count):
        Image.fromarray(portrait(0)).save(tmp_path / "faces" / f"vid_{number}.png")
    ended = command("dedupe", faces_dir=tmp_path / "faces", dedupe_dir=tmp_path / "de", representative_dir=tmp_path / "rep")
    assert ended.code == 0, ended.err
    assert len(grouping(tmp_path / "de")) == 1
    assert names(tmp_path / "rep") == {"vid_0.png"}
    assert len(names(tmp_path / "de")) == count + 2


def test_pictures_without_a_face_end_in_2_and_leave_the_reasons(tmp_path: Path, command: Command) -> None:
    (tmp_path / "faces").mkdir()
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "faces" / "wall.jpg")
    ended = command("dedupe", faces_dir=tmp_path / "faces", dedupe_dir=tmp_path / "de", representative_dir=tmp_path / "rep")
    assert ended.code == 2
    assert reasons(tmp_path / "de") == {"wall": "no_face"}


def test_results_inside_the_folder_of_pictures_do_not_feed_the_next_run(tmp_path: Path, command: Command) -> None:
    (tmp_path / "faces").mkdir()
    Image.fromarray(portrait(0)).save(tmp_path / "faces" / "vid_0.png")
    places = {
        "faces_dir": tmp_path / "faces",
        "dedupe_dir": tmp_path / "faces" / "de",
        "representative_dir": tmp_path / "faces" / "rep",
    }
    for _ in range(2):
        assert command("dedupe", **places).code == 0
        assert names(tmp_path / "faces" / "de") == {"vid_0.png", "identities.parquet", "rejects.parquet"}


def test_a_threshold_and_a_model_are_the_ones_asked_for(extracted: Path, tmp_path: Path, command: Command) -> None:
    places = {"faces_dir": extracted, "dedupe_dir": tmp_path / "de", "representative_dir": tmp_path / "rep"}
    ended = command("dedupe", **places, model_name="dlib", threshold="1.9")
    assert ended.code == 0, ended.err
    assert "Dlib, average_link, threshold 1.9, by the pictures alone" in ended.out
    assert len(grouping(tmp_path / "de")) == 1
    (tmp_path / "params.yaml").write_text("dedupe: {threshold: 1.8, method: greedy}\n")
    assert "Dlib, greedy, threshold 1.9" in command("dedupe", **places, threshold="1.9").out
    assert names(tmp_path / "rep") == {"vid_1.jpg"}, "the first by name leads, as in the guide"
    assert "Dlib, greedy, threshold 0.049" in command("dedupe", **places).out, "that of params.yaml is for the pipeline's clips"


def test_embeddings_that_no_threshold_is_known_for_are_not_used(extracted: Path, tmp_path: Path, command: Command) -> None:
    shutil.copytree(extracted, tmp_path / "faces")
    record = tmp_path / "faces" / ".onscreen" / "extracted.json"
    made = read_json(record)
    write_json(record, made | {"faces": made["faces"] | {"embedder": "Facenet"}})
    places = {"faces_dir": tmp_path / "faces", "dedupe_dir": tmp_path / "de", "representative_dir": tmp_path / "rep"}
    assert "by the pictures alone" in command("dedupe", **places).out, "they are of another model"
    ended = command("dedupe", **places, model_name="buffalo_s")
    assert ended.code == 2
    assert "buffalo_s" in ended.err


def test_the_table_of_old_commands_names_only_what_there_is() -> None:
    text = (Path(__file__).parents[1] / "docs" / "from-scripts.md").read_text(encoding="utf-8")
    known = Params().model_dump()
    sections = "|".join(known)
    keys = {
        (section, key) for section, key in re.findall(rf"`({sections})\.([a-z0-9_]+)[`:]", text) if key not in ("json", "parquet")
    }
    assert len(keys) > 10
    assert all(key in known[section] for section, key in keys)
    verbs = typer.main.get_command(cli.app).commands.keys()
    assert set(re.findall(r"`onscreen ([a-z0-9_-]+)", text)) <= verbs
    assert set(re.findall(r"`dvc repro ([a-z0-9_]+)", text)) <= set(cli.STAGES)


def test_a_model_that_is_missing_is_told_before_any_video_is_opened(
    command: Command, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path / "home"))
    ended = command("extract", dataset_path=videos, output_dir=tmp_path / "faces", detector_backend="yunet")
    assert ended.code == 2, "1 would say that some videos gave a picture"
    assert "onscreen weights pull opencv_yunet" in ended.err
    assert "videos" not in ended.err.replace(str(videos), "")


def test_check_tells_of_a_model_that_only_a_person_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "params.yaml").write_text("data: {raw: videos}\nfaces: {detector: yunet}\n")
    (tmp_path / "videos").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    assert CliRunner().invoke(cli.app, ["check"]).exit_code == 0
    assert "onscreen weights pull opencv_yunet" in caplog.text


def test_check_reads_the_corrections_of_identities_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text("data: {raw: videos}\n")
    for folder in ("videos", "data"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    corrections = tmp_path / "data" / "identity_overrides.yaml"
    corrections.write_text("merge: [[talk_1, talk_2]]\n")
    good = CliRunner().invoke(cli.app, ["check"])
    assert good.exit_code == 0
    assert "params.yaml and data/identity_overrides.yaml are valid" in good.stderr
    corrections.write_text("reject: talk_1\n")
    monkeypatch.setattr(sys, "argv", ["onscreen", "check"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert 'reject = "talk_1": must be a list of faces' in capfd.readouterr().err
