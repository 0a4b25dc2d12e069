"""What a person reads while it runs: one rich console on standard error, progress that also reads well in a log file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
console = Console(stderr=True, soft_wrap=True)
log = logging.getLogger("onscreen")
_TOLD_EVERY_S = 10.0  # of a training's epochs, most of which are short


def set_up_logging() -> None:
    """Send onscreen's log lines to the console; called once by the command line."""
    handler = RichHandler(console=console, show_time=False, show_path=False, markup=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    log.setLevel(logging.INFO)


def progress(label: str, items: Iterable[T], todo: int, *, of: int) -> Iterator[T]:
    """Pass items through and show how far they are. todo: how many will come; of: all, those already cached included."""
    if not todo:
        if of:
            log.info("%s: %d of %d already measured", label, of, of)
        yield from items
        return
    if not console.is_terminal:
        for count, item in enumerate(items, 1):
            if count == todo or count % max(1, todo // 10) == 0:
                log.info("%s: %d of %d (%d already measured)", label, count, todo, of - todo)
            yield item
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=todo)
        for item in items:
            bar.advance(task)
            yield item


class EpochLog:
    """Tells how far a training is: a line every ten seconds at most, so none for one that is over sooner."""

    def __init__(self, label: str, epochs: int, done: int, every_s: float = _TOLD_EVERY_S) -> None:
        """epochs: at most, because training may stop early. done: of them, by an earlier run that this one goes on with."""
        self._label, self._epochs, self._done, self._every_s = label, epochs, done, every_s
        self._begin = self._told = time.monotonic()

    def __call__(self, epoch: int, row: Mapping[str, float]) -> None:
        """Epoch number `epoch`, from 0, is over. row: train_loss, and val_loss where there is a validation."""
        now, own = time.monotonic(), epoch + 1 - self._done
        if own <= 0 or now - self._told < self._every_s:
            return
        self._told = now
        losses = f"train loss {row['train_loss']:.4g}" + (f", validation loss {row['val_loss']:.4g}" if "val_loss" in row else "")
        left_s = (now - self._begin) / own * (self._epochs - epoch - 1)
        log.info("%s: epoch %d of %d, %s, at most about %s left", self._label, epoch + 1, self._epochs, losses, _span(left_s))


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
