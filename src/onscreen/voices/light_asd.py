"""Light-ASD (Liao et al., "A Light Weight Model for Active Speaker Detection", CVPR 2023): does this face say this?

Two encoders give 128 values a frame, of the face and of the sound; their sum goes through a GRU forth and one back, and a linear
layer says silent or speaking. Written from the paper; parameter names are those of the published weights, which load whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

import numpy as np
import torch
from torch import nn

from onscreen.errors import WeightsError
from onscreen.voices.active_speaker import FPS, SHIFTS
from onscreen.weights import path_of

MODEL, FILE = "light_asd", "pretrain_AVA_CVPR.model"
WIDTH = 128  # values a frame
_KERNELS = (3, 5)  # frames, pixels or cepstra that the two paths of a block see
_EPS = 1e-3  # of every batch norm, as it was trained
_GREY_MEAN, _GREY_DEVIATION = 0.4161, 0.1688  # of the crops that it was trained on, of full scale
_WINDOWS_S = (1, 2, 3, 4, 5, 6)  # the published way to score: the mean over windows of these lengths
_REACH, _BLOCK = 6, 50  # frames on either side that the face encoder looks at, frames that it is given at once


class _Block(nn.Module, ABC):
    """Two paths of different reach, each over space (or cepstra) and then over time; their sum is mixed."""

    def __init__(self, across: str, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self._across = across
        for size in _KERNELS:
            self.add_module(f"{across}_{size}", self._spatial(channels_in, channels, size, stride))
            self.add_module(f"bn_{across}_{size}", self._norm(channels))
            self.add_module(f"t_{size}", self._temporal(channels, size))
            self.add_module(f"bn_t_{size}", self._norm(channels))
        self.last = self._mixing(channels)
        self.bn_last = self._norm(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        paths = (self._step("t", size, self._step(self._across, size, x)) for size in _KERNELS)
        mixed: torch.Tensor = torch.relu(self.bn_last(self.last(sum(paths))))
        return mixed

    def _step(self, name: str, size: int, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.get_submodule(f"bn_{name}_{size}")(self.get_submodule(f"{name}_{size}")(x)))

    @abstractmethod
    def _spatial(self, channels_in: int, channels: int, size: int, stride: int) -> nn.Module:
        """The convolution across a picture, or across cepstra."""

    @abstractmethod
    def _temporal(self, channels: int, size: int) -> nn.Module:
        """The convolution along time."""

    @abstractmethod
    def _mixing(self, channels: int) -> nn.Module:
        """The convolution of one place."""

    @abstractmethod
    def _norm(self, channels: int) -> nn.Module:
        """Batch normalisation of as many axes."""


class _FaceBlock(_Block):
    """(B, C, T, H, W)."""

    def _spatial(self, channels_in: int, channels: int, size: int, stride: int) -> nn.Module:
        half = size // 2
        return nn.Conv3d(channels_in, channels, (1, size, size), (1, stride, stride), (0, half, half), bias=False)

    def _temporal(self, channels: int, size: int) -> nn.Module:
        return nn.Conv3d(channels, channels, (size, 1, 1), padding=(size // 2, 0, 0), bias=False)

    def _mixing(self, channels: int) -> nn.Module:
        return nn.Conv3d(channels, channels, 1, bias=False)

    def _norm(self, channels: int) -> nn.Module:
        return nn.BatchNorm3d(channels, _EPS)


class _SoundBlock(_Block):
    """(B, C, cepstra, frames)."""

    def _spatial(self, channels_in: int, channels: int, size: int, stride: int) -> nn.Module:
        return nn.Conv2d(channels_in, channels, (size, 1), stride, (size // 2, 0), bias=False)

    def _temporal(self, channels: int, size: int) -> nn.Module:
        return nn.Conv2d(channels, channels, (1, size), padding=(0, size // 2), bias=False)

    def _mixing(self, channels: int) -> nn.Module:
        return nn.Conv2d(channels, channels, 1, bias=False)

    def _norm(self, channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, _EPS)


class _FaceEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1, self.block2, self.block3 = _FaceBlock("s", 1, 32, 2), _FaceBlock("s", 32, 64), _FaceBlock("s", 64, WIDTH)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """crops: (B, T, 112, 112) grey, 0-255. Returns (B, T, 128)."""
        x = ((crops / 255 - _GREY_MEAN) / _GREY_DEVIATION)[:, None]
        for block in (self.block1, self.block2):
            x = nn.functional.max_pool3d(block(x), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        values: torch.Tensor = self.block3(x).amax((3, 4)).transpose(1, 2)
        return values


class _SoundEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1, self.block2, self.block3 = _SoundBlock("m", 1, 32), _SoundBlock("m", 32, 64), _SoundBlock("m", 64, WIDTH)

    def forward(self, cepstra: torch.Tensor) -> torch.Tensor:
        """cepstra: (B, 4 T, 13), 100 a second. Returns (B, T, 128)."""
        x = cepstra.transpose(1, 2)[:, None]
        for block in (self.block1, self.block2):
            x = nn.functional.max_pool2d(block(x), (1, 3), (1, 2), (0, 1))
        values: torch.Tensor = self.block3(x).mean(2).transpose(1, 2)
        return values


class _Memory(nn.Module):
    """A GRU over time, and one over its output against time."""

    def __init__(self) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.gru_backward = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        onward = nn.functional.gelu(self.gru_forward(x)[0])
        return nn.functional.gelu(self.gru_backward(onward.flip(1))[0].flip(1))


class _Encoders(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visualEncoder, self.audioEncoder, self.GRU = _FaceEncoder(), _SoundEncoder(), _Memory()


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.FC = nn.Linear(WIDTH, 2)  # silent, speaking


class LightAsd(nn.Module):
    """The network under the names of its published weights. lossV, a head over the face alone, only helped its training."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.lossAV, self.lossV = _Encoders(), _Head(), _Head()

    def faces(self, crops: np.ndarray) -> torch.Tensor:
        """(T, 112, 112) uint8 -> (1, T, 128). In blocks that see their neighbours: the same values, in little memory."""
        found = []
        for start in range(0, len(crops), _BLOCK):
            first = max(0, start - _REACH)
            block = torch.from_numpy(crops[first : start + _BLOCK + _REACH]).float()[None]
            found.append(self.model.visualEncoder(block)[:, start - first : start - first + _BLOCK])
        return torch.cat(found, 1)

    def sound(self, cepstra: np.ndarray) -> torch.Tensor:
        """(4 T, 13) float32 -> (1, T, 128)."""
        values: torch.Tensor = self.model.audioEncoder(torch.from_numpy(cepstra)[None])
        return values

    def logits(self, both: torch.Tensor) -> torch.Tensor:
        """(1, T, 128), the sum of both encoders -> (T,) log odds of speaking."""
        scores = self.lossAV.FC(self.model.GRU(both))[0]
        difference: torch.Tensor = scores[:, 1] - scores[:, 0]
        return difference


@cache
def network() -> LightAsd:
    """The network with its weights, once a process, on one thread. Raises WeightsError when the file is not here, or holds others."""
    torch.set_num_threads(1)
    path = path_of(MODEL, FILE)
    found = LightAsd()
    try:
        found.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, AttributeError) as error:  # keys or shapes that are not the network's; no table of tensors
        raise WeightsError(f"{path} does not hold the weights of Light-ASD: {str(error).splitlines()[0]}") from error
    return found.eval()


def look_and_listen(crops: np.ndarray, cepstra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How surely a face speaks in every frame, and how well its sound fits it when displaced.

    crops: (T, 112, 112) uint8 grey, 25 a second. cepstra: (n, 13) float32 (active_speaker.cepstra), n >= 4, from the same moment.
    Returns log odds of speaking (F,) float32, F = min(T, n // 4), and fit (2 SHIFTS + 1,) float32 (see active_speaker.fit).
    """
    from onscreen.voices.active_speaker import fit

    net, frames = network(), min(len(crops), len(cepstra) // 4)
    with torch.inference_mode():
        seen, heard = net.faces(crops[:frames]), net.sound(cepstra[: 4 * frames])
        both = seen + heard
        scores = torch.stack([_windowed(net, both, seconds * FPS) for seconds in _WINDOWS_S]).mean(0)
    return scores.numpy(), fit(seen[0].numpy(), heard[0].numpy(), SHIFTS)


def _windowed(net: LightAsd, both: torch.Tensor, length: int) -> torch.Tensor:
    return torch.cat([net.logits(both[:, start : start + length]) for start in range(0, both.shape[1], length)])
