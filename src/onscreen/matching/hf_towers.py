"""Towers that are transformers networks: faces from pictures (ViT, DINOv2, CLIP), voices from waveforms (Wav2Vec2, WavLM, HuBERT).

What their processors do is done inside, so that an item is a picture or speech and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from onscreen import hf


class HfTower(nn.Module):
    """config, settings: see TowerSpec. network: one with weights; without it, one of that configuration with random weights."""

    network: nn.Module

    def fit(self, items: Sequence[np.ndarray], person: np.ndarray) -> None:
        """Nothing: such a network brings its own normalisation. The items are not read."""

    def enable_checkpointing(self) -> None:
        """Keep only the layers' inputs of a training step and compute the rest again: less memory, about a third more time."""
        self.network.activation_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]  # of transformers

    def load_pretrained(self, backbone: hf.Backbone) -> None:
        """Take the weights of a backbone of the same configuration. Raises WeightsError as hf.load does."""
        self.network.load_state_dict(hf.load(backbone).state_dict())


class FaceTower(HfTower):
    """Pictures -> the vector that the family stands for a whole picture with: the class token after the last normalisation.

    ViT and DINOv2: last_hidden_state[:, 0]. CLIP: pooler_output, which is the class token after post_layernorm.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Mapping[str, Any], settings: Mapping[str, Any], network: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network or hf.network(config)
        self._pooled = config["model_type"] == "clip_vision_model"
        self.register_buffer("mean", torch.tensor(settings["mean"], dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(settings["std"], dtype=torch.float32)[:, None, None])
        _freeze_unused(self.network, "mask_token")

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, 3, H, W) uint8 RGB of the tower's size. lengths: not used. Returns (B, hidden)."""
        found = self.network((items.float() / 255 - self.mean) / self.std)
        pooled: Tensor = found.pooler_output if self._pooled else found.last_hidden_state[:, 0]
        return pooled


class VoiceTower(HfTower):
    """Waveforms -> the mean over the frames that are wholly speech.

    What stands beyond an item's length takes no part. Networks with feat_extract_norm "group" (base ones) normalise over all time
    that they are given: there, items of one length are run together, and no others with them.
    SpecAugment (in training, where the configuration has apply_spec_augment and mask_time_prob above 0): spans of
    frames are replaced by the network's learned vector, drawn from torch's generator, so that a seed repeats them. Bands of features
    are never masked, and no layer is skipped.
    """

    def __init__(self, config: Mapping[str, Any], settings: Mapping[str, Any], network: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network or hf.network(config)
        self._normalize = bool(settings["normalize"])
        self._alone = config["feat_extract_norm"] == "group"
        self._prob = float(config["mask_time_prob"]) if config.get("apply_spec_augment", True) else 0.0
        self._span, self._least = int(config["mask_time_length"]), int(config["mask_time_min_masks"])
        if not self._prob:
            _freeze_unused(self.network, "masked_spec_embed")

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """items: (B, 1, n) float32, 16 kHz. lengths: (B,) int64, samples of each that are real. Returns (B, hidden)."""
        samples = items[:, 0]
        sizes = sorted(set(lengths.tolist()))
        if len(sizes) == 1:
            return self._heard(samples[:, : sizes[0]], lengths, padded=False)
        if not self._alone:
            return self._heard(samples[:, : max(sizes)], lengths, padded=True)
        groups = [torch.nonzero(lengths == size)[:, 0] for size in sizes]
        parts = [self._heard(samples[at, :size], lengths[at], padded=False) for at, size in zip(groups, sizes, strict=True)]
        back = torch.cat(groups).argsort()
        return torch.cat(parts)[back]

    def _heard(self, samples: Tensor, lengths: Tensor, *, padded: bool) -> Tensor:
        real = torch.arange(samples.shape[1], device=samples.device) < lengths[:, None]
        frames: Tensor = self.network._get_feat_extract_output_lengths(lengths)  # type: ignore[operator]  # of transformers
        total = int(frames.max())
        if self._normalize:
            samples = _standardised(samples, real, lengths)
        hidden = self.network(
            samples, attention_mask=real.long() if padded else None, mask_time_indices=self._masked(frames, total)
        ).last_hidden_state
        counted = (torch.arange(total, device=samples.device) < frames[:, None])[:, :, None]
        pooled: Tensor = (hidden.float() * counted).sum(dim=1) / frames[:, None]  # bf16 keeps 3 digits
        return pooled

    def _masked(self, frames: Tensor, total: int) -> Tensor | None:
        """(B, total) bool: frames that SpecAugment hides; None outside of training."""
        if not (self.training and self._prob):
            return None
        mask = torch.zeros(len(frames), total, dtype=torch.bool)
        for row, count in zip(mask, frames.tolist(), strict=True):
            starts = count - self._span + 1
            # the model's own recipe of training; what is hidden is drawn, nothing is put in its place but the learned mask vector
            spans = max(int(self._prob * count / self._span + float(torch.rand(()))), self._least)
            for start in torch.randperm(max(starts, 0))[:spans].tolist():
                row[start : start + self._span] = True
        return mask.to(frames.device)


def _standardised(samples: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    """Every utterance to mean 0 and variance 1 over its real samples, as Wav2Vec2's feature extractor does; 0 beyond them."""
    count = lengths[:, None]
    mean = (samples * real).sum(dim=1, keepdim=True) / count
    centred = (samples - mean) * real
    return centred / torch.sqrt((centred**2).sum(dim=1, keepdim=True) / count + 1e-7)


def _freeze_unused(network: nn.Module, name: str) -> None:
    """A parameter that takes no part gets no gradient; an optimizer, and a gather across processes, must not wait for it."""
    for key, value in network.named_parameters():
        if key.endswith(name):
            value.requires_grad_(False)
