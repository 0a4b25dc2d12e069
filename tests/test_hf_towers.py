"""Transformers towers: what they are fed, that padding changes nothing, that a seed repeats what is random."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hf_cases import LAYER_NORM, processor, small_face, small_voice
from onscreen import hf
from onscreen.matching.data import collate
from onscreen.matching.hf_towers import FaceTower, VoiceTower
from onscreen.matching.towers import FaceVoiceModel, TowerSpec, hf_face, hf_voice

EMBEDDING = TowerSpec("embedding", 4)
VOICES = {
    "wav2vec2, normalised over time": ("Wav2Vec2", {}),
    "wav2vec2, normalised per frame": ("Wav2Vec2", LAYER_NORM),
    "wavlm, normalised over time": ("WavLM", {}),
    "wavlm, normalised per frame": ("WavLM", LAYER_NORM),
    "hubert": ("Hubert", LAYER_NORM),
}
FACES = ["ViT", "Dinov2", "Dinov2WithRegisters", "CLIP"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def waveforms(*sizes: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(0.1 * random.normal(size=(1, size)) + 0.05).astype(np.float32) for size in sizes]


def faces(count: int, side: int = 32) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def voice_model(spec: TowerSpec) -> FaceVoiceModel:
    made = FaceVoiceModel(EMBEDDING, spec, 8, 80_000)
    made.load_pretrained(EMBEDDING, spec)
    return made.eval()


@pytest.mark.parametrize("kind", VOICES)
def test_a_short_voice_is_the_same_alone_and_beside_longer_ones(kind: str, tmp_path: Path) -> None:
    name, settings = VOICES[kind]
    model = voice_model(hf_voice(small_voice(tmp_path, name, **settings), augment=True))
    items = waveforms(2_000, 7_000, 2_000, 4_160)
    together = model.embed_voices(items)
    alone = np.stack([model.embed_voices([item])[0] for item in items])
    assert together == pytest.approx(alone, abs=2e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3  # a tower that hears nothing would agree, too


@pytest.mark.parametrize("kind", [kind for kind in VOICES if kind.startswith("wav")])
def test_what_stands_beyond_a_voices_length_is_not_heard(kind: str, tmp_path: Path) -> None:
    name, settings = VOICES[kind]
    spec = hf_voice(small_voice(tmp_path, name, **settings), augment=False)
    model = voice_model(spec)
    stacked, lengths = collate(waveforms(2_500, 6_000))
    noisy = stacked.clone()
    noisy[0, :, 2_500:] = 3.0
    with torch.inference_mode():
        assert torch.allclose(model.voices(stacked, lengths), model.voices(noisy, lengths), atol=2e-6)


def test_a_voice_is_the_mean_over_frames_of_what_transformers_gives_for_its_normalised_samples(tmp_path: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    spec = hf_voice(small_voice(tmp_path, **LAYER_NORM), augment=True)
    tower = voice_model(spec).audio_encoder
    item = waveforms(16_000)[0]
    network = Wav2Vec2Model.from_pretrained(tmp_path).eval()
    inputs = Wav2Vec2FeatureExtractor()(item[0], sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        wanted = network(inputs).last_hidden_state.mean(dim=1)
        assert torch.allclose(tower(*collate([item])), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", FACES)
def test_a_face_is_the_class_token_of_the_normalised_picture(kind: str, tmp_path: Path) -> None:
    import transformers

    name = small_face(tmp_path, kind)
    processor(tmp_path, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4])
    spec = hf_face(name)
    tower = FaceTower(spec.config or {}, spec.settings or {})
    tower.load_pretrained(hf.find(name, hf.FACE_TYPES))
    item = faces(1)[0]
    made = transformers.CLIPVisionModel if kind == "CLIP" else getattr(transformers, f"{kind}Model")
    network = made.from_pretrained(tmp_path).eval()
    mean, std = (np.array(value, np.float32)[:, None, None] for value in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.4]))
    pixels = torch.from_numpy((item.astype(np.float32) / 255 - mean) / std)[None]
    with torch.inference_mode():
        found = network(pixels)
        wanted = found.pooler_output if kind == "CLIP" else found.last_hidden_state[:, 0]
        assert torch.allclose(tower.eval()(*collate([item])), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["ViT", "Dinov2", "CLIP", "Wav2Vec2", "WavLM", "Hubert"])
def test_a_tower_is_rebuilt_from_json_alone_and_takes_its_weights_back(kind: str, tmp_path: Path) -> None:
    if kind in FACES:
        spec, item = hf_face(small_face(tmp_path, kind)), faces(1)[0]
        made: type[FaceTower | VoiceTower] = FaceTower
        backbone = hf.find(str(spec.backbone), hf.FACE_TYPES)
    else:
        spec, item, made = hf_voice(small_voice(tmp_path, kind), augment=True), waveforms(9_000)[0], VoiceTower
        backbone = hf.find(str(spec.backbone), hf.VOICE_TYPES)
    tower = made(spec.config or {}, spec.settings or {}).eval()
    tower.load_pretrained(backbone)
    for file in tmp_path.iterdir():
        file.unlink()
    read = TowerSpec(**json.loads(json.dumps(spec.as_json())))
    assert read == spec == TowerSpec(**json.loads(json.dumps(asdict(spec))))
    again = made(read.config or {}, read.settings or {}).eval()
    again.load_state_dict(tower.state_dict())
    with torch.inference_mode():
        assert torch.equal(tower(*collate([item])), again(*collate([item])))


@pytest.mark.parametrize("settings", [{}, LAYER_NORM], ids=["over time", "per frame"])
def test_what_is_random_in_training_follows_from_torchs_seed_and_checkpointing_changes_nothing(
    settings: dict[str, object], tmp_path: Path
) -> None:
    spec = hf_voice(small_voice(tmp_path, mask_time_prob=0.5, mask_time_length=4, **settings), augment=True)
    model = voice_model(spec).train()
    batch = collate(waveforms(8_000, 5_000))

    def step(seed: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        torch.manual_seed(seed)
        np.random.seed(len(seen))  # what transformers draws its own masks from, and these towers must not
        model.zero_grad()
        found = model.voices(*batch)
        found[:, 0].sum().backward()
        seen.append(found.detach())
        return found.detach(), [value.grad.clone() for value in model.parameters() if value.grad is not None]

    seen: list[torch.Tensor] = []
    first, gradient = step(1)
    assert torch.equal(step(1)[0], first)
    assert not torch.equal(step(2)[0], first)
    assert isinstance(model.audio_encoder, VoiceTower)
    model.audio_encoder.enable_checkpointing()
    again, same = step(1)
    assert torch.equal(again, first)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(gradient, same, strict=True))


def test_without_augmentation_and_dropout_training_is_deterministic(tmp_path: Path) -> None:
    still = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0}
    model = voice_model(hf_voice(small_voice(tmp_path, mask_time_prob=0.5, mask_time_length=4, **still), augment=False)).train()
    batch = collate(waveforms(6_000))
    assert torch.equal(model.voices(*batch), model.voices(*batch))
    quiet = model.voices(*batch)
    assert torch.allclose(quiet, model.eval().voices(*batch), atol=1e-6)


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize("kind", ["ViT", "Dinov2", "CLIP", "Wav2Vec2", "WavLM", "Hubert"])
def test_every_parameter_that_asks_for_a_gradient_gets_one(kind: str, augment: bool, tmp_path: Path) -> None:
    if kind in FACES:
        spec = hf_face(small_face(tmp_path, kind))
        tower: nn.Module = FaceTower(spec.config or {}, spec.settings or {})
        batch = collate(faces(2))
    else:
        spec = hf_voice(small_voice(tmp_path, kind, mask_time_prob=0.9, mask_time_length=4), augment=augment)
        tower = VoiceTower(spec.config or {}, spec.settings or {})
        batch = collate(waveforms(4_000, 5_000))
    tower.train()(*batch).sum().backward()
    assert [name for name, value in tower.named_parameters() if value.requires_grad and value.grad is None] == []


def test_in_bfloat16_what_is_compared_is_float32_and_of_length_one(tmp_path: Path) -> None:
    face = hf_face(small_face(tmp_path / "vit"))
    model = FaceVoiceModel(face, hf_voice(small_voice(tmp_path / "wav2vec2", **LAYER_NORM), augment=False), 8, 80_000).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = [model.faces(*collate(faces(3))), model.voices(*collate(waveforms(4_000, 6_000)))]
    with torch.inference_mode():
        exact = [model.faces(*collate(faces(3))), model.voices(*collate(waveforms(4_000, 6_000)))]
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert torch.allclose(one.norm(dim=1), torch.ones(len(one)), atol=1e-6)
        assert torch.allclose(one, other, atol=0.05)
        assert not torch.equal(one, other)  # else nothing was computed in bfloat16


def test_a_stretch_shorter_than_a_span_of_specaugment_trains(tmp_path: Path) -> None:
    model = voice_model(hf_voice(small_voice(tmp_path, mask_time_prob=0.5, mask_time_length=10), augment=True)).train()
    assert torch.isfinite(model.voices(*collate(waveforms(800, 500)))).all()


def test_attention_is_sdpa_where_transformers_has_it(tmp_path: Path) -> None:
    network = hf.network(hf_face(small_face(tmp_path)).config or {})
    assert network.config._attn_implementation == "sdpa"


def test_many_long_voices_are_embedded_a_few_at_a_time(tmp_path: Path) -> None:
    model = voice_model(hf_voice(small_voice(tmp_path), augment=False))
    model.frames = 4_000
    sizes: list[int] = []
    model.audio_encoder.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    assert model.embed_voices(waveforms(41_000, 4_000, 9_000)).shape == (3, 8)
    assert max(sizes) <= 8
    assert sum(sizes) == 11 + 1 + 3
