"""A training's curve: durable in the model's history.json, which DVC holds, so that no server needs to have been there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onscreen.dvc_cache import DvcCache
from onscreen.lineage import Pass
from onscreen.tracking.store import log_points, points

if TYPE_CHECKING:
    from mlflow import MlflowClient

HISTORY = "history.json"
_NAMES = ("train_loss", "val_loss", "learning_rate", "temperature")

Curve = Sequence[Mapping[str, float]]  # a row an epoch: name -> value


def curve_of(history: Mapping[str, Any]) -> list[dict[str, float]]:
    """The curve that history.json holds; what was not measured (null) is not in it."""
    columns = {name: history[name] for name in _NAMES if name in history}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def curve_digest(curve: Curve) -> str:
    """Tells whether two curves are the same, whoever kept them."""
    rows = [{name: float(value) for name, value in row.items() if name in _NAMES} for row in curve]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:32]


def read_curve(found: Pass, stage: str, root: Path, cache: DvcCache) -> list[dict[str, float]]:
    """The curve of the model that a stage made in a pass, from DVC's cache, or, of the checkout's own pass, from its folder.

    Empty when the stage makes no model, when none could be trained, and when its history.json is not on this machine.
    """
    for path, md5 in found.files(stage, "outs"):
        if not path.startswith("models/"):
            continue
        files = (cache.files(md5) if md5.endswith(".dir") else None) or {}
        places = [cache.file(files[HISTORY])] if HISTORY in files else []
        places += [root / path / HISTORY] if found.name == "workspace" else []
        for place in places:
            if place.is_file():
                return curve_of(json.loads(place.read_text(encoding="utf-8")))
    return []


def complete(client: MlflowClient, run_id: str, curve: Curve) -> None:
    """Write what a run does not hold yet of a curve."""
    for name in _NAMES:
        there = {point.step for point in client.get_metric_history(run_id, name)}
        missing = [(step, row[name]) for step, row in enumerate(curve) if name in row and step not in there]
        log_points(client, run_id, [point for step, value in missing for point in points({name: value}, step)])
