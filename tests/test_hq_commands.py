"""onscreen hq split, train and evaluate on a tree of any folder; onscreen hq alone stays the stage."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from hq_cases import mel, published_pickle
from onscreen.cli import app
from onscreen.errors import ConfigError, InputError, NothingUsable, OnscreenError
from onscreen.matching.hq_tree import read_split
from stage_cases import portrait

PEOPLE = [f"Person_{number:02d}" for number in range(20)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 people of vox1 with published pickles; six have faces that can be used: 0-3 on train, 8 on test, 18 on test."""
    root = tmp_path_factory.mktemp("tree") / "HQVoxCeleb"
    rows = "".join(f"id{number:05d}\t{name}\t{'mf'[number % 2]}\tUSA\tdev\n" for number, name in enumerate(PEOPLE))
    for number in (0, 1, 2, 3, 8, 18):
        for clip in range(2):
            name = f"id10001_{number:011d}_{clip:05d}.pickle"
            published_pickle(root / "vox1" / "mel_spectograms" / PEOPLE[number] / name, mel(8, 60 + 3 * number + clip, number))
        face = root / "vox1" / "masked_faces" / PEOPLE[number] / "1.jpg"
        face.parent.mkdir(parents=True)
        cv2.imwrite(str(face), portrait(number)[..., ::-1])
    (root / "vox1" / "vox1_meta.csv").write_text(f"VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n{rows}")
    return root


def sounds_of(pictures: Path, alone: Path) -> Path:
    """A folder with a sound for each person, which nobody gets to hear."""
    for person in pictures.iterdir():
        (alone / "sounds" / person.name).mkdir(parents=True)
        (alone / "sounds" / person.name / "1.wav").write_bytes(b"")
    return alone / "sounds"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without params.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, OnscreenError):
        assert result.exception.exit_code == 2
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_tree_is_split_trained_on_and_scored_with_the_guides_options(tree: Path, alone: Path) -> None:
    data = alone / "data" / "HQVoxCeleb"
    shutil.copytree(tree, data)
    result = call("hq", "split", "--max_identities", 6)
    assert "14 people of the meta files have no media here" in result.output
    assert read_split(data / "split.json")["vox1"] == {"train": PEOPLE[:4], "val": [], "test": [PEOPLE[8], PEOPLE[18]]}
    before = files(data)
    quick = ("--num_epochs", 2, "--batch_size", 4, "--embedding_dim", 8, "--audio_duration_sec", 0.5)
    more = ("--learning_rate", 1e-3, "--weight_decay", 1e-4, "--temperature", 0.1, "--num_workers", 1, "--save_interval", 5)
    result = call("hq", "train", "--save_dir", "saved", "--force_cpu", *quick, *more)
    assert "no validation people: the last epoch is kept" in result.output
    assert "spectrograms: bands x frames, seen; 8 bands" in result.output
    config = json.loads((alone / "saved" / "config.json").read_text())
    assert (config["voice_tower"]["kind"], config["data"]["training_people"], config["params"]["temperature"]) == ("mel", 4, 0.1)
    assert {"face_encoder.safetensors", "audio_projection.safetensors", "history.json"} <= {
        p.name for p in (alone / "saved").iterdir()
    }
    result = call("hq", "evaluate", "--model_dir", "saved", "--force_cpu", "--top_k", 3)
    assert "2 people, 2 faces, 4 spectrograms" in result.output
    results = json.loads((alone / "saved" / "evaluation_results.json").read_text())
    assert {"top1_accuracy", "top5_accuracy", "top10_accuracy", "roc_auc_score", "num_samples"} <= results.keys()
    assert (results["people"], results["num_samples"], results["test_people_seen_in_training"]) == (2, 4, 0)
    assert results["labels"]["gender"]["people"] == {"male": 2}
    assert results["same_gender"]["face_to_voice"]["gallery"] == 4
    assert results["test_corpora"] == ["VoxCeleb1"]
    assert results["contaminated"] is None or isinstance(results["contaminated"], bool)
    assert results["contaminated_reason"]
    pictures = data / "vox1" / "masked_faces"
    for arguments in (
        (
            "evaluate",
            "face-voice",
            "--model_dir",
            "saved",
            "--image_folder",
            pictures,
            "--audio_folder",
            sounds_of(pictures, alone),
        ),
        ("match", "--model", "saved", "--face", pictures / PEOPLE[8] / "1.jpg", "--voices", alone / "sounds"),
        ("embed", "--model", "saved", "--voices", alone / "sounds", "--output", "voices.parquet"),
    ):
        with pytest.raises(ConfigError, match="saved: this model takes the spectrograms of an HQ-VoxCeleb tree, not sound"):
            call(*arguments)
    assert files(data) == before
    with pytest.raises(ConfigError, match=r"--save_dir .*params\.embedding_dim is 8 there and 16 now"):
        call("hq", "train", "--save_dir", "saved", "--force_cpu", *quick, *more, "--embedding_dim", 16)
    everyone = alone / "test.json"
    everyone.write_text(json.dumps({"vox1": {"test": [PEOPLE[0], PEOPLE[8], PEOPLE[18]]}}))
    result = call("hq", "evaluate", "--model_dir", "saved", "--split_json_path", everyone, "--vox_dir", data)
    assert "1 test person takes no part" in result.output
    everyone.write_text(json.dumps({"vox1": {"test": PEOPLE[:2]}}))
    with pytest.raises(
        NothingUsable, match="nobody of 2 test people can be scored, and at least 2 are needed: 2 were seen in training"
    ):
        call("hq", "evaluate", "--model_dir", "saved", "--split_json_path", everyone, "--vox_dir", data)


def test_a_training_names_what_it_left_out_whether_it_ends_well_or_not(tree: Path, alone: Path) -> None:
    data = alone / "my tree"
    shutil.copytree(tree, data)
    with pytest.raises(InputError, match=r"`onscreen hq split --vox_dir 'my tree'` makes it"):
        call("hq", "train", "--save_dir", "saved", "--split_json_path", "my tree/split.json")
    broken = data / "vox1" / "masked_faces" / PEOPLE[1] / "1.jpg"
    broken.write_text("no picture")
    train = (
        "hq",
        "train",
        "--save_dir",
        "saved",
        "--split_json_path",
        data / "split.json",
        "--num_epochs",
        1,
        "--embedding_dim",
        8,
    )
    (data / "split.json").write_text(json.dumps({"vox1": {"train": PEOPLE[:2]}}))
    result = CliRunner().invoke(app, [str(argument) for argument in train])
    assert isinstance(result.exception, NothingUsable)
    assert "1 training people" in str(result.exception)
    assert f"rejected: {PEOPLE[1]}: no_face: " in result.output
    assert "saved/rejects.parquet holds all reasons" in result.output
    assert {path.name for path in (alone / "saved").iterdir()} == {"rejects.parquet", ".onscreen"}, "it looks like no model"
    (data / "split.json").write_text(json.dumps({"vox1": {"train": PEOPLE[:4], "val": [PEOPLE[8]], "test": [PEOPLE[18]]}}))
    result = call(*train)
    assert "1 validation person; a validation loss needs 2: the last epoch is kept" in result.output
    assert "1 of 1" in result.output
    assert f"rejected: {PEOPLE[1]}: no_face: " in result.output
    with pytest.raises(NothingUsable, match="1 test person alone can be scored, and at least 2 are needed"):
        call("hq", "evaluate", "--model_dir", "saved", "--split_json_path", data / "split.json")
    assert not (alone / "saved" / "evaluation_results.json").exists()


def test_the_older_rule_and_another_file_are_options(tree: Path, alone: Path) -> None:
    call("hq", "split", "--vox_dir", tree, "--output_json", alone / "other.json", "--rule", "available")
    assert read_split(alone / "other.json")["vox1"]["train"] == [PEOPLE[n] for n in (0, 1, 2, 3, 8, 18)]
    assert not (tree / "split.json").exists()


def test_what_is_missing_or_wrong_is_one_error_that_names_it(tree: Path, alone: Path) -> None:
    train = ("hq", "train", "--save_dir", "saved")
    with pytest.raises(
        InputError, match=r"data/HQVoxCeleb/split\.json does not exist. `onscreen hq split --vox_dir data/HQVoxCeleb`"
    ):
        call(*train)
    own = alone / "data" / "hq" / "split.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"vox1": {"train": []}}))
    with pytest.raises(InputError, match=r"this checkout has --split_json_path data/hq/split\.json"):
        call(*train)
    with pytest.raises(NothingUsable, match="0 training people"):
        call(*train, "--split_json_path", own)
    for arguments, told in (
        (("split", "--vox_dir", "gone"), "--vox_dir gone: there is no such folder"),
        (("split", "--vox_dir", tree, "--rule", "random"), "--rule random: must be one of published, available"),
        (("split", "--vox_dir", tree, "--max_identities", 0), "--max_identities 0"),
        (("split", "--vox_dir", alone), "holds no HQ-VoxCeleb tree"),
        ((*train[1:], "--device", "tpu"), "--device tpu: must be auto, cpu or cuda"),
        ((*train[1:], "--device", "cuda", "--force_cpu"), "contradict"),
        *(
            ()
            if torch.cuda.is_available()
            else (((*train[1:], "--device", "cuda"), "--device cuda: there is no CUDA device here"),)
        ),
        ((*train[1:], "--batch_size", 1), "--batch_size = 1: must be a whole number >= 2"),
        (("evaluate", "--model_dir", alone, "--split_json_path", own), "holds no model"),
    ):
        with pytest.raises(OnscreenError, match=told):
            call("hq", *arguments)


def test_without_a_command_hq_is_the_stage(alone: Path) -> None:
    with pytest.raises(ConfigError, match=r"params\.yaml does not exist"):
        CliRunner().invoke(app, ["hq"], catch_exceptions=False)
    assert list(alone.iterdir()) == []


def test_spectrograms_of_another_rate_are_not_scored(tree: Path, alone: Path) -> None:
    data = alone / "HQ"
    shutil.copytree(tree, data)
    (data / "tree.json").write_text(json.dumps({"mel": {"hop_ms": 16.0}}))
    call("hq", "split", "--vox_dir", data)
    model = alone / "model"
    model.mkdir()
    inputs = {"face": {"tower": "embedding", "embedder": "Dlib"}, "voice": {"tower": "mel", "mel_bands": 8, "hop_ms": 10.0}}
    (model / "config.json").write_text(json.dumps({"status": "ok", "inputs": inputs}))
    with pytest.raises(ConfigError, match="a frame every 10 ms, the tree has one every 16 ms"):
        call("hq", "evaluate", "--model_dir", model, "--split_json_path", data / "split.json")
    inputs["voice"] = {"tower": "embedding", "embedder": "resemblyzer", "window_s": 5.0}
    (model / "config.json").write_text(json.dumps({"status": "ok", "inputs": inputs}))
    with pytest.raises(ConfigError, match="this model hears sound"):
        call("hq", "evaluate", "--model_dir", model, "--split_json_path", data / "split.json")


def test_spectrograms_of_one_shape_are_said_to_be_assumed(tree: Path, alone: Path) -> None:
    data = alone / "HQ"
    shutil.copytree(tree, data)
    for path in data.rglob("*.pickle"):
        path.unlink()
        np.save(path.with_suffix(".npy"), mel(8, 50))
    call("hq", "split", "--vox_dir", data)
    result = call(
        "hq", "train", "--save_dir", "m", "--split_json_path", data / "split.json", "--num_epochs", 1, "--embedding_dim", 8
    )
    assert "assumed: the shapes do not tell" in result.output
