"""What both training stages do: train on pairs, or say that there are too few people; write the model, metrics and plots."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from onscreen.cache import code_digest, item_key
from onscreen.config import Train
from onscreen.console import EpochLog
from onscreen.matching.data import PairSet
from onscreen.matching.distributed import is_first
from onscreen.matching.folder import TOO_FEW, describe, history, write_sources, write_trained, write_untrained
from onscreen.matching.state import epochs_done
from onscreen.matching.towers import TowerSpec, sized
from onscreen.matching.train import FEWEST_PEOPLE, Recipe, Trained, recipe_of, train
from onscreen.records import Reject
from onscreen.store import atomic_folder, write_csv, write_json, write_table
from onscreen.tracking.live import training_run
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class Loaded:
    """Pairs of one side, and what had to be left out of it.

    items: faces and voices that could not be used. people: who lost their last face or voice by that; item is the identity.
    """

    pairs: PairSet
    items: tuple[Reject, ...] = ()
    people: tuple[Reject, ...] = ()

    @property
    def rejects(self) -> tuple[Reject, ...]:
        """All of it."""
        return self.items + self.people


def left_out(*sides: Loaded) -> dict[str, Any]:
    """How many people and, by reason, items are left out of these sides."""
    codes = Counter(row.code for side in sides for row in side.items)
    return {"people": sum(len(side.people) for side in sides), "items": dict(sorted(codes.items()))}


@dataclass(frozen=True)
class Plan:
    """What to train. towers: of faces and voices, as wide as their items where they do not say (sized). frames: see Recipe.
    inputs: where the towers' inputs come from.

    tracked: whether MLflow records the curves; not outside of a checkout. told: what else metrics are to say.
    """

    stage: str
    params: Train
    towers: tuple[TowerSpec, TowerSpec]
    frames: int
    inputs: dict[str, Any]
    tracked: bool = True
    told: dict[str, Any] = field(default_factory=dict)


def fit(workspace: Workspace, plan: Plan, training: Loaded, validation: Loaded, folder: Path) -> None:
    """Train and write models/<name> (with the rejects of both sides), metrics and plots of the stage.

    With devices > 1 the processes are started within; under torchrun this runs in each, and only the first one writes and logs.
    """
    if not is_first():
        _help(workspace, plan, training.pairs, validation.pairs)
        return
    description = describe(plan.params, plan.inputs, training.pairs, validation.pairs)
    trained = None
    with atomic_folder(folder) as out:
        if len(training.pairs.by_person) < FEWEST_PEOPLE:
            write_untrained(out, description)
        else:
            recipe = _recipe(plan, training.pairs)
            state = _state(workspace, plan, training.pairs, validation.pairs)
            state.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{state}.lock"):  # an experiment with the same inputs goes on from the same file
                trained = _train(workspace, plan, recipe, training.pairs, validation.pairs, state)
                write_trained(out, recipe, trained, description, validation.pairs)
        write_sources(out, training.pairs, validation.pairs)
        write_table(out / "rejects.parquet", Reject, training.rejects + validation.rejects)
    workspace.write_metrics(plan.stage, _metrics(plan.params, description["data"], training, validation, trained) | plan.told)
    _write_plots(workspace.plots(plan.stage), description["data"], trained)


def _help(workspace: Workspace, plan: Plan, training: PairSet, validation: PairSet) -> None:
    """Train as one of several processes of which another one writes the result."""
    if len(training.by_person) >= FEWEST_PEOPLE:
        train(
            _recipe(plan, training), training, validation, _state(workspace, plan, training, validation), lambda epoch, row: None
        )


def _recipe(plan: Plan, pairs: PairSet) -> Recipe:
    return Recipe(plan.params, sized(plan.towers[0], pairs.faces), sized(plan.towers[1], pairs.voices), plan.frames)


def _state(workspace: Workspace, plan: Plan, training: PairSet, validation: PairSet) -> Path:
    """The state to resume from, named by all it depends on. It lies in the cache, because DVC deletes outputs before a stage."""
    key = item_key(
        inputs=[],  # their digests are in the recipe
        code=code_digest("onscreen.matching.train", "torch", "transformers", "lightning-fabric"),
        params=recipe_of(_recipe(plan, training), training, validation),
    )
    return workspace.cache_root / "training" / f"{key}.safetensors"


def _train(workspace: Workspace, plan: Plan, recipe: Recipe, training: PairSet, validation: PairSet, state: Path) -> Trained:
    """Train, recording every epoch, and telling how far it is."""
    recorded = training_run(workspace, plan.stage, plan.params.model_dump()) if plan.tracked else nullcontext(_no_record)
    tell = EpochLog(plan.stage, plan.params.num_epochs, epochs_done(state))
    with recorded as record:

        def on_epoch(epoch: int, row: dict[str, float]) -> None:
            record(row, epoch)
            tell(epoch, row)

        return train(recipe, training, validation, state, on_epoch)


def _no_record(metrics: dict[str, float], step: int) -> None:
    """Of a training that MLflow does not record; history.json holds the same."""


def _metrics(
    params: Train, data: dict[str, int], training: Loaded, validation: Loaded, trained: Trained | None
) -> dict[str, Any]:
    lost = {"left_out": left_out(training, validation)}
    if trained is None:
        return {"status": TOO_FEW, **data, **lost}
    rows, best = trained.progress.history, trained.progress.best
    known: dict[str, Any] = {"epochs": len(rows), "best_epoch": best, "temperature": trained.matcher.loss.temperature}
    known |= {"train_loss": rows[best]["train_loss"], "val_loss": rows[best].get("val_loss")}
    if data["training_people"] <= params.batch_size:
        known["batch_size_reason"] = (
            f"one batch of all {data['training_people']} people: no more than batch_size {params.batch_size}"
        )
    if not trained.validated:
        known["val_loss_reason"] = (
            f"{data['validation_people']} validation people; {FEWEST_PEOPLE} are needed. The last epoch is kept"
        )
    return {"status": "ok", **data, **known, **lost}


def _write_plots(folder: Path, data: dict[str, int], trained: Trained | None) -> None:
    with atomic_folder(folder) as out:
        people = [{"side": side, "people": data[f"{side}_people"]} for side in ("training", "validation")]
        write_json(out / "people.json", people)
        if trained is not None:
            names, rows = ("train_loss", "val_loss", "learning_rate"), history(trained)
            values = zip(*(rows[name] for name in names), strict=True)
            write_csv(out / "history.csv", ("epoch", *names), [(epoch, *row) for epoch, row in enumerate(values)])
