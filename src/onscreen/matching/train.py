"""The trainer: AdamW, warm-up and cosine, clipping, early stop, and a state from which a killed run goes on exactly.

DVC deletes a stage's outputs before it runs, so the state lies outside them: one file under the item cache, named by everything
that the run depends on. It is replaced whole after each epoch. On the CPU (one thread) the same inputs give the same bits,
interrupted or not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from onscreen.config import Train
from onscreen.errors import ConfigError
from onscreen.matching.data import Batch, PairSet, steps_per_epoch, training_batches, validation_batches
from onscreen.matching.loss import Contrastive
from onscreen.matching.towers import FaceVoiceModel, TowerSpec
from onscreen.store import atomic_path

FEWEST_PEOPLE = 2  # one person has nobody to be told from
OnEpoch = Callable[[int, dict[str, float]], None]


class Matcher(nn.Module):
    """The model and its loss: everything that training changes."""

    def __init__(self, model: FaceVoiceModel, loss: Contrastive) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, batch: Batch) -> Tensor:
        """The batch's loss, a scalar."""
        face = self.model.faces(batch.faces, batch.face_lengths)
        voice = self.model.voices(batch.voices, batch.voice_lengths)
        result: Tensor = self.loss(face, voice, batch.person)
        return result


@dataclass(frozen=True)
class Recipe:
    """What to train. params: hyperparameters. face, voice: the towers. frames: of a spectrogram that a voice is cut to."""

    params: Train
    face: TowerSpec
    voice: TowerSpec
    frames: int


@dataclass
class Progress:
    """How far a run is. history: one row an epoch (train_loss, val_loss if there is one, learning_rate, temperature)."""

    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> int:
        """The epoch, from 0, with the lowest validation loss, or the last one where there is no validation."""
        if self.history and "val_loss" in self.history[0]:
            return min(range(len(self.history)), key=lambda epoch: self.history[epoch]["val_loss"])
        return len(self.history) - 1

    def is_over(self, params: Train) -> bool:
        """All epochs are done, or the validation loss has not fallen for `patience` epochs."""
        return len(self.history) >= params.num_epochs or len(self.history) - 1 - self.best >= params.patience


@dataclass(frozen=True)
class Trained:
    """matcher: the best epoch's. state: the file that holds the last epoch, to go on from."""

    matcher: Matcher
    progress: Progress
    validated: bool
    state: Path


def train(
    recipe: Recipe, training: PairSet, validation: PairSet, state: Path, on_epoch: OnEpoch, accelerator: str = "cpu"
) -> Trained:
    """Train, or go on with the run that `state` holds.

    training: at least 2 people. validation: with fewer than 2 people there is no validation loss, no early stop, and the last
    epoch is the result. on_epoch(epoch, row) is called for every epoch, also for those that an earlier, killed run did.
    Raises ConfigError when the loss stops being a number.
    """
    fabric = Fabric(accelerator=accelerator, devices=1, precision="32-true")
    with _one_thread():
        matcher = build(recipe, training)
        optimizer = _optimizer(matcher, recipe.params)
        module, optimizer = fabric.setup(matcher, optimizer)
        progress, best = _resume(state, matcher, optimizer)
        for epoch, row in enumerate(progress.history):
            on_epoch(epoch, row)
        batches = [batch.to(fabric.device) for batch in _validation(recipe, validation)]
        while not progress.is_over(recipe.params):
            epoch = len(progress.history)
            row = _epoch(fabric, module, matcher, optimizer, recipe, training, epoch)
            row |= _validate(module, batches)
            progress.history.append(row)
            if progress.best == epoch:
                best = {name: value.detach().clone() for name, value in matcher.state_dict().items()}
            _save(state, matcher, optimizer, progress, best)
            on_epoch(epoch, row)
        matcher.load_state_dict(best)
    return Trained(matcher.cpu().eval(), progress, bool(batches), state)


def build(recipe: Recipe, training: PairSet) -> Matcher:
    """An untrained model: weights from the seed, statistics of the inputs from the training items."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.params.seed)
        model = FaceVoiceModel(recipe.face, recipe.voice, recipe.params.embedding_dim, recipe.frames)
    model.load_pretrained(recipe.face, recipe.voice)
    model.face_encoder.fit(training.faces)
    model.audio_encoder.fit(training.voices)
    return Matcher(model, Contrastive(recipe.params.loss, recipe.params.temperature, recipe.params.learn_temperature))


def learning_rate(params: Train, step: int, steps: int) -> float:
    """Of the step-th of `steps` updates: linear up over warmup_fraction, then half a cosine down to 0."""
    warmup = round(params.warmup_fraction * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _optimizer(matcher: Matcher, params: Train) -> torch.optim.AdamW:
    """Weight decay pulls on matrices only: not on biases, gains, the temperature."""
    learned = [value for value in matcher.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in learned if value.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [value for value in learned if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate)


def _epoch(
    fabric: Fabric, module: Any, matcher: Matcher, optimizer: Any, recipe: Recipe, training: PairSet, epoch: int
) -> dict[str, float]:
    params = recipe.params
    per_epoch = steps_per_epoch(len(training.by_person), params.batch_size)
    losses, pairs, rate = 0.0, 0, 0.0
    module.train()
    batches = training_batches(training, params.batch_size, recipe.frames, params.seed, epoch)
    for step, batch in enumerate(batches, epoch * per_epoch):
        rate = learning_rate(params, step, per_epoch * params.num_epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = module(batch.to(fabric.device))
        fabric.backward(loss)
        norm = fabric.clip_gradients(module, optimizer, max_norm=params.clip_norm, error_if_nonfinite=False)
        if not (torch.isfinite(loss) and norm is not None and torch.isfinite(norm)):
            raise ConfigError(f"the loss stopped being a number in epoch {epoch}: lower learning_rate ({params.learning_rate:g})")
        optimizer.step()
        matcher.loss.clamp()
        losses, pairs = losses + float(loss.detach()) * len(batch.person), pairs + len(batch.person)
    return {"train_loss": losses / pairs, "learning_rate": rate, "temperature": matcher.loss.temperature}


def _validation(recipe: Recipe, validation: PairSet) -> Iterator[Batch]:
    return validation_batches(validation, recipe.params.batch_size, recipe.frames)


@torch.no_grad()
def _validate(module: Any, batches: list[Batch]) -> dict[str, float]:
    if not batches:
        return {}
    module.eval()
    sums = [(float(module(batch)) * len(batch.person), len(batch.person)) for batch in batches]
    return {"val_loss": sum(loss for loss, _ in sums) / sum(count for _, count in sums)}


def _save(state: Path, matcher: Matcher, optimizer: Any, progress: Progress, best: dict[str, Tensor]) -> None:
    tensors = {f"last.{name}": value for name, value in matcher.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    with atomic_path(state) as temporary:
        save_file(copies, temporary, metadata={"progress": json.dumps(progress.history, allow_nan=False)})


def _resume(state: Path, matcher: Matcher, optimizer: Any) -> tuple[Progress, dict[str, Tensor]]:
    """Put back what the file holds. No file, or a damaged one: nothing done yet."""
    try:
        with safe_open(state, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
            history = json.loads(file.metadata()["progress"])
    except (FileNotFoundError, SafetensorError):
        return Progress(), {}
    matcher.load_state_dict(_under("last.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(history), _under("best.", tensors)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


@contextmanager
def _one_thread() -> Iterator[None]:
    """One CPU thread: sums are then taken in one order on every machine, and small nets gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
