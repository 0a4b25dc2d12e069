"""What `onscreen weights list`, `check` and `import` print. Reads at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from onscreen import weights
from onscreen.errors import WeightsError
from onscreen.weights import Model

if TYPE_CHECKING:  # it brings what only fetching needs
    from onscreen.weights_import import Imported


def print_list(console: Console) -> None:
    """Every model. Whether its files are here is looked at, their content is not."""
    for entry in weights.catalogue().values():
        console.print(Text(entry.name, style="bold"), Text("here", "green") if _lies_there(entry) else Text("not here", "yellow"))
        console.print(Padding(_details(entry), (0, 0, 1, 2)))
    console.print("`onscreen weights check` compares the content of every file that is here with its sha256.", highlight=False)


def _lies_there(entry: Model) -> bool:
    try:
        return all(weights.place(entry, file).is_file() for file in entry.files)
    except WeightsError:
        return False


def _details(entry: Model) -> RenderableType:
    rows = {
        "what": entry.about,
        "used for": entry.used_for,
        "licence": entry.licence,
        "trained on": entry.trained_on,
        "from": entry.source,
        "sha256": _digests(entry),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows.items():
        table.add_row(label, Text(value))
    return table


def _digests(entry: Model) -> str:
    kinds = {_kind(entry, file) for file in entry.files}
    return ", ".join(sorted(kinds))


def _kind(entry: Model, file: str) -> str:
    found = weights.digest(entry, file)
    if found is None:
        return "not published: the first file to come is pinned"
    if found.published:
        return "published"
    return f"pinned on first use, {weights.pins()[entry.name][file]['on']}"


def print_check(console: Console, names: Sequence[str]) -> None:
    """Compare every file with its sha256; all models when none is named.

    Raises WeightsError naming every file that is not the right one, and, of models that were named, every missing one.
    """
    entries = [weights.model(name) for name in names] or list(weights.catalogue().values())
    states = {(entry.name, file): weights.state(entry, file) for entry in entries for file in entry.files}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    colours = {"right": "green", "wrong": "red", "unpinned": "yellow", "missing": "yellow"}
    for (name, file), found in states.items():
        table.add_row(
            Text(found, colours[found]), Text(f"{name}/{file}  {_kind(weights.model(name), file) if found == 'right' else ''}")
        )
    console.print(table)
    allowed = {"right"} if names else {"right", "missing"}
    bad = [weights.complaint(weights.model(name), file, found) for (name, file), found in states.items() if found not in allowed]
    if bad:
        raise WeightsError("\n".join(bad))


def print_import(console: Console, result: Imported) -> None:
    """What was taken, what was refused and why, what is missing still."""
    _print_rows(console, "taken", [(f"{name}/{file}", origin) for name, file, origin in result.taken])
    _print_rows(console, "refused", [(file, f"{where}: {why}") for file, where, why in result.refused])
    _print_rows(console, "still missing", [(f"{name}/{file}", "") for name, file in result.missing])


def _print_rows(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    console.print(Text(f"{title} ({len(rows)})", style="bold"))
    for name, more in rows:
        console.print(Padding(Text(name), (0, 0, 0, 2)))
        if more:
            console.print(Padding(Text(more, style="dim", overflow="fold"), (0, 0, 0, 4)))
