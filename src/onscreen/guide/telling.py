"""What the commands that train and use face-voice models say alike. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from onscreen.console import console
from onscreen.errors import NothingUsable

if TYPE_CHECKING:
    from onscreen.records import Reject

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
_LISTED = 20  # rejects that are shown; tables hold all


class TooFewPeople(NothingUsable):
    """Nothing can be trained. rejects: what was left out. table: the file that holds it, where one was written."""

    def __init__(self, message: str, rejects: Iterable[Reject], table: Path | None) -> None:
        super().__init__(message)
        self.rejects, self.table = tuple(rejects), table


@contextmanager
def training_told() -> Iterator[None]:
    """Of a training that ends without a model: what was left out, item by item; or that the same command goes on with it."""
    try:
        yield
    except TooFewPeople as error:
        print_rejects(error.rejects, error.table)
        raise
    except KeyboardInterrupt:
        console.print("interrupted: the same command goes on where it stopped", highlight=False)
        raise typer.Exit(INTERRUPTED) from None


def print_rejects(rejects: Iterable[Reject], table: Path | None = None) -> None:
    """The first rejects, one a line. table: the file that holds all."""
    rows = list(rejects)
    for row in rows[:_LISTED]:
        console.print(f"rejected: {row.item}: {row.code}: {row.detail}", highlight=False, markup=False)
    if len(rows) > _LISTED:
        console.print(f"and {len(rows) - _LISTED} more" + (f" in {table.name}" if table else ""), highlight=False, markup=False)
    if rows and table:
        console.print(f"{table} holds all reasons", highlight=False, markup=False)


def last_epoch_kept(validation_people: int) -> str:
    """Why there is no validation loss."""
    few = "no validation people" if not validation_people else "1 validation person; a validation loss needs 2"
    return f"{few}: the last epoch is kept"


def say(text: str) -> None:
    """One line on standard output, whatever its length."""
    Console(soft_wrap=True).print(text, highlight=False, markup=False)
