"""A model's folder: the threshold in it, weights of another config, and the .pth files made of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from matching_cases import NOBODY, planted
from onscreen.config import TrainFaceVoice
from onscreen.errors import CorruptTable, InputError
from onscreen.guide.exporting import export
from onscreen.matching.export import FILES
from onscreen.matching.folder import PARTS, describe, load_model, read_config, write_trained
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import Recipe, train
from onscreen.store import read_json, write_json

RECIPE = Recipe(
    TrainFaceVoice(embedding_dim=16, num_epochs=30, batch_size=32, learning_rate=1e-3),
    TowerSpec("embedding", 24),
    TowerSpec("embedding", 32),
    frames=1,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    people, others = planted(60), planted(12, seed=1, first=100)
    made = train(RECIPE, people, others, folder / "state", lambda epoch, row: None)
    (folder / "model").mkdir()
    write_trained(folder / "model", RECIPE, made, describe(RECIPE.params, {}, people, others), others)
    return folder / "model"


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """A folder to damage."""
    for path in model.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_its_threshold_parts_the_validation_people_and_says_how_well(model: Path) -> None:
    told = read_config(model)["calibration"]
    loaded, others = load_model(model), planted(12, seed=1, first=100)
    scores = loaded.embed_faces(others.faces) @ loaded.embed_voices(others.voices).T
    person = np.repeat(np.arange(12), 2)
    right = (person[:, None] == person) & ~np.eye(24, dtype=bool)  # clip by clip, as the links pair them
    wrong = person[:, None] != person
    assert told["validation_people"] == 12
    assert told["missed"] == pytest.approx((scores[right] < told["threshold"] - 1e-6).mean(), abs=0.05)
    assert told["accepted"] == pytest.approx((scores[wrong] >= told["threshold"] - 1e-6).mean(), abs=0.05)
    assert told["accepted"] < 0.4, "it is worth something"


def test_without_validation_people_there_is_no_threshold_and_it_says_why(tmp_path: Path) -> None:
    people = planted(6)
    made = train(RECIPE, people, NOBODY, tmp_path / "state", lambda epoch, row: None)
    write_trained(tmp_path, RECIPE, made, describe(RECIPE.params, {}, people, NOBODY), NOBODY)
    told = read_config(tmp_path)["calibration"]
    assert told["threshold"] is None
    assert "0 validation people" in told["reason"]


def test_weights_of_another_config_are_refused_with_the_names_that_differ(copy: Path) -> None:
    write_json(copy / "config.json", read_json(copy / "config.json") | {"embedding_dim": 8})
    with pytest.raises(CorruptTable, match=r"face_projection.safetensors .* curved.0.bias is 16 there and 8 by config.json"):
        load_model(copy)


def test_a_config_with_keys_of_another_version_is_refused_by_name(copy: Path) -> None:
    config = read_json(copy / "config.json")
    write_json(copy / "config.json", config | {"voice_tower": {**config["voice_tower"], "heads": 4}})
    with pytest.raises(CorruptTable, match="voice_tower has other keys than this version knows: heads"):
        load_model(copy)


def test_missing_extra_and_damaged_weights_are_named(copy: Path) -> None:
    path = copy / "audio_projection.safetensors"
    weights = load_file(path)
    save_file({name: value for name, value in weights.items() if name != "linear.bias"} | {"9.bias": torch.zeros(2)}, path)
    with pytest.raises(CorruptTable, match=r"9.bias is not asked for; linear.bias is missing"):
        load_model(copy)
    path.write_bytes(b"not weights")
    with pytest.raises(CorruptTable, match="not a whole safetensors file"):
        load_model(copy)
    path.unlink()
    with pytest.raises(CorruptTable, match="does not exist"):
        load_model(copy)


def test_the_pth_files_are_plain_tensors_equal_to_the_safetensors(model: Path, tmp_path: Path) -> None:
    assert export(model, tmp_path) == FILES
    assert {path.name for path in tmp_path.glob("*.pth")} == {
        *(f"{part}.pth" for part in PARTS),
        "full_model.pth",
        "best_model.pth",
    }
    whole = {}
    for part in PARTS:
        state, weights = torch.load(tmp_path / f"{part}.pth", weights_only=True), load_file(model / f"{part}.safetensors")
        assert state.keys() == weights.keys()
        assert all(torch.equal(state[name], weights[name]) for name in weights)
        whole |= {f"{part}.{name}": value for name, value in weights.items()}
    for name in ("full_model", "best_model"):
        state = torch.load(tmp_path / f"{name}.pth", weights_only=True)
        assert state.keys() == whole.keys()
        assert all(torch.equal(state[key], whole[key]) for key in whole)
        load_model(model).load_state_dict(state)


def test_exporting_again_replaces_and_nobody_elses_file_is_overwritten(model: Path, tmp_path: Path) -> None:
    export(model, tmp_path / "out")
    before = (tmp_path / "out" / "full_model.pth").read_bytes()
    export(model, tmp_path / "out")
    assert (tmp_path / "out" / "full_model.pth").read_bytes() == before
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "best_model.pth").write_bytes(b"hours of work")
    with pytest.raises(InputError, match=r"did not write \(best_model.pth\)"):
        export(model, tmp_path / "theirs")
    assert (tmp_path / "theirs" / "best_model.pth").read_bytes() == b"hours of work"
    with pytest.raises(InputError, match="holds no model"):
        export(tmp_path, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
