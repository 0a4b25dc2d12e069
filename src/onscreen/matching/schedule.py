"""What changes while a model is trained, and when: the learning rate, which parameters are decayed, which towers are frozen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from onscreen.config import Train
from onscreen.matching.hf_towers import HfTower


def learning_rate(params: Train, step: int, steps: int) -> float:
    """Of the step-th of `steps` updates: linear up over warmup_fraction, then half a cosine down to 0."""
    warmup = round(params.warmup_fraction * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def optimizer_of(module: nn.Module, params: Train) -> torch.optim.AdamW:
    """AdamW over what is learned, a learned temperature included. Weight decay pulls on matrices only: not on biases, gains, the
    temperature. Parameters of towers that are frozen at first are in it too.
    """
    learned = [value for value in module.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in learned if value.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [value for value in learned if value.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = params.precision != "fp16"  # one pass over memory, half a step of small heads; the fp16 scaler cannot clip for it
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=params.learning_rate, fused=fused)


def clipped_norm(parameters: Sequence[nn.Parameter], most: float) -> Tensor:
    """The norm of all gradients together, which are then scaled down where it is above `most`.

    torch's clip_grad_norm_ also multiplies by 1 where nothing is to be clipped: a twentieth of a step of small heads on the CPU.
    On a GPU looking whether that is so would wait for it, which takes longer.
    """
    norm = torch.nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
    if norm.device.type != "cpu" or float(norm) > most:
        torch.nn.utils.clip_grads_with_norm_(parameters, most, norm)
    return norm


class Freezing:
    """Which transformers towers stand still, epoch by epoch: no gradients, no dropout. Other towers always train."""

    def __init__(self, towers: tuple[nn.Module, nn.Module], params: Train) -> None:
        until = (params.face_frozen_epochs, params.voice_frozen_epochs)
        self._until = [(tower, epochs) for tower, epochs in zip(towers, until, strict=True) if isinstance(tower, HfTower)]
        self._trained = {tower: [one for one in tower.parameters() if one.requires_grad] for tower, _ in self._until}

    def at(self, epoch: int) -> None:
        """Freeze and unfreeze for this epoch; to be called after train(), which would wake frozen towers' dropout."""
        for tower in self._frozen_or_not(epoch, frozen=True):
            tower.eval()
            self._requires_grad(tower, needed=False)
        for tower in self._frozen_or_not(epoch, frozen=False):
            self._requires_grad(tower, needed=True)

    def _frozen_or_not(self, epoch: int, *, frozen: bool) -> Iterator[HfTower]:
        return (tower for tower, until in self._until if is_frozen(until, epoch) == frozen)

    def _requires_grad(self, tower: HfTower, *, needed: bool) -> None:
        for value in self._trained[tower]:
            value.requires_grad_(needed)
            if not needed:
                value.grad = None


def is_frozen(until: int | Literal["all"], epoch: int) -> bool:
    """Whether a tower frozen for so many epochs is so in this one, from 0."""
    return until == "all" or epoch < until
