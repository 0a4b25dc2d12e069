"""Registered models: what they are called, which versions there are, and how their files come back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from onscreen.errors import InputError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"  # alias of the version that is in use
MD5 = "onscreen.md5"  # tag: DVC's, of the model's folder
MODELS = {"models/face_voice": "face_voice", "models/hq": "hq"}  # folder -> registered name
TEST_SET, TRAINING_LIST = "onscreen.test_set", "onscreen.training_list"  # tags: sha256 of what it was scored on, and trained on
MODEL, CARD = "model", "model_card"  # artifacts of a version


def version_of(client: MlflowClient, name: str) -> ModelVersion:
    """A registered version by name: face_voice (the newest), face_voice/3, face_voice@champion; "models:/" before it may stand.

    Raises InputError, naming what there is.
    """
    model, alias, number = _parts(name)
    known = versions_of(client, model)
    if not known:
        there = sorted(found.name for found in client.search_registered_models() if versions_of(client, found.name))
        raise InputError(
            f"{name}: no version of {model!r} is registered. Registered: {', '.join(there) or 'none; run `onscreen track`'}."
        )
    if alias:
        aliases = client.get_registered_model(model).aliases
        if alias not in aliases:
            told = ", ".join(sorted(aliases)) or "none yet; `onscreen promote` sets champion"
            raise InputError(f"{name}: {model} has no alias {alias!r}. It has: {told}.")
        return client.get_model_version_by_alias(model, alias)
    if number in ("", "latest"):
        return known[-1]
    found = next((version for version in known if str(version.version) == number), None)
    if found is None:
        there = [str(version.version) for version in known]
        raise InputError(f"{name}: {model} has no version {number!r}. It has: {', '.join(there)}.")
    return found


def versions_of(client: MlflowClient, model: str) -> list[ModelVersion]:
    """All versions of a registered model, the newest last."""
    return sorted(client.search_model_versions(f"name = '{model}'"), key=lambda found: int(found.version))


def download_folder(version: ModelVersion, place: Path) -> Path:
    """The model's folder (weights, config.json) of a registered version, brought into `place` from the artifact store.

    Call it within store_of. Raises MlflowException or OSError when the version's files are not there.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.models import Model

    uri = f"models:/{version.name}/{version.version}"
    path = Model.load(uri).flavors["python_function"]["artifacts"][MODEL]["path"]
    place.mkdir(parents=True)
    return Path(download_artifacts(artifact_uri=f"{uri}/{path}", dst_path=str(place)))


def _parts(name: str) -> tuple[str, str, str]:
    """(model, alias, number) of what was asked for; alias and number are empty where there is none."""
    place = re.fullmatch(r"(?:models:/)?([\w.-]+)(?:@([\w.-]+)|/([\w.-]+))?", name)
    if place is None:
        raise InputError(f"{name!r} is no registered model. Ask for face_voice, face_voice/3 or face_voice@champion.")
    model, alias, number = place.groups("")
    return model, alias, number
