"""One process's part of one training: epochs of updates, validation, the state from which it goes on after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from onscreen.errors import ConfigError
from onscreen.matching import state as states
from onscreen.matching.augment import augmentation
from onscreen.matching.batches import Draw, Loader, Read, Side, Stacked, training_draws, validation_draws
from onscreen.matching.data import Batch, PairSet
from onscreen.matching.distributed import Send, Share, is_first
from onscreen.matching.hf_towers import HfTower
from onscreen.matching.recipe import Recipe, recipe_of, start, untrained
from onscreen.matching.schedule import Freezing, clipped_norm, learning_rate, optimizer_of
from onscreen.matching.state import Best, Budget, Progress, Stored
from onscreen.matching.towers import TowerSpec

READ_EVERY = 64  # values of losses and gradients' norms that may wait to be read
LEAST_SCALE = 1.0  # of fp16's gradients, which starts at 65,536 and is halved by each overflow


class Run:
    """One process's part of one training."""

    def __init__(
        self, fabric: Fabric, recipe: Recipe, training: PairSet, validation: PairSet, state: Path, budget: Budget
    ) -> None:
        self.budget = budget
        self.fabric, self.recipe, self.params, self.path = fabric, recipe, recipe.params, state
        self.training = training
        self.record = recipe_of(recipe, training, validation)
        self.matcher = untrained(recipe)
        self.matcher.share = Share(fabric.global_rank, fabric.world_size)
        stored = states.read(state, self.record)
        if stored is None:
            start(self.matcher, recipe, training)
        else:
            self.matcher.load_state_dict(stored.weights)
        fabric.to_device(self.matcher)
        self._prepare_towers()
        self.optimizer: Any = fabric.setup_optimizers(optimizer_of(self.matcher, self.params))
        self.progress, self.best = Progress(), Best(self.matcher.state_dict())
        self.unread: list[tuple[str, Tensor, int]] = []  # what it is, its value, of how many pairs
        if stored is not None:
            self._take_up(stored)
        self._agree()
        self.loader = self._loader(training, augment=self.params.augment)
        self.validation = self._loader(validation, augment=False)
        self.validation_draws = validation_draws(validation, self.params.batch_size)

    def _prepare_towers(self) -> None:
        model = self.matcher.model
        self.learned = [value for value in model.parameters() if value.requires_grad]
        self.updated = [value for value in self.matcher.parameters() if value.requires_grad]  # the loss's own, too
        self.freezing = Freezing((model.face_encoder, model.audio_encoder), self.params)
        for tower in (model.face_encoder, model.audio_encoder):
            if self.params.gradient_checkpointing and isinstance(tower, HfTower):
                tower.enable_checkpointing()

    def _take_up(self, stored: Stored) -> None:
        """Put back optimizer, progress and the best epoch."""
        self.optimizer.load_state_dict({"state": stored.moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.progress = stored.progress
        self.best.take(stored.best)
        scaler = self._scaler
        if scaler is not None and stored.progress.scaler:
            scaler.load_state_dict(stored.progress.scaler)

    @property
    def _scaler(self) -> Any:
        """fp16's, or None."""
        return getattr(self.fabric.strategy.precision, "scaler", None)

    def _agree(self) -> None:
        """Raises ConfigError when the processes have read different states, which on several machines means different disks."""
        own = (len(self.progress.history), self.progress.steps)
        if tuple(self.fabric.broadcast(own)) != own:
            raise ConfigError(f"the processes see different files at {self.path}: all must work in one shared folder")

    def _loader(self, pairs: PairSet, *, augment: bool) -> Loader:
        def side(items: Sequence[np.ndarray], spec: TowerSpec, frames: int | None) -> Side:
            if spec.kind == "embedding":
                return Stacked(items, self.fabric.device)
            return Read(items, frames, augmentation(spec.kind) if augment else None)

        faces = side(pairs.faces, self.recipe.face, None)
        voices = side(pairs.voices, self.recipe.voice, self.recipe.frames)
        return Loader(faces, voices, self.params.seed, self.matcher.share, self.params.num_workers)

    def go(self, send: Send) -> None:
        """Train to the end; send((epoch, row)) for every epoch."""
        for epoch, row in enumerate(self.progress.history):
            send((epoch, row))
        changed = False
        while not self.progress.is_over(self.params):
            epoch, changed = len(self.progress.history), True
            row = self._epoch(epoch) | self._validate()
            self.progress.end_epoch(self.fabric.broadcast(row))
            if self.validation_draws and self.progress.best == epoch:
                self.best.take(self.matcher.state_dict())
            if not self.progress.is_over(self.params):
                self._save_if_cheap()
            send((epoch, row))
        if changed:
            self._save()
        self.fabric.barrier()  # the others may read the state

    def _epoch(self, epoch: int) -> dict[str, float]:
        draws = training_draws(self.training, self.params.batch_size, self.params.seed, epoch)
        steps = np.array_split(np.arange(len(draws)), -(-len(draws) // self.params.accumulation))
        # of dropout, one a step: a run that goes on after a kill draws what it would have drawn
        seeds = np.random.SeedSequence([self.params.seed, epoch, self.matcher.share.rank]).generate_state(len(draws), np.uint64)
        self.matcher.train()
        self.freezing.at(epoch)
        done = self.progress.steps
        batches = self.loader.batches(draws[steps[done][0] :] if done < len(steps) else [], epoch)
        rate = 0.0
        for step in range(done, len(steps)):
            rate = learning_rate(self.params, epoch * len(steps) + step, len(steps) * self.params.num_epochs)
            self._step(rate, batches, [draws[at] for at in steps[step]], [int(seeds[at]) for at in steps[step]])
            self.progress.steps = step + 1
            if self.progress.steps < len(steps):  # after the last one, the epoch is first ended
                self._save_if_cheap()
        self._read()
        mean = self.progress.losses / self.progress.pairs
        return {"train_loss": mean, "learning_rate": rate, "temperature": self.matcher.loss.temperature}

    def _step(self, rate: float, batches: Iterator[Batch], draws: Sequence[Draw], seeds: Sequence[int]) -> None:
        """One update. The gradient is that of the mean loss of all pairs of its batches, each against its own batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for value in self.updated:
            value.grad = None  # the optimizer's own zero_grad() takes 0.1 ms
        total = sum(len(draw.person) for draw in draws)
        for draw, seed in zip(draws, seeds, strict=True):
            self._seed(seed)
            loss = self._loss(next(batches))
            part = len(draw.person) / total
            self._backward(loss if part == 1 else loss * part)
            self.unread.append(("loss", loss.detach(), len(draw.person)))
        self._update()
        if self.fabric.device.type == "cpu" or len(self.unread) >= READ_EVERY:
            self._read()

    def _backward(self, loss: Tensor) -> None:
        if self._scaler is None:
            loss.backward()  # type: ignore[no-untyped-call]  # of torch; Fabric's call around it does nothing more here
        else:
            self.fabric.backward(loss)

    def _seed(self, seed: int) -> None:
        """Of dropout: what a step draws depends on the step alone, so it draws the same after a kill."""
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 0.2 ms
        if self.fabric.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _loss(self, batch: Batch) -> Tensor:
        with nullcontext() if self.params.precision == "fp32" else self.fabric.autocast():
            loss: Tensor = self.matcher(batch.to(self.fabric.device))
        return loss

    def _read(self) -> None:
        """Add up what the last steps gave; on a GPU not after each of them, because that would wait for it.

        Raises ConfigError when one is no number; to be called before anything is written.
        """
        for what, value, pairs in self.unread:
            if not math.isfinite(number := float(value)):
                raise self._no_number(what)
            self.progress.losses += number * pairs
            self.progress.pairs += pairs
        self.unread.clear()

    def _update(self) -> None:
        self.matcher.share.sum_gradients(self.learned)
        scaler = self._scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer.optimizer)
        norm = clipped_norm(self.updated, self.params.clip_norm)
        if scaler is None:
            self.unread.append(("gradient", norm, 0))
            self.optimizer.optimizer.step()
        else:
            self.optimizer.step()  # fp16's scaler leaves it out after an overflow, and halves its scale
        if scaler is not None and scaler.get_scale() < LEAST_SCALE:
            raise self._no_number("gradient")
        self.matcher.loss.clamp()

    def _no_number(self, what: str) -> ConfigError:
        epoch, rate, precision = len(self.progress.history), self.params.learning_rate, self.params.precision
        also = ", or use precision: bf16" if precision == "fp16" else ""
        return ConfigError(f"the {what} stopped being a number in epoch {epoch}: lower learning_rate ({rate:g}){also}")

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        if not self.validation_draws:
            return {}
        self.matcher.eval()
        losses = [(float(self._loss(batch)), batch.pairs) for batch in self.validation.batches(self.validation_draws)]
        mean = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
        if not math.isfinite(mean):
            raise self._no_number("validation loss")
        return {"val_loss": mean}

    def _save_if_cheap(self) -> None:
        if is_first() and self.budget.allows():
            self._save()

    def _save(self) -> None:
        if not is_first():
            return
        self._read()
        begin = time.monotonic()
        scaler = self._scaler
        self.progress.scaler = {} if scaler is None else scaler.state_dict()
        best = self.best.tensors if "val_loss" in (self.progress.history or [{}])[0] else {}
        moments = self.optimizer.state_dict()["state"]
        states.write(self.path, self.record, Stored(self.progress, self.matcher.state_dict(), best, moments))
        self.budget.spent(time.monotonic() - begin)
