"""What a person reads while it runs: one rich console on standard error, progress that also reads well in a log file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
console = Console(stderr=True, soft_wrap=True)
log = logging.getLogger("onscreen")


def set_up_logging() -> None:
    """Send onscreen's log lines to the console; called once by the command line."""
    handler = RichHandler(console=console, show_time=False, show_path=False, markup=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(message)s")
    log.setLevel(logging.INFO)


def progress(label: str, items: Iterable[T], todo: int, *, of: int) -> Iterator[T]:
    """Pass items through and show how far they are. todo: how many will come; of: all, those already cached included."""
    if not todo:
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
