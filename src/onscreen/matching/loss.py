"""Contrastive losses over a batch of face-voice pairs, both ways. Same-person combinations off the diagonal are not negatives."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_TEMPERATURE = 0.01  # CLIP's clamp of a learned one: logits beyond 100 x cosine do not train stably
SIGLIP_BIAS = -10.0  # SigLIP's start: most combinations of a batch are negatives


def infonce(logits: Tensor, person: Tensor | None) -> Tensor:
    """Mean of face-to-voice and voice-to-face cross entropy.

    logits: (B, B) float, face i against voice j, already divided by the temperature. person: (B,) int64; None where all differ.
    Returns a scalar.
    """
    logits = logits if person is None else logits.masked_fill(_same_person(person), -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def siglip(logits: Tensor, person: Tensor | None) -> Tensor:
    """Sum over combinations of the sigmoid loss, by B (Zhai et al. 2023). logits: (B, B), scaled and with the bias added."""
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1
    losses = -F.logsigmoid(sign * logits)
    return (losses if person is None else losses.masked_fill(_same_person(person), 0.0)).sum() / len(logits)


def _same_person(person: Tensor) -> Tensor:
    """(B, B) bool: other pairs of the same person."""
    same = person[:, None] == person[None, :]
    return same & ~torch.eye(len(person), dtype=torch.bool, device=person.device)


class Contrastive(nn.Module):
    """A loss and its temperature.

    kind: infonce | siglip. temperature: the fixed one, or where a learned one starts; it is then clamped to [0.01, 1] after each step.
    SigLIP's bias is always learned: it has no meaning apart from the data.
    """

    def __init__(self, kind: str, temperature: float, learn_temperature: bool) -> None:
        super().__init__()
        self.kind = kind
        self._fixed = None if learn_temperature else temperature
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn_temperature)
        self.bias = nn.Parameter(torch.tensor(SIGLIP_BIAS if kind == "siglip" else 0.0), requires_grad=kind == "siglip")

    @property
    def temperature(self) -> float:
        """The fixed one, or the learned one as it is now."""
        return self._fixed or math.exp(-float(self.log_scale.detach()))

    def forward(self, face: Tensor, voice: Tensor, person: Tensor | None) -> Tensor:
        """face, voice: (B, D), L2 = 1, row i of both is one pair. person: (B,) int64; None where all differ. Returns a scalar."""
        logits = face @ voice.T * self.log_scale.exp()
        return siglip(logits + self.bias, person) if self.kind == "siglip" else infonce(logits, person)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep a learned temperature within [0.01, 1]."""
        if self.log_scale.requires_grad:
            self.log_scale.clamp_(0.0, -math.log(LEAST_TEMPERATURE))
