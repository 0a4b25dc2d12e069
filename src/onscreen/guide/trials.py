"""`onscreen evaluate trials`: published lists of trials, scored with tables of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from onscreen.console import console
from onscreen.guide.commands import PARAMS, errors_exit_with_2

_NAMES = {"face_to_voice": "face to voice ", "voice_to_face": "voice to face ", "verification": ""}


@errors_exit_with_2()
def evaluate_trials(
    lists: Annotated[
        list[Path],
        typer.Option(
            "--list",
            metavar="<path>",
            help="a verification or 1:2 list; for retrieval twice: that of pictures and that of sounds",
        ),
    ],
    faces: Annotated[Path, typer.Option("--faces", help="table of embeddings of pictures, named by the list's paths (.parquet)")],
    voices: Annotated[Path, typer.Option("--voices", help="table of embeddings of sounds, likewise")],
    output: Annotated[Path | None, typer.Option("--output", help="JSON file for all figures", show_default=False)] = None,
) -> None:
    """Score embeddings on the published trial lists of VoxCeleb1.

    The tables hold name and embedding, as `onscreen embed` writes them, and the names are the very paths of the list: embed the
    folders that the paths begin in.

    Exit codes: 0 all rows are scored; 1 some are left out, because their embeddings are missing; 2 none can be scored.
    """
    from onscreen.guide.options import params_of
    from onscreen.matching.figures import Scoring
    from onscreen.matching.trial_lists import read_embeddings, score_trials
    from onscreen.store import write_json

    params = params_of(PARAMS).evaluate
    scoring = Scoring(params.top_k, params.bootstrap, params.seed)
    found = score_trials(lists, read_embeddings(faces), read_embeddings(voices), scoring)
    table = Table(
        "figure", "value", "chance", "95 % interval", title=f"{found['kind']}: {found['scored']} of {found['rows']} rows"
    )
    for row in _rows(found):
        table.add_row(*row)
    Console().print(table)
    if output is not None:
        write_json(output, found)
    if found["status"] != "ok":
        console.print(found["status"], markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _rows(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """name, value, chance and interval, or the reason why there is no value, of every figure."""
    for name, part in found.items():
        if isinstance(part, dict) and "value" not in part:
            yield from _rows(part, _NAMES.get(name, f"{name} "))
        elif isinstance(part, dict):
            known = part.get("low") is not None
            interval = (
                f"{part['low']:.4f} to {part['high']:.4f}" if known else str(part.get("interval_reason", part.get("reason", "")))
            )
            value = "none" if part["value"] is None else f"{part['value']:.4f}"
            yield f"{prefix}{name}", value, f"{part['chance']:.4f}" if "chance" in part else "", interval
