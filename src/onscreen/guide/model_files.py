"""What the commands that train and score face-voice models in any folder share: the model's files there, and evaluation_results.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.config import Evaluate
from onscreen.errors import ConfigError
from onscreen.matching.data import PairSet
from onscreen.matching.folder import LAST, PARTS, read_config
from onscreen.matching.metrics import Scoring, evaluate, permuted_check
from onscreen.matching.recipe import INDIFFERENT
from onscreen.matching.state import check_same_recipe
from onscreen.matching.strata import labels_of, summary
from onscreen.matching.towers import FaceVoiceModel
from onscreen.matching.trials import trials_of
from onscreen.own_folder import OwnFolder
from onscreen.records import Reject
from onscreen.stages.contamination import backbones_of, contamination
from onscreen.stages.evaluate import NO_NUMBERS, backbones_trained_on
from onscreen.stages.labels import Known
from onscreen.store import write_table

RESULTS, REJECTS = "evaluation_results.json", "rejects.parquet"
ACCURACIES = (1, 5, 10)  # the guide's
FILES = ("config.json", "history.json", REJECTS, LAST, *(f"{part}.safetensors" for part in PARTS))


def refuse_other_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError that names the keys in which a model in the folder differs. settings: sections of config.json."""
    if not (folder / "config.json").is_file():
        return
    config = read_config(folder)
    there, now = ({name: _compared(part.get(name) or {}) for name in settings} for part in (config, settings))
    check_same_recipe(there, now, f"--save_dir {folder}")


def _compared(section: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says how a run is computed, not what."""
    return {name: value for name, value in section.items() if name not in INDIFFERENT}


def place(made: Path, own: OwnFolder) -> None:
    """Move a model into its place; config.json comes last, so that half a model is none."""
    names = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    own.claim({*own.written(), *names, RESULTS})
    (own.path / "config.json").unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: name == "config.json"):
        (own.path / name).parent.mkdir(exist_ok=True)
        (made / name).replace(own.path / name)


def write_rejects(own: OwnFolder, rejects: Iterable[Reject]) -> Path | None:
    """Write what was left out of a training that gave no model. A model that is there keeps the table of its own: then None."""
    if (own.path / "config.json").exists():
        return None
    own.claim({*own.written(), REJECTS})
    write_table(own.path / REJECTS, Reject, rejects)
    return own.path / REJECTS


def results_of(
    model: FaceVoiceModel,
    pairs: PairSet,
    config: Mapping[str, Any],
    params: Evaluate,
    top_k: int,
    corpora: tuple[str, ...],
    known: Known | None = None,
) -> dict[str, Any]:
    """What evaluation_results.json says of a model on test people, two or more.

    config: of the model. corpora: those that the test people are from. known: label -> person -> value, for the strata in which
    only people of one label are told apart. Raises ConfigError when the model gives no numbers.
    """
    scoring = Scoring(tuple(sorted({*ACCURACIES, top_k})), params.bootstrap, params.seed)
    trials = trials_of(pairs, model.embed_faces(pairs.faces), model.embed_voices(pairs.voices))
    if not all(np.isfinite(side.vectors).all() for side in (trials.faces, trials.voices)):
        raise ConfigError(f"{NO_NUMBERS}: its training diverged. Train it anew with a lower --learning_rate")
    calibration = config.get("calibration", {"threshold": None, "reason": "this model was trained without one"})
    threshold = calibration["threshold"]
    labels = labels_of(pairs.people, known or {})
    figures = evaluate(trials, scoring, str(calibration["reason"]) if threshold is None else float(threshold), labels)
    found = figures["all"]
    named = {f"top{k}_accuracy": found["face_to_voice"][f"top{k}"] for k in ACCURACIES}
    named["roc_auc_score"] = found["verification"]["auc"]
    return {
        "status": "ok",
        **{name: figure["value"] for name, figure in named.items()},
        "reasons": {name: figure["reason"] for name, figure in named.items() if figure["value"] is None},
        "chance": {name: figure["chance"] for name, figure in named.items() if "chance" in figure},
        "num_samples": len(pairs.links),
        "people": len(trials.people),
        "faces": len(pairs.faces),
        "voices": len(pairs.voices),
        "same_source_pairs": sum(link.same_source for link in pairs.links),
        "top_k": top_k,
        "labels": summary(labels, trials.people),
        **figures,
        "permuted_labels": permuted_check(trials, params.seed),
        "backbones_trained_on": backbones_trained_on(config["inputs"]),
        **contamination(backbones_of(config["inputs"]), corpora),
    }
