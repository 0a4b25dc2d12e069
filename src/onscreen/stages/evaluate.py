"""evaluate: score both models on people whom they have never seen, and write the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.config import Evaluate
from onscreen.errors import MixedModelsError
from onscreen.matching.data import PairSet, of_people
from onscreen.matching.figures import FEWEST_FOR_INTERVAL
from onscreen.matching.folder import digest_of_person, load_model, read_config
from onscreen.matching.hq_tree import Tree, read_tree
from onscreen.matching.metrics import CHIEF, Scoring, choose_threshold, evaluation, no_figures, permuted_check
from onscreen.matching.strata import labels_of, summary
from onscreen.matching.towers import FaceVoiceModel
from onscreen.matching.trials import Trials, trials_of
from onscreen.records import Reject
from onscreen.report.page import write_report
from onscreen.stages import train_face_voice, train_hq
from onscreen.stages.contamination import OWN, backbones_of, contamination
from onscreen.stages.evaluate_plots import Drawn, drawn_of, write_plots
from onscreen.stages.items import FaceInput, VoiceInput
from onscreen.stages.labels import Known, of_own_people, of_tree
from onscreen.stages.training import Loaded, left_out
from onscreen.store import atomic_path, write_json
from onscreen.workspace import Workspace

STAGE = "evaluate"
MODELS = ("face_voice", "hq")
NO_NUMBERS = "the model's embeddings are not finite numbers"
CORPORA = {"vox1": "VoxCeleb1", "vox2": "VoxCeleb2"}

Sides = dict[str, Loaded]
Load = Callable[[Workspace, dict[str, Any]], Sides]


@dataclass(frozen=True)
class Scores:
    """figures: what evaluate.json says of a model. drawn: its plots, of all combinations; None where there is nothing to draw.

    rejects: what is left out of the test, for the report. samples: chief figure -> (B,) values with people drawn anew, see
    matching.metrics.Evaluation; without people enough for intervals, none.
    """

    figures: dict[str, Any]
    drawn: Drawn | None
    rejects: tuple[Reject, ...] = ()
    samples: dict[str, np.ndarray] = field(default_factory=dict)


def run(
    params: Evaluate,
    model: FaceVoiceModel,
    test: PairSet,
    validation: PairSet,
    known: Mapping[str, Mapping[str, str]] | None = None,
) -> Scores:
    """Figures of one model on test people; the threshold comes from validation people. known: label -> person -> value."""
    scoring = Scoring(params.top_k, params.bootstrap, params.seed)
    trials = _trials(model, test)
    if trials is None:
        return Scores({"status": "no test people", **no_figures(scoring, "no test person has both a face and a voice")}, None)
    if not all(np.isfinite(side.vectors).all() for side in (trials.faces, trials.voices)):
        return Scores({"status": NO_NUMBERS, **no_figures(scoring, NO_NUMBERS)}, None)
    labels = labels_of(test.people, known or {})
    found = evaluation(trials, scoring, choose_threshold(_trials(model, validation)), labels)
    check = permuted_check(trials, params.seed)
    people = {
        "test_set_sha256": test.test_set_sha256,
        "test_people": len(trials.people),
        "validation_people": len(validation.people),
        "labels": summary(labels, trials.people),
    }
    few = len(trials.people) < 2
    status = f"{len(trials.people)} test person: nobody to be told from" if few else "ok"
    figures = {"status": status, **people, **found.figures, "permuted_labels": check}
    return Scores(figures, None if few else drawn_of(trials), samples=found.samples)


def _trials(model: FaceVoiceModel, pairs: PairSet) -> Trials | None:
    if not pairs.links:
        return None
    return trials_of(pairs, model.embed_faces(pairs.faces), model.embed_voices(pairs.voices))


def without(pairs: PairSet, digests: Collection[str]) -> PairSet:
    """The pairs of people whose digest is not among these, and of nobody else."""
    known = set(digests)
    return of_people(pairs, lambda name: digest_of_person(name) not in known)


def load_face_voice(workspace: Workspace, config: dict[str, Any]) -> Sides:
    """Validation and test pairs as the model was trained on: its window of speech, its voice embedder."""
    face, voice = FaceInput(**config["inputs"]["face"]), VoiceInput(**config["inputs"]["voice"])
    found = train_face_voice.face_embedder(workspace)
    if face.tower == "embedding" and found not in (None, face.embedder):
        raise MixedModelsError(f"models/face_voice takes {face.embedder}, data/faces holds {found}; run `dvc repro`")
    return train_face_voice.load_sides(workspace, ("val", "test"), face, voice)


def load_hq(workspace: Workspace, config: dict[str, Any]) -> Sides:
    """Validation and test pairs of the tree, of the model's number of mel bands."""
    face, bands = FaceInput(**config["inputs"]["face"]), config["inputs"]["voice"]["mel_bands"]
    return train_hq.load_sides(workspace, read_tree(workspace.hq), ("val", "test"), face, bands)


def about_own(workspace: Workspace) -> tuple[Known, tuple[str, ...]]:
    """What is known of our own people, and the corpus that they are."""
    return of_own_people(workspace), (OWN,)


def about_tree(workspace: Workspace) -> tuple[Known, tuple[str, ...]]:
    """The same of the tree's people. A tree that says what its files were taken from is made of our own videos."""
    tree = read_tree(workspace.hq)
    if tree.source:
        return about_own(workspace)
    return of_tree(workspace.hq, [person.identity for person in tree.people]), corpora_of(tree)


def corpora_of(tree: Tree) -> tuple[str, ...]:
    """The corpora that the test people of an HQ-VoxCeleb tree are from."""
    return tuple(sorted({CORPORA[person.part] for person in tree.side("test")}))


ABOUT: dict[str, Callable[[Workspace], tuple[Known, tuple[str, ...]]]] = {"face_voice": about_own, "hq": about_tree}
LOADERS: dict[str, Load] = {"face_voice": load_face_voice, "hq": load_hq}


def main(workspace: Workspace) -> None:
    """Score models/face_voice and models/hq; write reports/metrics/evaluate.json, reports/scores.json,
    reports/resamples.json, plots and reports/report.html."""
    scores = {name: score(workspace, name, workspace.models / name) for name in MODELS}
    figures = {name: one.figures for name, one in scores.items()}
    drawn = {name: one.drawn for name, one in scores.items() if one.drawn is not None}
    statuses = {name: one["status"] for name, one in figures.items()}
    status = "ok" if set(statuses.values()) == {"ok"} else "; ".join(f"{name}: {why}" for name, why in statuses.items())
    metrics = {"status": status, **figures}
    workspace.write_metrics(STAGE, metrics)
    write_json(workspace.reports / "scores.json", {name: chief_values(one) for name, one in figures.items()})
    write_resamples(workspace.reports / "resamples.json", scores, workspace.params.evaluate)
    write_plots(workspace.plots(STAGE), MODELS, drawn)
    left_out = [row for one in scores.values() for row in one.rejects]
    curves = {name: one.curves for name, one in drawn.items()}
    write_report(workspace.root, metrics, curves, left_out, sample=(workspace.raw / "sample.json").is_file())


def score(workspace: Workspace, name: str, folder: Path, seen: Collection[str] = ()) -> Scores:
    """Score a model on the checkout's test people. People whom it was trained on take no part, neither in the test nor in the
    threshold.

    name: face_voice or hq, what kind it is. folder: of this model, models/<name> or another version's. seen: digest_of_person of
    people who take no part either. To compare two models, score each without the people that the other was trained on: where both
    figures have the same test_set_sha256, `samples` of both are of the same draws, for matching.paired.paired_interval.
    """
    config = read_config(folder)
    if config["status"] != "ok":
        params = workspace.params.evaluate
        reason = f"{config['status']}: {config['reason']}"
        scoring = Scoring(params.top_k, params.bootstrap, params.seed)
        return Scores({"status": config["status"], "reason": config["reason"], **no_figures(scoring, reason)}, None)
    sides = LOADERS[name](workspace, config)
    seen = {*seen, *config["training_people_sha256"]}
    unseen = {side: without(loaded.pairs, seen) for side, loaded in sides.items()}
    known, corpora = ABOUT[name](workspace)
    scored = run(workspace.params.evaluate, load_model(folder), unseen["test"], unseen["val"], known)
    lost = {
        side: {**left_out(loaded), "trained_on_people": len(loaded.pairs.people) - len(unseen[side].people)}
        for side, loaded in sides.items()
    }
    known_to = contamination(backbones_of(config["inputs"]), corpora)
    about = {"left_out": lost, "backbones_trained_on": backbones_trained_on(config["inputs"]), **known_to}
    rejects = tuple(replace(row, stage=STAGE) for row in sides["test"].rejects)
    return replace(scored, figures=scored.figures | about, rejects=rejects)


def chief_values(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the chief figures under their names in evaluate.json, null where there is none, and of how many people."""
    found: dict[str, Any] = {"test_people": figures.get("test_people")}
    for name in CHIEF:
        stratum, part, figure = name.split(".")
        value = figures[stratum][part].get(figure, {}).get("value")
        found.setdefault(stratum, {}).setdefault(part, {})[figure] = {"value": value}
    return found


def write_resamples(path: Path, scores: Mapping[str, Scores], params: Evaluate) -> None:
    """Write what each model's chief figures are in every draw of people, from which the change between two commits gets its
    interval without the data; a figure a line. A model without any has a reason in their place."""
    with atomic_path(path) as temporary:
        temporary.write_text(_lines({name: _resamples(one, params) for name, one in scores.items()}) + "\n", encoding="utf-8")


def _resamples(scores: Scores, params: Evaluate) -> dict[str, Any]:
    figures = scores.figures
    if "test_people" not in figures:
        return {"reason": figures.get("reason", figures["status"])}
    about = {"test_set_sha256": figures["test_set_sha256"], "people": figures["test_people"]}
    if not scores.samples:
        return about | {"reason": f"{about['people']} people; an interval needs {FEWEST_FOR_INTERVAL}"}
    values = {
        name: [round(value, 5) if np.isfinite(value) else None for value in found.tolist()]
        for name, found in scores.samples.items()
    }
    return about | {"resamples": params.bootstrap, "seed": params.seed, "figures": values}


def _lines(data: Any) -> str:
    """JSON, a list a line."""
    if not isinstance(data, dict):
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    rows = ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in sorted(data.items()))
    return f"{{\n{rows}\n}}"


def backbones_trained_on(inputs: dict[str, Any]) -> dict[str, str]:
    """What the frozen models that the inputs come from were themselves trained on, by what they are: whoever is in there is
    not quite unseen. inputs: of config.json."""
    return {backbone.about: backbone.trained_on for backbone in backbones_of(inputs)}
