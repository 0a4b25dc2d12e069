"""Speaker embeddings of transformers' networks: tiny ones, saved as real ones are, so that the real loading code runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForXVector,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMForXVector,
    WavLMModel,
)

from onscreen.config import Params
from onscreen.errors import Rejected, WeightsError
from onscreen.stages.items import voice_input, voice_items
from onscreen.storage import StoredFile
from onscreen.voices import hf_embedders
from onscreen.voices.embedders import VoiceTask, measure_voice, voice_key
from onscreen.voices.waveform import Speech
from onscreen.workspace import Workspace
from stage_cases import RATE, spoken

NETWORK = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8, 8, 8, 8, 8, 8),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 7,
    "vocab_size": 4,
}
HEAD = {"tdnn_dim": (12, 12, 12, 12, 20), "xvector_output_dim": 24, "num_labels": 3, "use_weighted_layer_sum": True}
MODELS = {
    "wav2vec2": (Wav2Vec2Model, Wav2Vec2Config(**NETWORK), 16),
    "wavlm": (WavLMModel, WavLMConfig(**NETWORK), 16),
    "wav2vec2-xvector": (Wav2Vec2ForXVector, Wav2Vec2Config(**NETWORK, **HEAD), 24),
    "wavlm-xvector": (WavLMForXVector, WavLMConfig(**NETWORK, **HEAD), 24),
}


def save(folder: Path, kind: str, normalize: bool = True) -> Path:
    torch.manual_seed(0)
    network, config, _ = MODELS[kind]
    network(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(MODELS))
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, save(tmp_path_factory.mktemp("models") / request.param, request.param)


def task(path: Path, samples: np.ndarray, folder: Path, window_s: float = 5.0, **settings: object) -> VoiceTask:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return VoiceTask(Speech(StoredFile(path), (0.0,), (len(samples) / RATE,)), f"hf:{folder}", window_s, **settings)


def reference(folder: Path, kind: str, samples: np.ndarray) -> np.ndarray:
    """What transformers itself gives for one sound, by its own processor."""
    network = MODELS[kind][0].from_pretrained(folder).eval()
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(folder)(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        found = network(inputs.input_values)
    vector = (found.embeddings if "xvector" in kind else found.last_hidden_state.mean(dim=1))[0].numpy()
    return vector / np.linalg.norm(vector)


def test_it_is_what_transformers_itself_gives(saved: tuple[str, Path], tmp_path: Path) -> None:
    kind, folder = saved
    samples = spoken(1, 0)
    item = measure_voice(task(tmp_path / "a.wav", samples, folder, loudness_dbfs="as_recorded"))
    embedding, windows = item.arrays["embedding"], item.arrays["windows"]
    assert embedding.shape == (MODELS[kind][2],)
    assert embedding.dtype == windows.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)
    assert embedding == pytest.approx(reference(folder, kind, samples), abs=1e-5)
    assert item.meta == {"speech_s": 3.0, "repeated": False}


def test_every_window_is_heard_alone(saved: tuple[str, Path], tmp_path: Path) -> None:
    kind, folder = saved
    samples = spoken(1, 0)
    item = measure_voice(task(tmp_path / "a.wav", samples, folder, window_s=2.0, loudness_dbfs="as_recorded"))
    expected = [reference(folder, kind, part) for part in (samples[: 2 * RATE], samples[RATE:])]
    assert item.arrays["windows"] == pytest.approx(np.stack(expected), abs=1e-5)
    mean = np.mean(expected, axis=0)
    assert item.arrays["embedding"] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_speech_is_repeated_or_refused_as_for_every_embedder(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wav2vec2")
    short = spoken(1, 0)[:RATE]
    assert measure_voice(task(tmp_path / "a.wav", short, folder)).meta == {"speech_s": 1.0, "repeated": True}
    for samples, settings in ((short, {"short_speech": "refuse"}), (short[: RATE // 10], {})):
        with pytest.raises(Rejected, match="too_short"):
            measure_voice(task(tmp_path / "a.wav", samples, folder, **settings))


def test_the_processor_says_whether_level_counts(tmp_path: Path) -> None:
    samples = spoken(1, 0)
    for normalize in (True, False):
        folder = save(tmp_path / str(normalize), "wavlm", normalize)
        loud, quiet = (
            measure_voice(task(tmp_path / "a.wav", sound, folder, loudness_dbfs="as_recorded")).arrays["embedding"]
            for sound in (samples, samples / 4)
        )
        assert np.allclose(loud, quiet, atol=1e-4) == normalize


def test_a_model_is_known_by_its_content_and_not_by_its_place(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wav2vec2")
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    other = save(tmp_path / "other", "wav2vec2", normalize=False)
    keys = [voice_key(task(tmp_path / "a.wav", spoken(1, 0), place), "0") for place in (folder, moved, other)]
    assert keys[0] == keys[1] != keys[2]


def test_another_model_in_the_same_place_is_refused_where_the_files_are_known(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wav2vec2")
    files = dict(hf_embedders.files_of(f"hf:{folder}"))
    known = replace(task(tmp_path / "a.wav", spoken(1, 0), folder), files=files)
    key = voice_key(known, "0")
    save(folder, "wav2vec2", normalize=False)
    assert voice_key(known, "0") == key
    with pytest.raises(WeightsError, match="another model"):
        measure_voice(known)


def test_a_model_that_is_not_here_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not on this machine"):
        voice_key(task(tmp_path / "a.wav", spoken(1, 0), tmp_path / "nowhere"), "0")


def test_an_x_vector_head_that_was_never_trained_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wavlm")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["WavLMForXVector"]}))
    with pytest.raises(WeightsError, match="lack"):
        hf_embedders.embedder(f"hf:{folder}")


def test_weights_that_give_no_numbers_give_no_embedding(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wav2vec2")
    network = Wav2Vec2Model.from_pretrained(folder)
    network.encoder.layer_norm.weight.data[0] = float("nan")
    network.save_pretrained(folder)
    with pytest.raises(Rejected, match="no_embedding"):
        measure_voice(task(tmp_path / "a.wav", spoken(1, 0), folder))


def test_what_was_heard_once_needs_no_model_again(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wavlm-xvector")
    params = Params.model_validate({"engine": {"workers": 1}, "voices": {"embedder": f"hf:{folder}"}})
    workspace = Workspace(tmp_path, tmp_path, params, tmp_path / ".cache")
    how = voice_input(params.train_face_voice, params.voices, params.hq)
    voices = {"a": task(tmp_path / "a.wav", spoken(1, 0), folder).speech}
    first = voice_items(workspace, how, voices).of(["a"])[0]
    assert first.shape == (24,)
    shutil.rmtree(folder)
    assert np.array_equal(voice_items(workspace, how, voices).of(["a"])[0], first)
    voices["b"] = task(tmp_path / "b.wav", spoken(2, 0), folder).speech
    with pytest.raises(WeightsError, match="is not on this machine"):
        voice_items(workspace, how, voices)


def test_a_model_of_another_rate_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", "wav2vec2")
    Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)
    with pytest.raises(WeightsError, match="8000"):
        hf_embedders.embedder(f"hf:{folder}")
