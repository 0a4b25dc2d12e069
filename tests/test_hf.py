"""Which transformers models are taken, from where, and what is said of those that are not."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_cases import LAYER_NORM, processor, small_face, small_voice
from onscreen import hf
from onscreen.config import Params, parse_params
from onscreen.errors import WeightsError
from onscreen.hf_params import missing


def folder_of(name: str) -> Path:
    return Path(name.removeprefix("hf:"))


def same(one: str, other: str, types: tuple[str, ...]) -> bool:
    """Whether both models have the same weights."""
    states = [hf.load(hf.find(name, types)).state_dict() for name in (one, other)]
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_face(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_voice(tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture
def copy(vit: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder_of(vit), tmp_path / "copy"))


def test_a_model_in_a_folder_is_found_with_the_digests_of_its_files(vit: str) -> None:
    found = hf.find(vit, hf.FACE_TYPES)
    assert found.model_type == "vit"
    assert set(found.files) == {"config.json", "model.safetensors"}
    assert all(len(sha256) == 64 for sha256 in found.files.values())
    assert str(found.folder) not in json.dumps(dict(found.config))  # where it lay says nothing of the network


def test_a_model_in_the_hubs_cache_is_found_by_its_id_and_without_the_net(
    vit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "models--someone--small-vit"
    shutil.copytree(folder_of(vit), place / "snapshots" / "abc123")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    found = hf.find("hf:someone/small-vit", hf.FACE_TYPES)
    assert found.files == hf.find(vit, hf.FACE_TYPES).files


@pytest.mark.parametrize("name", ["hf:nobody/no-such-model", "hf:/no/such/folder"])
def test_a_model_that_is_not_here_is_one_error_with_the_command_and_the_place(name: str) -> None:
    with pytest.raises(WeightsError) as raised:
        hf.find(name, hf.FACE_TYPES)
    message = str(raised.value)
    assert message.startswith(name)
    assert "hf download" in message
    assert "model.safetensors" in message


def test_a_pickle_is_refused_by_name_and_the_command_in_the_error_converts_it(
    vit: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"pytorch_model\.bin, a pickle") as raised:
        hf.find(f"hf:{copy}", hf.FACE_TYPES)
    _, _, code = shlex.split(str(raised.value).partition("allowed: ")[2])
    monkeypatch.chdir(copy)
    exec(code, {})  # noqa: S102  # what the error tells to run, without a process that loads torch again
    assert same(f"hf:{copy}", vit, hf.FACE_TYPES)


def test_weights_in_parts_are_read_and_a_missing_part_is_named(vit: str, copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for part, own in parts.items():
        save_file({name: weights[name] for name in own}, copy / part, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: part for part, own in parts.items() for name in own}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    found = hf.find(f"hf:{copy}", hf.FACE_TYPES)
    assert set(parts) < set(found.files)
    assert same(f"hf:{copy}", vit, hf.FACE_TYPES)
    (copy / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(WeightsError, match="model-00002-of-00002"):
        hf.find(f"hf:{copy}", hf.FACE_TYPES)


def test_weights_that_lack_tensors_are_refused_and_not_filled_with_random_values(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    gone = next(name for name in weights if "encoder" in name or "layer" in name)
    save_file({name: value for name, value in weights.items() if name != gone}, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match="lack 1 tensors"):
        hf.load(hf.find(f"hf:{copy}", hf.FACE_TYPES))


def test_a_damaged_file_of_weights_is_named(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not a header")
    with pytest.raises(WeightsError, match="cannot be read"):
        hf.load(hf.find(f"hf:{copy}", hf.FACE_TYPES))


def test_other_files_than_those_a_model_was_trained_with_are_an_error(copy: Path) -> None:
    files = hf.find(f"hf:{copy}", hf.FACE_TYPES).files
    hf.find(f"hf:{copy}", hf.FACE_TYPES, files)
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    with pytest.raises(WeightsError, match=r"config\.json in .* differ"):
        hf.find(f"hf:{copy}", hf.FACE_TYPES, files)


def test_a_network_for_text_is_no_face_tower_and_a_voice_network_neither(copy: Path, wav2vec2: str) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsError, match="is a bert model, which cannot be a face tower"):
        hf.find(f"hf:{copy}", hf.FACE_TYPES)
    with pytest.raises(WeightsError, match="is a wav2vec2 model, which cannot be a face tower"):
        hf.find(wav2vec2, hf.FACE_TYPES)


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_configuration_is_named(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=r"config\.json is not"):
        hf.find(f"hf:{copy}", hf.FACE_TYPES)


def test_of_clip_the_network_that_sees_is_taken(tmp_path: Path) -> None:
    found = hf.find(small_face(tmp_path, "CLIP"), hf.FACE_TYPES)
    assert found.model_type == "clip_vision_model"
    whole = load_file(tmp_path / "model.safetensors")
    seen = hf.load(found).state_dict()
    assert torch.equal(seen["pre_layrnorm.weight"], next(whole[name] for name in whole if name.endswith("pre_layrnorm.weight")))


def test_weights_saved_with_a_head_and_under_older_names_are_the_same_network(wav2vec2: str, tmp_path: Path) -> None:
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    weights = load_file(folder_of(wav2vec2) / "model.safetensors")
    renamed = {}
    for name, value in weights.items():
        for now, before in older.items():
            name = name.replace(now, before)
        renamed[f"wav2vec2.{name}"] = value
    save_file({**renamed, "lm_head.weight": torch.zeros(9, 32)}, tmp_path / "model.safetensors", {"format": "pt"})
    shutil.copyfile(folder_of(wav2vec2) / "config.json", tmp_path / "config.json")
    assert same(wav2vec2, f"hf:{tmp_path}", hf.VOICE_TYPES)


def test_pictures_are_normalised_as_the_models_processor_says(copy: Path) -> None:
    assert hf.face_settings(hf.find(f"hf:{copy}", hf.FACE_TYPES)) == {"size_px": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
    processor(copy, image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6], size={"height": 32, "width": 32})
    assert hf.face_settings(hf.find(f"hf:{copy}", hf.FACE_TYPES))["mean"] == [0.1, 0.2, 0.3]
    processor(copy, do_normalize=False)
    settings = hf.face_settings(hf.find(f"hf:{copy}", hf.FACE_TYPES))
    assert (settings["mean"], settings["std"]) == ([0.0] * 3, [1.0] * 3)


def test_dinov2_gets_the_size_of_its_processor_and_vit_that_it_was_built_for(tmp_path: Path, copy: Path) -> None:
    dino = small_face(tmp_path / "dino", "Dinov2", image_size=40)
    processor(tmp_path / "dino", crop_size={"height": 24, "width": 24}, size={"shortest_edge": 30})
    assert hf.face_settings(hf.find(dino, hf.FACE_TYPES))["size_px"] == 24
    processor(copy, size={"height": 99, "width": 99})
    assert hf.face_settings(hf.find(f"hf:{copy}", hf.FACE_TYPES))["size_px"] == 32


def test_speech_is_normalised_as_the_models_processor_says_and_another_rate_is_refused(tmp_path: Path) -> None:
    name = small_voice(tmp_path, **LAYER_NORM)
    assert hf.voice_settings(hf.find(name, hf.VOICE_TYPES)) == {"normalize": True}
    processor(tmp_path, do_normalize=False, sampling_rate=16_000)
    assert hf.voice_settings(hf.find(name, hf.VOICE_TYPES)) == {"normalize": False}
    processor(tmp_path, sampling_rate=8_000)
    with pytest.raises(WeightsError, match="8000 Hz"):
        hf.voice_settings(hf.find(name, hf.VOICE_TYPES))


def test_models_that_params_name_and_that_are_not_here_are_told_by_key(tmp_path: Path) -> None:
    face, voice = small_face(tmp_path / "vit"), small_voice(tmp_path / "wav2vec2")
    params = parse_params(
        {
            "voices": {"embedder": "hf:nobody/nothing"},
            "train_face_voice": {"face_tower": face, "voice_tower": f"hf:{tmp_path / 'vit'}"},
            "train_hq": {"face_tower": f"hf:{tmp_path}"},
        },
        "params",
    )
    told = {key: str(error) for key, error in missing(params)}
    assert told.keys() == {"voices.embedder", "train_face_voice.voice_tower", "train_hq.face_tower"}
    assert "is not on this machine" in told["voices.embedder"]
    assert "is a vit model, which cannot be a voice network" in told["train_face_voice.voice_tower"]
    assert "config.json cannot be read" in told["train_hq.face_tower"]
    assert not [*missing(parse_params({"train_face_voice": {"face_tower": face, "voice_tower": voice}}, "params"))]
    assert not [*missing(Params())]
