"""The trainer: AdamW, warm-up and cosine, clipping, early stop, on one device or several, exact in going on after a kill.

DVC deletes a stage's outputs before it runs, so the state lies outside them: one file under the item cache, named by everything
that the run depends on. On the CPU the same inputs give the same bits, interrupted or not: every draw of a step comes from (seed,
epoch, step, process), never from what was drawn before. Heads on stored embeddings run in one thread, so also on machines with
other numbers of cores; networks take all threads there are, and then the number of threads is part of what makes the bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric

from onscreen.config import Train
from onscreen.errors import ConfigError
from onscreen.matching import state as states
from onscreen.matching.data import PairSet
from onscreen.matching.distributed import Send, is_first, launch, local_processes, under_torchrun
from onscreen.matching.recipe import Matcher, Recipe, recipe_of, untrained
from onscreen.matching.run import Run
from onscreen.matching.state import Budget, Progress

__all__ = ["FEWEST_PEOPLE", "Matcher", "Progress", "Recipe", "Trained", "check_device", "recipe_of", "train"]

FEWEST_PEOPLE = 2  # one person has nobody to be told from
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Trained:
    """matcher: the best epoch's. state: the file that holds the last epoch, to go on from."""

    matcher: Matcher
    progress: Progress
    validated: bool
    state: Path


def train(
    recipe: Recipe, training: PairSet, validation: PairSet, state: Path, on_epoch: OnEpoch, writing: float = states.SHARE
) -> Trained:
    """Train, or go on with the run that `state` holds; with params.devices > 1 in as many processes, which this one starts.

    training: at least 2 people. validation: with fewer than 2 people there is no validation loss, no early stop, and the last
    epoch is the result. on_epoch(epoch, row) is called for every epoch, also for those that an earlier, killed run did; of several
    processes started by torchrun, the first one calls it. writing: share of the time that writing the state may take; what was
    done since it was last written, a killed run does again.
    Raises ConfigError when the loss stops being a number, when the device is not there, or when `state` is of another recipe.
    """
    check_device(recipe.params)
    record = recipe_of(recipe, training, validation)
    work = partial(_work, recipe, training, validation, state, writing)
    if recipe.params.devices > 1 and not under_torchrun():
        launch(work, recipe.params.devices, lambda message: on_epoch(*message))
    else:
        work(lambda message: on_epoch(*message))
    stored = states.read(state, record)
    if stored is None:
        raise ConfigError(f"{state} is gone: another process removed it while this one trained. Start again.")
    matcher = untrained(recipe)
    matcher.load_state_dict(stored.best)
    return Trained(matcher.eval(), stored.progress, "val_loss" in stored.progress.history[0], state)


def check_device(params: Train) -> None:
    """Raises ConfigError that names the key when accelerator, devices or precision ask for what this machine has not."""
    there = torch.cuda.device_count()
    if params.accelerator == "cuda" and not there:
        raise ConfigError("accelerator: cuda, but there is no CUDA device here. Use auto or cpu.")
    if accelerator_of(params) == "cuda" and params.devices > there and not under_torchrun():
        raise ConfigError(f"devices: {params.devices}, but there are {there} CUDA devices here")
    if accelerator_of(params) == "cpu" and params.precision == "fp16":
        raise ConfigError("precision: fp16 needs a CUDA device. Use fp32, or bf16, which the CPU can do.")


def accelerator_of(params: Train) -> str:
    """cpu or cuda: what `auto` stands for here."""
    if params.accelerator != "auto":
        return params.accelerator
    return "cuda" if torch.cuda.is_available() else "cpu"


def _work(recipe: Recipe, training: PairSet, validation: PairSet, state: Path, writing: float, send: Send) -> None:
    """What each process does."""
    fabric = _fabric(recipe.params)
    with _threads(recipe), torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        Run(fabric, recipe, training, validation, state, Budget(writing)).go(send if is_first() else _silence)


def _silence(message: object) -> None:
    """Only the first process reports."""


def _fabric(params: Train) -> Fabric:
    accelerator, precision = accelerator_of(params), PRECISIONS[params.precision]
    if not under_torchrun():
        return Fabric(accelerator=accelerator, devices=1, precision=precision)
    local, every = local_processes()
    fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=every // local, strategy="ddp", precision=precision)
    fabric.launch()  # the processes are there; this makes them know each other
    return fabric


@contextmanager
def _threads(recipe: Recipe) -> Iterator[None]:
    """One CPU thread for small heads: sums are then taken in one order on every machine, and they gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if recipe.is_small else max(1, threads // local_processes()[0]))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
