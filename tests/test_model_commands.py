"""onscreen train face-voice, evaluate face-voice, match, embed: the guide's commands on files of real people, and on bad ones."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import typer

from onscreen import cli
from onscreen.config import Params, Split
from onscreen.errors import ConfigError
from onscreen.guide.face_voice import _below, share_for
from onscreen.guide.options import train_params
from onscreen.guide.telling import INTERRUPTED, training_told
from onscreen.matching.folder import PARTS, digest_of_person
from onscreen.records import Reject
from onscreen.stages.split import side_of
from onscreen.store import read_json, read_table, write_json
from real_data import DATA

PEOPLE = DATA / "face_voice" / "voxceleb1_10"
needs_people = pytest.mark.skipif(
    not PEOPLE.is_dir(),
    reason=f"no faces and voices of real people in {PEOPLE}; set ONSCREEN_TEST_DATA to a folder that has them",
)
EPOCHS = {"num_epochs": 3, "embedding_dim": 16}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `onscreen ...` in a folder of its own."""
    monkeypatch.setenv("ONSCREEN_HOME", str(Path(__file__).parents[1]))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("engine: {workers: 1}\n")  # to load the networks once

    def run(*verbs: str, **options: object) -> Ended:
        given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["onscreen", *verbs, *given])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        read = capfd.readouterr()
        return Ended(int(ended.value.code or 0), read.out, read.err)

    return run


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Ten people; a copy of one of them; a silent voice; 0.1 s of a voice; a picture that is text; a face and a voice alone."""
    pictures, sounds = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("sounds")
    for path in PEOPLE.iterdir():
        shutil.copyfile(path, (pictures if path.suffix == ".png" else sounds) / path.name)
    faces = sorted(pictures.iterdir())
    shutil.copyfile(faces[0], pictures / "zz_copy.png")
    samples, rate = soundfile.read(sounds / f"{faces[0].stem}.wav")
    soundfile.write(sounds / "zz_copy.wav", np.stack([samples, samples], axis=1), rate, format="WAV")
    for name in ("silent", "short", "alone", "text"):
        shutil.copyfile(faces[1], pictures / f"{name}.png")
    (pictures / "text.png").write_text("not a picture")
    soundfile.write(sounds / "silent.wav", np.zeros(2 * rate), rate)
    soundfile.write(sounds / "short.wav", samples[: rate // 10], rate)
    soundfile.write(sounds / "text.wav", samples[rate:], rate)
    shutil.copyfile(sounds / "silent.wav", sounds / "nobody.wav")
    return pictures, sounds


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def trained(media: tuple[Path, Path], shared: Path, command: Command) -> Path:
    """A model, made once."""
    if not (shared / "model").is_dir():
        done = command("train", "face-voice", image_folder=media[0], audio_folder=media[1], save_dir=shared / "model", **EPOCHS)
        assert done.code == 0, done.err
        (shared / "told.txt").write_text(done.out)
        (shared / "rejected.txt").write_text(done.err)
    return shared / "model"


@needs_people
def test_it_trains_on_the_train_side_alone_and_names_what_it_cannot_use(trained: Path, shared: Path) -> None:
    names = sorted(path.stem for path in PEOPLE.glob("*.png"))
    sides = {name: side_of(name, Split()) for name in names}
    config = read_json(trained / "config.json")
    for side, key in (("train", "training_people_sha256"), ("val", "validation_people_sha256")):
        assert config[key] == sorted(digest_of_person(name) for name in names if sides[name] == side)
    assert config["joined_people_sha256"] == [digest_of_person("zz_copy")]
    assert {path.name for path in trained.iterdir()} == {
        *(f"{part}.safetensors" for part in PARTS),
        *("last", "config.json", "history.json", "rejects.parquet", "sources_sha256.txt", ".onscreen"),
    }
    codes = {row.item: row.code for row in read_table(trained / "rejects.parquet", Reject)}
    assert codes == {
        "alone": "no_voice",
        "nobody": "no_face",
        "silent.wav": "silent",
        "silent": "no_voice",
        "short.wav": "too_short",
        "short": "no_voice",
        "text.png": "unreadable_image",
        "text": "no_face",
    }
    told = (shared / "told.txt").read_text()
    assert "1 person is another under a second name" in told
    assert "threshold from 2 validation people says nothing; 10 are needed" in told
    assert re.search(r"kept epoch\s*│\s*[123] of 3 ", told)
    named = (shared / "rejected.txt").read_text()
    assert "rejected: silent.wav: silent: " in named
    assert "rejects.parquet holds all reasons" in named


@needs_people
def test_a_run_that_lost_its_files_gives_the_same_bytes_again_and_other_settings_are_refused_by_name(
    trained: Path, media: tuple[Path, Path], command: Command
) -> None:
    before = {name: (trained / name).read_bytes() for name in ("config.json", "face_projection.safetensors", "history.json")}
    for name in before:
        (trained / name).unlink()
    options = {"image_folder": media[0], "audio_folder": media[1], "save_dir": trained}
    assert command("train", "face-voice", **options, **EPOCHS).code == 0
    assert {name: (trained / name).read_bytes() for name in before} == before
    other = command("train", "face-voice", **options, **(EPOCHS | {"num_epochs": 4, "temperature": 0.5}))
    assert other.code == 2
    assert "params.num_epochs is 3 there and 4 now" in other.err
    assert "params.temperature is 0.07 there and 0.5 now" in other.err
    assert {name: (trained / name).read_bytes() for name in before} == before


@needs_people
def test_it_is_scored_on_people_it_has_not_seen_under_the_guides_names(
    trained: Path, media: tuple[Path, Path], command: Command
) -> None:
    folders = {"image_folder": media[0], "audio_folder": media[1], "model_dir": trained}
    done = command("evaluate", "face-voice", **folders, test_size=0.25, top_k=2)
    assert done.code == 0, done.err
    results = read_json(trained / "evaluation_results.json")
    unseen = [path.stem for path in PEOPLE.glob("*.png") if side_of(path.stem, Split()) == "test"]
    assert results["people"] == results["num_samples"] == len(unseen) == 2
    assert 0 <= results["top1_accuracy"] <= 1
    assert 0 <= results["roc_auc_score"] <= 1
    assert results["top5_accuracy"] is None
    assert "chance alone" in results["reasons"]["top10_accuracy"]
    assert results["chance"]["top1_accuracy"] == 0.5
    assert (results["contaminated"], results["test_corpora"]) == (None, ["own clips"])
    assert results["labels"]["gender"]["reason"] == "nobody's gender is known"
    assert "Top-2" in done.out
    assert "voice to face" in done.out


@needs_people
def test_a_share_that_leaves_nobody_says_how_many_are_held_out(trained: Path, media: tuple[Path, Path], command: Command) -> None:
    folders = {"image_folder": media[0], "audio_folder": media[1], "model_dir": trained}
    nobody = command("evaluate", "face-voice", **folders, test_size=0.001)
    assert nobody.code == 2
    assert "is nobody whom the model has not seen. It has not seen 3: --test_size 0.07 takes them" in nobody.err
    unseen = [path.stem for path in PEOPLE.glob("*.png") if side_of(path.stem, Split()) == "test"]
    few = next(step / 100 for step in range(1, 100) if sum(_below(name, step / 100, Split()) for name in unseen) == 1)
    (trained / "evaluation_results.json").unlink(missing_ok=True)
    one = command("evaluate", "face-voice", **folders, test_size=few)
    assert one.code == 2
    assert "1 person is left to test on; at least 2 are needed. 3 people are held out" in one.err
    assert "--test_size 0.07 tests all of them" in one.err
    assert not (trained / "evaluation_results.json").exists(), "nothing can be told of one person"
    for wrong, told in (({"test_size": 0}, "--test_size 0"), ({"test_size": 2}, "--test_size 2"), ({"top_k": 0}, "--top_k 0")):
        ended = command("evaluate", "face-voice", **folders, **wrong)
        assert ended.code == 2
        assert told in ended.err
        assert "Traceback" not in ended.err


@needs_people
def test_voices_are_ranked_for_a_face_and_what_cannot_be_heard_is_named(
    trained: Path, media: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    face = next(media[0].glob("A*.png"))
    done = command("match", face=face, voices=media[1], model=trained)
    assert done.code == 1, "some files give nothing"
    rows = [line.split("│") for line in done.out.splitlines() if line.startswith("│")]
    scores = [float(row[3]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(rows) == len(list(media[1].iterdir())) - 3
    assert "threshold from 2 validation people says nothing; 10 are needed" in done.out
    assert "same person" not in done.out
    config = read_json(trained / "config.json")
    threshold = config["calibration"]["threshold"]
    sure = shutil.copytree(trained, tmp_path / "sure", ignore=shutil.ignore_patterns(".onscreen"))
    (sure / ".onscreen").symlink_to(trained / ".onscreen")  # what is measured already
    config["calibration"]["validation_people"] = 12
    write_json(sure / "config.json", config)
    done = command("match", face=face, voices=media[1], model=sure)
    assert f"threshold {threshold:.4f}, chosen on 12 validation people" in done.out
    rows = [line.split("│") for line in done.out.splitlines() if line.startswith("│")]
    assert all(
        (row[4].strip() == "same person") == (score >= round(threshold, 4)) for row, score in zip(rows, scores, strict=True)
    )
    assert "silent.wav: silent" in done.err
    assert "short.wav: too_short" in done.err
    wrong = command("match", face=media[0] / "text.png", voices=media[1], model=trained)
    assert wrong.code == 2
    assert "unreadable_image" in wrong.err


@needs_people
def test_embeddings_are_a_table_by_name_and_rejects_lie_beside_it(
    trained: Path, media: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    done = command("embed", model=trained, voices=media[1], output=tmp_path / "v.parquet")
    assert done.code == 1
    table = pq.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["name", "embedding"]
    vectors = np.array(table["embedding"].to_pylist(), np.float32)
    assert vectors.shape == (len(list(media[1].iterdir())) - 3, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    rejects = read_table(tmp_path / "v.rejects.parquet", Reject)
    assert {row.item for row in rejects} == {"silent.wav", "short.wav", "nobody.wav"}
    face = next(media[0].glob("A*.png"))
    assert command("embed", model=trained, faces=face, output=tmp_path / "v.parquet").code == 0
    assert pq.read_table(tmp_path / "v.parquet")["name"].to_pylist() == [face.name]
    assert not (tmp_path / "v.rejects.parquet").exists()
    pq.write_table(table.rename_columns(["a", "b"]), tmp_path / "theirs.parquet")
    refused = command("embed", model=trained, faces=face, output=tmp_path / "theirs.parquet")
    assert refused.code == 2
    assert "is no table of embeddings" in refused.err


def test_options_that_are_wrong_end_in_2_and_name_themselves(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "b.wav").write_text("x")
    here = {"image_folder": tmp_path, "audio_folder": tmp_path / "v"}
    model = {"face": tmp_path / "a.png", "voices": tmp_path / "v"}
    cases = [
        (("train", "face-voice"), {"save_dir": "m"}, "must both be given, or --matched_files"),
        (("train", "face-voice"), {"save_dir": "m", **here, "matched_files": "x"}, "leave out --image_folder"),
        (("train", "face-voice"), {"save_dir": "m", **here}, "nobody has both a face and a voice"),
        (("train", "face-voice"), {"save_dir": "m", **here, "batch_size": 1}, "--batch_size = 1: must be a whole number >= 2"),
        (("train", "face-voice"), {"save_dir": "m", **here, "temperature": "nan"}, "--temperature"),
        (("train", "face-voice"), {"save_dir": "m", "matched_files": "none"}, "there is no such file or folder"),
        (("evaluate", "face-voice"), {"model_dir": "none", **here}, "nobody has both"),
        (("match",), {"model": "none", **model}, "holds no model"),
        (("embed",), {"model": "none", "output": "o.parquet"}, "exactly one of them"),
        (("embed",), {"model": "none", "output": "o.parquet", "faces": "x"}, "holds no model"),
        (("export", "pth", "none"), {"output": "o"}, "holds no model"),
    ]
    for verbs, options, told in cases:
        ended = command(*verbs, **options)
        assert ended.code == 2, (verbs, options)
        assert told in " ".join(ended.err.split())
        assert "Traceback" not in ended.err
    assert not (tmp_path / "m" / "config.json").exists()


def test_a_training_without_enough_people_names_what_it_left_out(command: Command, tmp_path: Path) -> None:
    for name in ("a.png", "a.wav", "b.png", "b.wav"):
        (tmp_path / name).write_text("x")
    ended = command("train", "face-voice", save_dir="m", image_folder=tmp_path, audio_folder=tmp_path)
    assert ended.code == 2
    assert "0 people are left to train on" in ended.err
    assert "rejected: a.png: unreadable_image: " in ended.err
    assert "m/rejects.parquet holds all reasons" in ended.err
    assert {"a.png", "a.wav", "b.png", "b.wav"} <= {row.item for row in read_table(tmp_path / "m" / "rejects.parquet", Reject)}
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"rejects.parquet", ".onscreen"}, "it looks like no model"
    assert command("train", "face-voice", save_dir="m", image_folder=tmp_path, audio_folder=tmp_path).code == 2


def test_an_interrupted_training_says_that_the_same_command_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, training_told():
        raise KeyboardInterrupt
    assert ended.value.exit_code == INTERRUPTED
    assert "the same command goes on where it stopped" in capfd.readouterr().err


def test_a_larger_share_holds_the_smaller_one() -> None:
    names = [f"person {number}" for number in range(300)]
    shares = [{name for name in names if _below(name, share, Split())} for share in (0.05, 0.25, 0.6, 1.0)]
    assert shares[0] < shares[1] < shares[2] < shares[3] == set(names)
    assert {name for name in names if side_of(name, Split()) == "test"} == shares[1], "whom training holds out with split.test"
    some = names[:7]
    share = share_for(some, Split())
    assert all(_below(name, share, Split()) for name in some)
    assert not all(_below(name, share - 0.01, Split()) for name in some)


def test_options_that_are_not_given_leave_params_as_they_are() -> None:
    made = train_params(Params(), {"num_epochs": 7, "temperature": None})
    assert made.train_face_voice == Params().train_face_voice.model_copy(update={"num_epochs": 7})
    with pytest.raises(ConfigError, match=r"^--num_epochs = 0: must be"):
        train_params(Params(), {"num_epochs": 0})


def test_the_stage_evaluate_is_still_the_command_without_another_word(command: Command, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").unlink()
    ended = command("evaluate")
    assert ended.code == 2
    assert "params.yaml does not exist" in ended.err


def test_no_command_loads_torch_to_show_its_help() -> None:
    import subprocess

    code = (
        "import sys; from typer.testing import CliRunner; from onscreen import cli\n"
        "for words in (['train', 'face-voice'], ['match'], ['embed'], ['matched-files'], ['export', 'pth'], ['evaluate']):\n"
        "    assert CliRunner().invoke(cli.app, [*words, '--help']).exit_code == 0\n"
        "print([name for name in ('torch', 'numpy', 'pyarrow', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []
