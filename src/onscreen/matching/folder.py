"""A model on disk: the best weights by part, `last/` to go on from, config.json to load it by, history.json.

Nothing in it depends on when or where it was written: DVC compares bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from onscreen.config import Train
from onscreen.errors import CorruptTable, InputError
from onscreen.matching.data import PairSet
from onscreen.matching.metrics import choose_threshold
from onscreen.matching.towers import FaceVoiceModel, TowerSpec
from onscreen.matching.train import FEWEST_PEOPLE, Recipe, Trained
from onscreen.matching.trials import trials_of
from onscreen.matching.verification import errors_at
from onscreen.store import read_json, write_json

PARTS = ("face_encoder", "face_projection", "audio_encoder", "audio_projection")
LAST = "last/training_state.safetensors"
SOURCES = "sources_sha256.txt"
TOO_FEW = "too few people to train"
_SHOWN = 3  # names in an error


def digest_of_person(identity_id: str) -> str:
    """sha256 of an identity's id: tells whether a model was trained on them without naming anyone."""
    return hashlib.sha256(identity_id.encode()).hexdigest()


def describe(params: Train, inputs: dict[str, Any], training: PairSet, validation: PairSet) -> dict[str, Any]:
    """What config.json says of every model, trained or not.

    inputs: where the towers' inputs come from (embedder names, mel settings). training_people_sha256: of each person, sorted;
    validation_people_sha256: of those whom the epoch was chosen on.
    """
    people = sorted(digest_of_person(name) for name in training.people)
    return {
        "params": params.model_dump(mode="json"),
        "inputs": inputs,
        "data": {
            "training_people": len(training.people),
            "training_pairs": len(training.links),
            "training_same_source_pairs": sum(link.same_source for link in training.links),
            "validation_people": len(validation.people),
            "validation_pairs": len(validation.links),
        },
        "training_people_sha256": people,
        "validation_people_sha256": sorted(digest_of_person(name) for name in validation.people),
        "training_list_sha256": hashlib.sha256("\n".join(people).encode()).hexdigest(),
    }


def write_sources(folder: Path, *sides: PairSet) -> None:
    """Write what tells the videos that these people were seen and heard in, a line each: 16 hex digits of a sha256 of theirs.

    Identities may get other names; by its videos a person is still known as one whom the model has met.
    """
    (folder / SOURCES).write_text("".join(f"{one}\n" for one in sorted({digest for side in sides for digest in _sources(side)})))


def read_sources(folder: Path) -> frozenset[str]:
    """What write_sources has written; empty for a model of before there was such a file."""
    path = folder / SOURCES
    return frozenset(path.read_text(encoding="ascii").split()) if path.is_file() else frozenset()


def met(pairs: PairSet, sources: Collection[str]) -> set[str]:
    """Identity ids of the people of whom a face or a voice comes from one of these sources (of read_sources)."""
    seen = set(sources)
    return {
        pairs.people[link.person]
        for link in pairs.links
        if seen & {_source(pairs.face_source[link.face]), _source(pairs.voice_source[link.voice])}
    }


def _sources(pairs: PairSet) -> Iterator[str]:
    for link in pairs.links:
        yield _source(pairs.face_source[link.face])
        yield _source(pairs.voice_source[link.voice])


def _source(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def write_untrained(folder: Path, description: dict[str, Any]) -> None:
    """Write config.json and history.json of a model that could not be trained: they say why, and there are no weights."""
    people = description["data"]["training_people"]
    reason = f"{people} training people; at least {FEWEST_PEOPLE} are needed, each with a face and a voice"
    write_json(folder / "config.json", {"status": TOO_FEW, "reason": reason, **description})
    write_json(folder / "history.json", {"status": TOO_FEW, "train_loss": [], "val_loss": [], "learning_rate": []})


def write_trained(
    folder: Path, recipe: Recipe, trained: Trained, description: dict[str, Any], validation: PairSet | None = None
) -> None:
    """Write weights, last/, config.json and history.json. validation: pairs that the threshold for one person is chosen on."""
    model, loss = trained.matcher.model, trained.matcher.loss
    for part in PARTS:
        state = {name: value.contiguous() for name, value in getattr(model, part).state_dict().items()}
        (folder / f"{part}.safetensors").write_bytes(save(state))  # save_file would make it readable for its owner alone
    (folder / LAST).parent.mkdir()
    shutil.copyfile(trained.state, folder / LAST)
    config = {
        "status": "ok",
        "face_tower": recipe.face.as_json(),
        "voice_tower": recipe.voice.as_json(),
        "embedding_dim": recipe.params.embedding_dim,
        "frames": recipe.frames,
        "temperature": loss.temperature,
        "bias": float(loss.bias.detach()),
        "best_epoch": trained.progress.best,
        "selected_by": "lowest validation loss" if trained.validated else "no validation: the last epoch",
        "calibration": calibration(model, validation),
    }
    write_json(folder / "config.json", config | description)
    write_json(folder / "history.json", history(trained))


def calibration(model: FaceVoiceModel, validation: PairSet | None) -> dict[str, Any]:
    """The score from which a face and a voice are taken for one person, and how often that is wrong on the validation people.

    threshold: cosine; null, with a reason, where there are too few of them. missed: share of right combinations below it.
    accepted: share of wrong ones at or above it.
    """
    trials = None
    if validation is not None and validation.links:
        trials = trials_of(validation, model.embed_faces(validation.faces), model.embed_voices(validation.voices))
    threshold = choose_threshold(trials)
    if trials is None or isinstance(threshold, str):
        return {"threshold": None, "reason": str(threshold)}
    missed, accepted = errors_at(trials, threshold)
    return {"threshold": threshold, "validation_people": len(trials.people), "missed": missed, "accepted": accepted}


def history(trained: Trained) -> dict[str, Any]:
    """Lists with one value an epoch. val_loss is null where there was no validation."""
    rows = trained.progress.history
    names = ("train_loss", "val_loss", "learning_rate", "temperature")
    return {"status": "ok", "best_epoch": trained.progress.best, **{name: [row.get(name) for row in rows] for name in names}}


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises InputError when there is none."""
    config: dict[str, Any] = read_json(folder / "config.json")
    return config


def load_model(folder: Path) -> FaceVoiceModel:
    """The best weights, in eval mode on the CPU. Raises InputError when the folder holds a model that could not be trained,
    CorruptTable when weights are missing, or config.json is not theirs: it names what differs.
    """
    config = read_config(folder)
    if config["status"] != "ok":
        raise InputError(f"{folder} holds no weights: {config['status']} ({config['reason']})")
    model = FaceVoiceModel(
        _spec(folder, config, "face_tower"), _spec(folder, config, "voice_tower"), config["embedding_dim"], config["frames"]
    )
    for part in PARTS:
        path = folder / f"{part}.safetensors"
        if not path.is_file():
            raise CorruptTable(f"{path} does not exist, but config.json says that the model was trained. Run `dvc checkout`.")
        _fill(getattr(model, part), path)
    return model.eval()


def _spec(folder: Path, config: Mapping[str, Any], name: str) -> TowerSpec:
    known, there = {field.name for field in fields(TowerSpec) if field.compare}, config.get(name, {})
    try:
        return TowerSpec(**there)
    except TypeError as error:
        differing = ", ".join(sorted(set(there) - known or {"kind"}))
        raise CorruptTable(f"{folder / 'config.json'}: {name} has other keys than this version knows: {differing}") from error


def _fill(part: nn.Module, path: Path) -> None:
    """Load weights. Raises CorruptTable that names what does not fit the module that config.json describes."""
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CorruptTable(f"{path} is not a whole safetensors file: {error}") from error
    wanted = {name: tuple(value.shape) for name, value in part.state_dict().items()}
    there = {name: tuple(value.shape) for name, value in weights.items()}
    differing = [name for name in sorted(wanted | there) if wanted.get(name) != there.get(name)]
    if differing:
        told = [_difference(name, there.get(name), wanted.get(name)) for name in differing[:_SHOWN]]
        more = f", and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise CorruptTable(f"{path} is of another model than config.json beside it: {'; '.join(told)}{more}")
    part.load_state_dict(weights)


def _difference(name: str, there: tuple[int, ...] | None, wanted: tuple[int, ...] | None) -> str:
    if there is None:
        return f"{name} is missing"
    shape, asked = (" x ".join(map(str, sizes)) or "one value" for sizes in (there, wanted or ()))
    return f"{name} is {shape} there and {asked} by config.json" if wanted is not None else f"{name} is not asked for"
