"""What both training stages do: train on pairs, or say that there are too few people; write the model, metrics and plots."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onscreen.cache import code_digest, item_key
from onscreen.config import Train
from onscreen.matching.data import PairSet
from onscreen.matching.folder import TOO_FEW, describe, history, write_trained, write_untrained
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import FEWEST_PEOPLE, Recipe, Trained, train
from onscreen.store import atomic_folder, write_json
from onscreen.tracking import training_run
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class Loaded:
    """Pairs of one side, and what had to be left out: how many items by reason code."""

    pairs: PairSet
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What to train. kinds: of the face and the voice tower. frames: see Recipe. inputs: where the towers' inputs come from."""

    stage: str
    params: Train
    kinds: tuple[str, str]
    frames: int
    inputs: dict[str, Any]


def fit(workspace: Workspace, plan: Plan, training: Loaded, validation: Loaded, folder: Path) -> None:
    """Train and write models/<name>, metrics and plots of the stage."""
    description = describe(plan.params, plan.inputs, training.pairs, validation.pairs)
    trained = None
    with atomic_folder(folder) as out:
        if len(training.pairs.by_person) < FEWEST_PEOPLE:
            write_untrained(out, description)
        else:
            recipe = _recipe(plan, training.pairs)
            trained = _train(workspace, plan, recipe, training.pairs, validation.pairs)
            write_trained(out, recipe, trained, description)
    workspace.write_metrics(plan.stage, _metrics(description["data"], training, validation, trained))
    _write_plots(workspace.plots(plan.stage), description["data"], trained)


def _recipe(plan: Plan, pairs: PairSet) -> Recipe:
    face, voice = TowerSpec(plan.kinds[0], pairs.faces[0].shape[0]), TowerSpec(plan.kinds[1], pairs.voices[0].shape[0])
    return Recipe(plan.params, face, voice, plan.frames)


def _train(workspace: Workspace, plan: Plan, recipe: Recipe, training: PairSet, validation: PairSet) -> Trained:
    """Train, logging every epoch. The state to resume from lies in the item cache, because DVC deletes outputs before a stage."""
    key = item_key(
        inputs=[training.digest, validation.digest],
        code=code_digest("onscreen.matching.train", "torch", "lightning-fabric"),
        params={**plan.params.model_dump(), "kinds": list(plan.kinds), "frames": plan.frames},
    )
    state = workspace.cache_root / "training" / f"{key}.safetensors"
    with training_run(workspace, plan.stage, plan.params.model_dump()) as log:
        return train(recipe, training, validation, state, lambda epoch, row: log(row, epoch))


def _metrics(data: dict[str, int], training: Loaded, validation: Loaded, trained: Trained | None) -> dict[str, Any]:
    left_out = {"left_out": dict(sorted((Counter(training.left_out) + Counter(validation.left_out)).items()))}
    if trained is None:
        return {"status": TOO_FEW, **data, **left_out}
    rows, best = trained.progress.history, trained.progress.best
    known: dict[str, Any] = {"epochs": len(rows), "best_epoch": best, "temperature": trained.matcher.loss.temperature}
    known |= {"train_loss": rows[best]["train_loss"], "val_loss": rows[best].get("val_loss")}
    if not trained.validated:
        known["val_loss_reason"] = (
            f"{data['validation_people']} validation people; {FEWEST_PEOPLE} are needed. The last epoch is kept"
        )
    return {"status": "ok", **data, **known, **left_out}


def _write_plots(folder: Path, data: dict[str, int], trained: Trained | None) -> None:
    with atomic_folder(folder) as out:
        people = [{"side": side, "people": data[f"{side}_people"]} for side in ("training", "validation")]
        write_json(out / "people.json", people)
        if trained is not None:
            (out / "history.csv").write_text(_history_csv(history(trained)), encoding="utf-8")


def _history_csv(rows: dict[str, Any]) -> str:
    """epoch, losses and learning rate; a loss that does not exist is an empty cell."""
    names = ("train_loss", "val_loss", "learning_rate")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", *names))
    for epoch, values in enumerate(zip(*(rows[name] for name in names), strict=True)):
        writer.writerow((epoch, *("" if value is None else repr(value) for value in values)))
    return text.getvalue()
