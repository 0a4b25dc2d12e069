"""The state of a run on disk: from it a killed run goes on with the very next step.

One safetensors file, replaced whole: `last.*` the weights, `best.*` those of the best epoch so far, `optimizer.*` the moments;
the metadata says how far the run is and what recipe it follows. A state of another recipe is refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from onscreen.config import Train
from onscreen.console import log
from onscreen.errors import ConfigError
from onscreen.store import atomic_path

KEY, VERSION = "onscreen_training_state", 2
SHARE = 0.02  # of the time of a run that writing its state may take
FIRST_GUESS_S = 0.05  # what writing is taken to cost before it was done once


@dataclass
class Progress:
    """How far a run is.

    history: one row an epoch (train_loss, val_loss if there is one, learning_rate, temperature). steps: updates done of the epoch
    after it. losses, pairs: sums over these. scaler: of fp16's gradients.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    losses: float = 0.0
    pairs: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> int:
        """The epoch, from 0, with the lowest validation loss, or the last one where there is no validation."""
        if self.history and "val_loss" in self.history[0]:
            return min(range(len(self.history)), key=lambda epoch: self.history[epoch]["val_loss"])
        return len(self.history) - 1

    def is_over(self, params: Train) -> bool:
        """All epochs are done, or the validation loss has not fallen for `patience` epochs."""
        return len(self.history) >= params.num_epochs or len(self.history) - 1 - self.best >= params.patience

    def end_epoch(self, row: dict[str, float]) -> None:
        """Add an epoch's row; the next one begins."""
        self.history.append(row)
        self.steps, self.losses, self.pairs = 0, 0.0, 0


@dataclass(frozen=True)
class Stored:
    """What a state file holds. weights, best: of the whole matcher by name. moments: of the optimizer by parameter index."""

    progress: Progress
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    moments: dict[int, dict[str, Tensor]]


def check_same_recipe(stored: Mapping[str, Any], wanted: Mapping[str, Any], where: str = "the checkpoint") -> None:
    """Raises ConfigError that names the keys that differ, with both values, when a run cannot be gone on with.

    stored, wanted: as recipe_of gives them; where: what holds the stored one.
    """
    there, here = flat(stored), flat(wanted)
    differing = [key for key in sorted(there | here) if there.get(key) != here.get(key)]
    if differing:
        told = "; ".join(f"{key} is {_shown(there, key)} there and {_shown(here, key)} now" for key in differing)
        raise ConfigError(f"{where} is of another run: {told}. Set these back to go on with it, or choose another folder.")


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as one with dots, for comparing."""
    pairs: dict[str, Any] = {}
    for key, value in recipe.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return pairs


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key])[:80] if key in values else "not set"


def stored_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe that a state follows; None where no file is, or a damaged one. Raises ConfigError when it is no such state."""
    about = _about(path)
    return None if about is None else about["recipe"]


def epochs_done(path: Path) -> int:
    """How many epochs a run that goes on from this file has behind it; 0 where there is none. Raises ConfigError as stored_recipe."""
    about = _about(path)
    return 0 if about is None else len(about["progress"]["history"])


def _about(path: Path) -> dict[str, Any] | None:
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError) as error:
        log.warning("%s is damaged (%s): training starts anew", path, error)
        return None
    about: dict[str, Any] = json.loads(metadata.get(KEY, "{}"))
    if about.get("version") != VERSION:
        raise ConfigError(f"{path} is no training state of this version of onscreen: move it away to start anew")
    return about


def read(path: Path, recipe: Mapping[str, Any]) -> Stored | None:
    """What the file holds; None where there is none, or a damaged one. Raises ConfigError when it is of another recipe."""
    about = _about(path)
    if about is None:
        return None
    check_same_recipe(about["recipe"], recipe, str(path))
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = value
    weights = _under("last.", tensors)
    return Stored(Progress(**about["progress"]), weights, _under("best.", tensors) or weights, moments)


def write(path: Path, recipe: Mapping[str, Any], stored: Stored) -> None:
    """Replace the file. best may be empty: then it is the weights."""
    tensors = {f"last.{name}": value for name, value in stored.weights.items()}
    tensors |= {f"best.{name}": value for name, value in stored.best.items()}
    for index, values in stored.moments.items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    about = {"version": VERSION, "recipe": recipe, "progress": vars(stored.progress)}
    metadata = {KEY: json.dumps(about, sort_keys=True, allow_nan=False)}  # one key: safetensors writes several in any order
    with atomic_path(path) as temporary:
        save_file(copies, temporary, metadata=metadata)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


class Budget:
    """Writing may cost a share of the time so far: a state of 12 MB after each step of 3 ms would cost most of it."""

    def __init__(self, share: float = SHARE) -> None:
        self._share = share
        self._begin = time.monotonic()
        self._spent, self._cost = 0.0, FIRST_GUESS_S

    def allows(self) -> bool:
        """Whether writing once more stays within the share."""
        return self._spent + self._cost <= self._share * (time.monotonic() - self._begin)

    def spent(self, seconds: float) -> None:
        """Writing took so long."""
        self._spent, self._cost = self._spent + seconds, seconds


class Best:
    """A copy of the best epoch's weights, in memory of the CPU, reused from epoch to epoch."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = {name: torch.empty_like(value, device="cpu") for name, value in tensors.items()}

    @torch.no_grad()
    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy these."""
        for name, value in self.tensors.items():
            value.copy_(tensors[name])
