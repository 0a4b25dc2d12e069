"""The two towers: an encoder for faces, one for voices, and for each a projection into the joint space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onscreen import hf
from onscreen.matching.data import collate
from onscreen.matching.hf_towers import FaceTower, HfTower, VoiceTower
from onscreen.matching.shrinkage import personal_part

EMBED_BATCH = 64  # vectors or spectrograms that are embedded at once
HF_EMBED_BATCH = 8  # pictures or stretches of sound: 5 s of it take 200 MB in the first layers of a base network
MEL_CHANNELS = 128
FITTED = 5_000  # spectrograms whose statistics stand for all
ATTENTION = 64


@dataclass(frozen=True)
class TowerSpec:
    """What a tower is, in values that JSON has; a model's config.json keeps it, and a tower is built from it without another file.

    kind: embedding (frozen vectors, one or one a window) | mel, flatten (a spectrogram) | hf_face (a picture) | hf_voice (a
    waveform). inputs: width of the vector, mel bands, 3 or 1; 0: as many as the items have (see sized).
    frames: of a spectrogram that `flatten` takes; else 0. config: of the transformers network (hf.Backbone.config). settings:
    of its inputs (hf.face_settings, hf.voice_settings). backbone: hf:<id or path> whose weights training starts from; files:
    name -> sha256 of these.
    """

    kind: str
    inputs: int = 0
    frames: int = 0
    config: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    backbone: str | None = None
    files: dict[str, str] | None = None

    @property
    def outputs(self) -> int:
        """Width of what the encoder gives to its projection."""
        if self.config is not None:
            return int(self.config["hidden_size"])
        return {"embedding": self.inputs, "mel": 2 * MEL_CHANNELS, "flatten": self.inputs * self.frames}[self.kind]

    def as_json(self) -> dict[str, Any]:
        """What config.json keeps: TowerSpec(**spec.as_json()) is the same tower."""
        return {name: value for name, value in asdict(self).items() if value}


def hf_face(name: str) -> TowerSpec:
    """The tower of hf:<id or path> for pictures. Raises WeightsError as hf.find does."""
    found = hf.find(name, hf.FACE_TYPES)
    return TowerSpec("hf_face", 3, 0, dict(found.config), hf.face_settings(found), name, dict(found.files))


def hf_voice(name: str, *, augment: bool) -> TowerSpec:
    """The tower of hf:<id or path> for waveforms. augment: whether SpecAugment may be used in training, if the model's
    configuration has it. Raises WeightsError as hf.find and hf.voice_settings do."""
    found = hf.find(name, hf.VOICE_TYPES)
    config = dict(found.config)
    config["apply_spec_augment"] = bool(config.get("apply_spec_augment", True)) and augment
    return TowerSpec("hf_voice", 1, 0, config, hf.voice_settings(found), name, dict(found.files))


def sized(spec: TowerSpec, items: Sequence[np.ndarray]) -> TowerSpec:
    """The tower for these items: where it does not say how wide its input is, that of the first."""
    return spec if spec.inputs else replace(spec, inputs=items[0].shape[0])


class EmbeddingTower(nn.Module):
    """A frozen embedding: its distance from the training people's mean, of which the part that belongs to the person is kept
    (shrinkage.py), at deviation 1. Nothing in it is learned by steps.

    Embeddings of different people lie close together (cosine .9 for dlib's faces): what tells them apart is the rest.
    """

    mean: Tensor
    kept: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("kept", torch.eye(inputs))

    def fit(self, items: Sequence[np.ndarray], person: np.ndarray) -> None:
        """Set the statistics from items, each (inputs,) or (inputs, windows). person: (N,) whose each is. One deviation for all
        values: angles keep their meaning."""
        stack = np.stack([item if item.ndim == 1 else item.mean(axis=1) for item in items]).astype(np.float64)
        mean = stack.mean(axis=0)
        kept = personal_part(stack, person)
        deviation = float(np.sqrt(np.mean(((stack - mean) @ kept.T) ** 2)))
        self.mean.copy_(torch.from_numpy(mean))
        self.kept.copy_(torch.from_numpy(kept / (deviation or 1.0)))

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, inputs, 1). Returns (B, inputs)."""
        return F.linear(items[:, :, 0] - self.mean, self.kept)


class Spectrograms(nn.Module):
    """What towers of spectrograms share: the mean of every band, and one deviation, of the training people."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, items: Sequence[np.ndarray], person: np.ndarray) -> None:
        """Set the statistics per band from items, each (inputs, frames): trees differ in how their mels are scaled. Of
        more than FITTED items so many, evenly spread over all, are read: a tree may hold a million. person: not looked at."""
        count, total, squares = 0, 0.0, 0.0
        for at in np.linspace(0, len(items) - 1, min(len(items), FITTED)).round().astype(int).tolist():
            item = items[at]
            count, total = count + item.shape[1], total + item.sum(axis=1, dtype=np.float64)
            squares = squares + float(np.square(item, dtype=np.float64).sum())
        mean = np.asarray(total / count)
        variance = squares / (count * len(mean)) - float(np.mean(mean**2))
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.fill_(max(variance, 0.0) ** 0.5 or 1.0)

    def standardised(self, items: Tensor) -> Tensor:
        """(B, inputs, T), of the same shape."""
        return (items - self.mean[:, None]) / self.deviation


class FlattenTower(Spectrograms):
    """The guide's: a spectrogram of a fixed number of frames as one long vector, for which the projection's first layer is as
    wide as it takes. A shorter one is repeated, never filled with zeros."""

    def __init__(self, inputs: int, frames: int) -> None:
        super().__init__(inputs)
        self.frames = frames

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, inputs, T); frames beyond `frames` are not heard. lengths: (B,) int64. Returns (B, inputs * frames)."""
        at = torch.arange(self.frames, device=items.device) % lengths[:, None]
        repeated = torch.gather(self.standardised(items), 2, at[:, None, :].expand(-1, items.shape[1], -1))
        return repeated.flatten(1)


class MelTower(Spectrograms):
    """Convolutions over time and attentive statistics pooling (Okabe et al. 2018): any number of bands, any length.

    Frames beyond an item's length take no part: every layer is masked, and normalisation is per frame, never over a batch.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs)
        channels, dilations = MEL_CHANNELS, (1, 2, 3)
        self.first = nn.Conv1d(inputs, channels, 5, padding=2)
        self.blocks = nn.ModuleList(nn.Conv1d(channels, channels, 3, padding=d, dilation=d) for d in dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(1 + len(dilations)))
        self.attention = nn.Sequential(nn.Conv1d(channels, ATTENTION, 1), nn.Tanh(), nn.Conv1d(ATTENTION, channels, 1))

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, inputs, T). lengths: (B,) int64, frames of each that are real. Returns (B, 256): weighted mean, deviation."""
        mask = (torch.arange(items.shape[2], device=items.device)[None, :] < lengths[:, None])[:, None, :]
        hidden = self.standardised(items)
        hidden = self._normed(0, self.first(hidden * mask)) * mask
        for index, block in enumerate(self.blocks, 1):
            hidden = hidden + self._normed(index, block(hidden)) * mask
        weights = self.attention(hidden).masked_fill(~mask, -torch.inf).softmax(dim=2)
        mean = (weights * hidden).sum(dim=2)
        spread = (weights * (hidden - mean[:, :, None]) ** 2).sum(dim=2)
        return torch.cat([mean, torch.sqrt(spread + 1e-6)], dim=1)  # the root's slope at 0 is infinite

    def _normed(self, index: int, hidden: Tensor) -> Tensor:
        return torch.relu(self.norms[index](hidden.transpose(1, 2)).transpose(1, 2))


Tower = EmbeddingTower | MelTower | FlattenTower | FaceTower | VoiceTower

TOWERS: dict[str, Callable[[TowerSpec], Tower]] = {
    "embedding": lambda spec: EmbeddingTower(spec.inputs),
    "mel": lambda spec: MelTower(spec.inputs),
    "flatten": lambda spec: FlattenTower(spec.inputs, spec.frames),
    "hf_face": lambda spec: FaceTower(spec.config or {}, spec.settings or {}),
    "hf_voice": lambda spec: VoiceTower(spec.config or {}, spec.settings or {}),
}
"""Kind -> the tower, with random weights where it has any."""


class Projection(nn.Module):
    """The trained head: a linear map beside the guide's Linear, ReLU, Linear, which starts as nothing.

    What a linear map can match is then learned first and from fewer people (benchmarks/learns.py).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.curved = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))
        for start in self.curved[2].parameters():
            nn.init.zeros_(start)

    def forward(self, encoded: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        result: Tensor = self.linear(encoded) + self.curved(encoded)
        return result


class FaceVoiceModel(nn.Module):
    """Both towers. face, voice: what they take in. dim: values of the joint space. frames: of a voice item heard at once."""

    def __init__(self, face: TowerSpec, voice: TowerSpec, dim: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.face_encoder = TOWERS[face.kind](face)
        self.face_projection = Projection(face.outputs, dim)
        self.audio_encoder = TOWERS[voice.kind](voice)
        self.audio_projection = Projection(voice.outputs, dim)

    def load_pretrained(self, face: TowerSpec, voice: TowerSpec) -> None:
        """Give hf towers the weights of their backbones, where training starts; others stay as they are.

        Raises WeightsError when these are not on this machine, or are not those that the specs were made of.
        """
        for tower, spec, types in ((self.face_encoder, face, hf.FACE_TYPES), (self.audio_encoder, voice, hf.VOICE_TYPES)):
            if isinstance(tower, HfTower) and spec.backbone is not None:
                tower.load_pretrained(hf.find(spec.backbone, types, spec.files))

    def faces(self, items: Tensor, lengths: Tensor) -> Tensor:
        """(B, inputs, T), of hf_face (B, 3, H, W), and (B,) -> (B, dim) float32, L2 = 1, whatever the layers compute in."""
        return F.normalize(self.face_projection(self.face_encoder(items, lengths)).float(), dim=1)

    def voices(self, items: Tensor, lengths: Tensor) -> Tensor:
        """(B, inputs, T) and (B,) -> (B, dim) float32, L2 = 1."""
        return F.normalize(self.audio_projection(self.audio_encoder(items, lengths)).float(), dim=1)

    def embed_faces(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(N, dim) float32, L2 = 1, of N face items as the tower takes them."""
        return self._embed(self.faces, self.face_encoder, ([item] for item in items))

    def embed_voices(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(N, dim) float32, L2 = 1, of N voice items; a long one is the mean over windows that cover it."""
        return self._embed(self.voices, self.audio_encoder, (windows(item, self.frames) for item in items))

    @torch.inference_mode()
    def _embed(self, tower: Callable[[Tensor, Tensor], Tensor], encoder: Tower, items: Iterator[list[np.ndarray]]) -> np.ndarray:
        device = next(self.parameters()).device
        most = HF_EMBED_BATCH if isinstance(encoder, HfTower) else EMBED_BATCH
        means, waiting, parts = list[Tensor](), list[np.ndarray](), list[int]()

        def settle() -> None:
            vectors = []
            for start in range(0, len(waiting), most):
                stacked, lengths = collate(waiting[start : start + most])
                vectors.append(tower(stacked.to(device), lengths.to(device)).float().cpu())
            means.extend(one.mean(dim=0) for one in torch.split(torch.cat(vectors), parts))
            waiting.clear()
            parts.clear()

        for item in items:
            waiting += item
            parts.append(len(item))
            if len(waiting) >= most:
                settle()
        if waiting:
            settle()
        return np.asarray(F.normalize(torch.stack(means), dim=1).numpy(), np.float32)


def windows(item: np.ndarray, frames: int) -> list[np.ndarray]:
    """Stretches of a voice that cover it, the last one up to its end. Vectors and short items as they are."""
    if item.ndim == 1 or item.shape[1] <= frames:
        return [item]
    last = item.shape[1] - frames
    return [item[:, start : start + frames] for start in sorted({*range(0, last + 1, frames), last})]
