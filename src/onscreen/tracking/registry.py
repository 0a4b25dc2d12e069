"""Registered models: a version for each content of a model's folder, as code and safetensors."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from onscreen.console import log
from onscreen.errors import InputError, ToolError
from onscreen.lineage import Pass
from onscreen.store import read_json
from onscreen.tracking.store import recorded, store_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

CHAMPION = "champion"  # alias of the version that is in use
MD5 = "onscreen.md5"
MODELS = {"models/face_voice": "face_voice", "models/hq": "hq"}  # folder -> registered name
SERVING = [
    "torch",
    "safetensors",
    "numpy",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "pyarrow",
    "rich",
    "lightning-fabric",
    "mlflow",
    "transformers",
]


def register(client: MlflowClient, experiment: str, found: Pass, root: Path) -> None:
    """Register the checkout's models, one version for each content of a model's folder."""
    md5s = found.md5s()
    for path, name in MODELS.items():
        if path not in md5s or not any((root / path).glob("*.safetensors")):
            log.info("%s: no weights, nothing to register", path)
            continue
        if any(known.tags.get(MD5) == md5s[path] for known in versions_of(client, name)):
            continue
        run_id = recorded(client, experiment, found)
        if run_id is None:
            raise ToolError("this pass is not recorded in MLflow; run `onscreen track`")
        with store_of(client):
            number = _log_model(run_id, root, path, name)
        client.set_model_version_tag(name, number, MD5, md5s[path])
        log.info("%s: registered as %s, version %s", path, name, number)


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
    path = Model.load(uri).flavors["python_function"]["artifacts"]["model"]["path"]
    place.mkdir(parents=True)
    return Path(download_artifacts(artifact_uri=f"{uri}/{path}", dst_path=str(place)))


def _parts(name: str) -> tuple[str, str, str]:
    """(model, alias, number) of what was asked for; alias and number are empty where there is none."""
    place = re.fullmatch(r"(?:models:/)?([\w.-]+)(?:@([\w.-]+)|/([\w.-]+))?", name)
    if place is None:
        raise InputError(f"{name!r} is no registered model. Ask for face_voice, face_voice/3 or face_voice@champion.")
    model, alias, number = place.groups("")
    return model, alias, number


def _log_model(run_id: str, root: Path, path: str, name: str) -> str:
    """Log the folder and onscreen's own code as a pyfunc; it loads with pickle forbidden."""
    import mlflow

    package = Path(__file__).parents[1]
    private = shutil.ignore_patterns("last", "rejects.parquet")  # what only resuming needs, and what names clips and people
    advice = (
        io.StringIO()
    )  # MLflow asks for an input example and type hints, past every filter; the signature says what they would
    with mlflow.start_run(run_id=run_id), TemporaryDirectory() as folder, contextlib.redirect_stderr(advice):
        shutil.copytree(root / path, Path(folder) / "model", ignore=private)
        logged = mlflow.pyfunc.log_model(
            name=path.split("/")[1],
            python_model=str(package / "matching" / "serving.py"),
            artifacts={"model": str(Path(folder) / "model")},
            code_paths=[str(package)],
            signature=_signature(read_json(root / path / "config.json")),
            pip_requirements=[f"{library}=={version(library).split('+')[0]}" for library in SERVING],
            registered_model_name=name,
        )
    return str(logged.registered_model_version)


def _signature(config: dict[str, Any]) -> ModelSignature:
    """Columns face and voice in, similarity out; a spectrogram is an array of arrays, a picture one of these."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    vector = Array(DataType.double)
    cells = {"mel": Array(vector), "flatten": Array(vector), "hf_face": Array(Array(Array(DataType.long)))}
    face, voice = (cells.get(config[tower]["kind"], vector) for tower in ("face_tower", "voice_tower"))
    inputs = Schema([ColSpec(face, "face"), ColSpec(voice, "voice")])
    return ModelSignature(inputs, Schema([ColSpec(DataType.float, "similarity")]))
