"""The two towers: an encoder for faces, one for voices, and for each a projection into the joint space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onscreen.matching.data import collate

EMBED_BATCH = 64
MEL_CHANNELS = 128
ATTENTION = 64


@dataclass(frozen=True)
class TowerSpec:
    """kind: embedding (one frozen vector an item) | mel (a spectrogram an item). inputs: width of the vector, or mel bands."""

    kind: str
    inputs: int

    @property
    def outputs(self) -> int:
        """Width of what the encoder gives to its projection."""
        return self.inputs if self.kind == "embedding" else 2 * MEL_CHANNELS


class EmbeddingTower(nn.Module):
    """A frozen embedding, standardised: (x - mean) / deviation of the training people, and nothing learned.

    Embeddings of different people lie close together (cosine .9 for dlib's faces): what tells them apart is the rest.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(()))

    def fit(self, items: Sequence[np.ndarray]) -> None:
        """Set the statistics from items, each (inputs,). One deviation for all values, so that angles keep their meaning."""
        stack = np.stack(items).astype(np.float64)
        mean = stack.mean(axis=0)
        deviation = float(np.sqrt(np.mean((stack - mean) ** 2)))
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.fill_(deviation or 1.0)

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, inputs, 1). Returns (B, inputs)."""
        return (items[:, :, 0] - self.mean) / self.deviation


class MelTower(nn.Module):
    """Convolutions over time and attentive statistics pooling (Okabe et al. 2018): any number of bands, any length.

    Frames beyond an item's length take no part: every layer is masked, and normalisation is per frame, never over a batch.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(()))
        channels, dilations = MEL_CHANNELS, (1, 2, 3)
        self.first = nn.Conv1d(inputs, channels, 5, padding=2)
        self.blocks = nn.ModuleList(nn.Conv1d(channels, channels, 3, padding=d, dilation=d) for d in dilations)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(1 + len(dilations)))
        self.attention = nn.Sequential(nn.Conv1d(channels, ATTENTION, 1), nn.Tanh(), nn.Conv1d(ATTENTION, channels, 1))

    def fit(self, items: Sequence[np.ndarray]) -> None:
        """Set the statistics per band from items, each (inputs, frames): trees differ in how their mels are scaled."""
        count, total, squares = 0, 0.0, 0.0
        for item in items:
            count, total = count + item.shape[1], total + item.sum(axis=1, dtype=np.float64)
            squares = squares + float(np.square(item, dtype=np.float64).sum())
        mean = np.asarray(total / count)
        variance = squares / (count * len(mean)) - float(np.mean(mean**2))
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.fill_(max(variance, 0.0) ** 0.5 or 1.0)

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, inputs, T). lengths: (B,) int64, frames of each that are real. Returns (B, 256): weighted mean, deviation."""
        mask = (torch.arange(items.shape[2], device=items.device)[None, :] < lengths[:, None])[:, None, :]
        hidden = (items - self.mean[:, None]) / self.deviation
        hidden = self._normed(0, self.first(hidden * mask)) * mask
        for index, block in enumerate(self.blocks, 1):
            hidden = hidden + self._normed(index, block(hidden)) * mask
        weights = self.attention(hidden).masked_fill(~mask, -torch.inf).softmax(dim=2)
        mean = (weights * hidden).sum(dim=2)
        spread = (weights * (hidden - mean[:, :, None]) ** 2).sum(dim=2)
        return torch.cat([mean, torch.sqrt(spread + 1e-6)], dim=1)  # the root's slope at 0 is infinite

    def _normed(self, index: int, hidden: Tensor) -> Tensor:
        return torch.relu(self.norms[index](hidden.transpose(1, 2)).transpose(1, 2))


TOWERS: dict[str, type[EmbeddingTower | MelTower]] = {"embedding": EmbeddingTower, "mel": MelTower}


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """The trained head: Linear, ReLU, Linear."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))


class FaceVoiceModel(nn.Module):
    """Both towers. face, voice: what they take in. dim: values of the joint space. frames: of a voice item heard at once."""

    def __init__(self, face: TowerSpec, voice: TowerSpec, dim: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.face_encoder = TOWERS[face.kind](face.inputs)
        self.face_projection = projection(face.outputs, dim)
        self.audio_encoder = TOWERS[voice.kind](voice.inputs)
        self.audio_projection = projection(voice.outputs, dim)

    def faces(self, items: Tensor, lengths: Tensor) -> Tensor:
        """(B, inputs, T) and (B,) -> (B, dim), L2 = 1."""
        return F.normalize(self.face_projection(self.face_encoder(items, lengths)), dim=1)

    def voices(self, items: Tensor, lengths: Tensor) -> Tensor:
        """(B, inputs, T) and (B,) -> (B, dim), L2 = 1."""
        return F.normalize(self.audio_projection(self.audio_encoder(items, lengths)), dim=1)

    def embed_faces(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(N, dim) float32, L2 = 1, of N face items as the tower takes them."""
        return self._embed(self.faces, items)

    def embed_voices(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(N, dim) float32, L2 = 1, of N voice items; a long spectrogram is the mean over windows that cover it."""
        return self._embed(self.voices, items)

    @torch.inference_mode()
    def _embed(self, tower: Callable[[Tensor, Tensor], Tensor], items: Sequence[np.ndarray]) -> np.ndarray:
        device = next(self.parameters()).device
        means = []
        for start in range(0, len(items), EMBED_BATCH):
            parts = [_windows(items[index], self.frames) for index in range(start, min(start + EMBED_BATCH, len(items)))]
            stacked, lengths = collate([window for windows in parts for window in windows])
            vectors = tower(stacked.to(device), lengths.to(device)).cpu()
            means += [one.mean(dim=0) for one in torch.split(vectors, [len(windows) for windows in parts])]
        return np.asarray(F.normalize(torch.stack(means), dim=1).numpy(), np.float32)


def _windows(item: np.ndarray, frames: int) -> list[np.ndarray]:
    """Stretches of a spectrogram that cover it, the last one up to its end. Vectors and short items as they are."""
    if item.ndim == 1 or item.shape[1] <= frames:
        return [item]
    last = item.shape[1] - frames
    return [item[:, start : start + frames] for start in sorted({*range(0, last + 1, frames), last})]
