"""A model on disk: the best weights by part, `last/` to go on from, config.json to load it by, history.json.

Nothing in it depends on when or where it was written: DVC compares bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from onscreen.config import Train
from onscreen.errors import CorruptTable, InputError
from onscreen.matching.data import PairSet
from onscreen.matching.towers import FaceVoiceModel, TowerSpec
from onscreen.matching.train import FEWEST_PEOPLE, Recipe, Trained
from onscreen.store import read_json, write_json

PARTS = ("face_encoder", "face_projection", "audio_encoder", "audio_projection")
LAST = "last/training_state.safetensors"
TOO_FEW = "too few people to train"


def digest_of_person(identity_id: str) -> str:
    """sha256 of an identity's id: tells whether a model was trained on them without naming anyone."""
    return hashlib.sha256(identity_id.encode()).hexdigest()


def describe(params: Train, inputs: dict[str, Any], training: PairSet, validation: PairSet) -> dict[str, Any]:
    """What config.json says of every model, trained or not.

    inputs: where the towers' inputs come from (embedder names, mel settings). training_people_sha256: of each person, sorted.
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
        "training_list_sha256": hashlib.sha256("\n".join(people).encode()).hexdigest(),
    }


def write_untrained(folder: Path, description: dict[str, Any]) -> None:
    """Write config.json and history.json of a model that could not be trained: they say why, and there are no weights."""
    people = description["data"]["training_people"]
    reason = f"{people} training people; at least {FEWEST_PEOPLE} are needed, each with a face and a voice"
    write_json(folder / "config.json", {"status": TOO_FEW, "reason": reason, **description})
    write_json(folder / "history.json", {"status": TOO_FEW, "train_loss": [], "val_loss": [], "learning_rate": []})


def write_trained(folder: Path, recipe: Recipe, trained: Trained, description: dict[str, Any]) -> None:
    """Write weights, last/, config.json and history.json."""
    model, loss = trained.matcher.model, trained.matcher.loss
    for part in PARTS:
        state = {name: value.contiguous() for name, value in getattr(model, part).state_dict().items()}
        (folder / f"{part}.safetensors").write_bytes(save(state))  # save_file would make it readable for its owner alone
    (folder / LAST).parent.mkdir()
    shutil.copyfile(trained.state, folder / LAST)
    config = {
        "status": "ok",
        "face_tower": {"kind": recipe.face.kind, "inputs": recipe.face.inputs},
        "voice_tower": {"kind": recipe.voice.kind, "inputs": recipe.voice.inputs},
        "embedding_dim": recipe.params.embedding_dim,
        "frames": recipe.frames,
        "temperature": loss.temperature,
        "bias": float(loss.bias.detach()),
        "best_epoch": trained.progress.best,
        "selected_by": "lowest validation loss" if trained.validated else "no validation: the last epoch",
    }
    write_json(folder / "config.json", config | description)
    write_json(folder / "history.json", history(trained))


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
    """The best weights, in eval mode on the CPU. Raises InputError when the folder holds a model that could not be trained."""
    config = read_config(folder)
    if config["status"] != "ok":
        raise InputError(f"{folder} holds no weights: {config['status']} ({config['reason']})")
    face, voice = TowerSpec(**config["face_tower"]), TowerSpec(**config["voice_tower"])
    model = FaceVoiceModel(face, voice, config["embedding_dim"], config["frames"])
    for part in PARTS:
        path = folder / f"{part}.safetensors"
        if not path.is_file():
            raise CorruptTable(f"{path} does not exist, but config.json says that the model was trained. Run `dvc checkout`.")
        getattr(model, part).load_state_dict(load_file(path))
    return model.eval()
