"""`onscreen show`: the results of the last pass on one screen, and where the rest is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from onscreen.cli import STAGES
from onscreen.errors import InputError, ToolError
from onscreen.lineage import flatten, require_up_to_date
from onscreen.store import read_json
from onscreen.tracking.shown import public_address
from onscreen.voices.flags import costs_nothing
from onscreen.workspace import Workspace

_EPOCHS = ("best_epoch", "epochs")
_WAYS = {"face_to_voice": "face → voice", "voice_to_face": "voice → face"}


def summary(workspace: Workspace) -> list[RenderableType]:
    """Two tables, the stages and the scores of both models.

    Raises InputError when no stage has run yet.
    """
    folder = workspace.reports / "metrics"
    found = {stage: read_json(folder / f"{stage}.json") for stage in STAGES if (folder / f"{stage}.json").is_file()}
    if not found:
        raise InputError(f"{folder} holds no metrics: nothing ran here yet. Run `make demo` or `dvc repro` first.")
    return [_stages(found), *_scores(found.get("evaluate", {}))]


def _stages(found: dict[str, dict[str, Any]]) -> Table:
    table = _table("The pass", "stage", "status", "numbers and rejects")
    for stage, metrics in found.items():
        numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
        done = f"epoch {numbers['best_epoch'] + 1} of {numbers['epochs']}" if {"best_epoch", "epochs"} <= numbers.keys() else ""
        numbers |= {name: metrics["labels"][name] for name in ("pairwise_f1",) if name in metrics.get("labels", {})}
        shown = (
            []
            if stage == "evaluate"
            else [f"{name} {_short(value)}" for name, value in numbers.items() if not (done and name in _EPOCHS)]
        )
        rejects = [f"{name} {count}" for name, count in flatten(metrics.get("rejects", {}))]
        lines = [done, _together(shown), *([f"[yellow]rejects: {_together(rejects)}[/yellow]"] if rejects else [])]
        free = [f"{flag} {count}" for flag, count in metrics.get("flags", {}).items() if costs_nothing(flag)]
        lines += [f"flags: {_together(free)} (nothing is lost by these)"] if stage == "voices" and free else []
        table.add_row(stage, str(metrics.get("status", "")), "\n".join(line for line in lines if line))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", ratio=3 if "numbers" in column else None)
    return table


def _together(pairs: Sequence[str]) -> str:
    """Names and their values on as many lines as they need, never one without the other."""
    return ", ".join("=".join(pair.rsplit(" ", 1)) for pair in pairs)


def _scores(evaluated: dict[str, Any]) -> Iterator[RenderableType]:
    rows = [
        (model, *row)
        for model, scored in evaluated.items()
        if isinstance(scored, dict)
        for row in _figures(scored.get("all", {}))
    ]
    if not rows:
        return
    table = _table("Scores on people that the models have never seen", "model", "what", "value", "chance", "95 % interval")
    notes: dict[str, str] = {}  # reasons, each told once
    for model, what, value, chance, interval, reason in rows:
        mark = notes.setdefault(reason, f"({len(notes) + 1})") if reason else ""
        table.add_row(model, what, value, chance, interval or mark)
    yield table
    for reason, mark in notes.items():
        yield f"{mark} {reason}"


def _figures(scored: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    for way, label in _WAYS.items():
        found = scored.get(way, {})
        tops = sorted((name for name in found if name.startswith("top")), key=lambda name: int(name.removeprefix("top")))
        for name in [*tops, "one_of_two"]:
            yield _row(f"{label} {name}, gallery {found.get('gallery', '?')}", found.get(name))
    for name in ("auc", "eer"):
        yield _row(name, scored.get("verification", {}).get(name))


def _row(what: str, figure: dict[str, Any] | None) -> tuple[str, str, str, str, str]:
    """what, value, chance, interval, and the reason where a value or an interval is missing."""
    if figure is None or figure.get("value") is None:
        return what, "none", "", "", (figure or {}).get("reason", "")
    known = figure.get("low") is not None
    interval = f"{_short(figure['low'])} to {_short(figure['high'])}" if known else ""
    chance = _short(figure["chance"]) if "chance" in figure else ""
    return what, _short(figure["value"]), chance, interval, "" if known else figure.get("interval_reason", "")


def _short(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def places(workspace: Workspace) -> list[str]:
    """Where to look next, and what to know before believing the tables: one line each."""
    lines: list[str] = []
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    database = '"$MLFLOW_TRACKING_URI"' if named else quote(f"sqlite:///{workspace.home}/mlflow.db")  # it may hold a password
    store = public_address(named) or f"mlflow ui --backend-store-uri {database}"
    if (workspace.raw / "sample.json").is_file():
        lines.append(f"{workspace.raw} holds sample clips: scores mean nothing but that the pipeline runs.")
    try:
        require_up_to_date(workspace.root)
    except ToolError as stale:
        lines.append(f"Beware: {stale} The tables may mix passes.")
    return [
        *lines,
        f"Report:   {workspace.reports / 'report.html'}",
        f"Rejects:  {workspace.root / 'data'}/*/rejects.parquet",
        f"MLflow:   {store}",
    ]
