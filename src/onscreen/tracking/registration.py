"""Registering a model: a version for each content of its folder, as code and safetensors, with its card, tags and what scoring needs."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from onscreen.console import log
from onscreen.errors import ToolError
from onscreen.lineage import Pass
from onscreen.tracking.card import Facts, card, facts_of, summary
from onscreen.tracking.registry import CARD, MD5, MODEL, MODELS, TEST_SET, TRAINING_LIST, versions_of
from onscreen.tracking.serving_files import NAME, brought
from onscreen.tracking.shown import without_login
from onscreen.tracking.store import failures, recorded, store_of
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_PRIVATE = ("last", "rejects.parquet")  # what only resuming needs, and what names clips and people


def register(client: MlflowClient, experiment: str, found: Pass, workspace: Workspace) -> dict[str, ModelVersion]:
    """The checkout's models as registered versions, by name; one is made for a content of a model's folder that has none yet.

    A version appears with its tags, its card and its files, or not at all. Raises ToolError when the store does not take them,
    WeightsError when weights that a version brings are not on this machine.
    """
    md5s = found.md5s()
    registered = {}
    for path, name in MODELS.items():
        if path not in md5s or not any((workspace.root / path).glob("*.safetensors")):
            log.info("%s: no weights, nothing to register", path)
            continue
        known = next((version for version in versions_of(client, name) if version.tags.get(MD5) == md5s[path]), None)
        registered[name] = known or _register(client, experiment, found, workspace, path)
    return registered


def _register(client: MlflowClient, experiment: str, found: Pass, workspace: Workspace, path: str) -> ModelVersion:
    name, run_id = MODELS[path], recorded(client, experiment, found)
    if run_id is None:
        raise ToolError("this pass is not recorded in MLflow; run `onscreen track`")
    facts = facts_of(name, found, workspace)
    try:
        with store_of(client):
            model_id = _log_model(run_id, workspace, path, card(facts))
            _ensure_name(client, name)
            version = client.create_model_version(
                name, f"models:/{model_id}", run_id, _tags(found, path, facts), description=summary(facts), model_id=model_id
            )
    except failures() as error:
        why = f"{path} could not be registered: {without_login(str(error))[:300]}"
        raise ToolError(f"{why}. No version was made; when that is mended, run `onscreen track` again.") from error
    log.info("%s: registered as %s, version %s", path, name, version.version)
    return version


def _ensure_name(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _tags(found: Pass, path: str, facts: Facts) -> dict[str, str]:
    tags = {MD5: found.md5s()[path], TRAINING_LIST: facts.config.get("training_list_sha256")}
    tags[TEST_SET] = facts.figures.get("test_set_sha256")
    return {name: value for name, value in tags.items() if value is not None}


def _log_model(run_id: str, workspace: Workspace, path: str, text: str) -> str:
    """Log the folder, onscreen's own code and what scoring needs as a pyfunc, which loads with pickle forbidden. Returns its id.

    text: of the model card.
    """
    import mlflow

    source = workspace.root / path
    package = Path(__file__).parents[1]
    advice = (
        io.StringIO()
    )  # MLflow asks for an input example and type hints, past every filter; the signature says what they would
    with mlflow.start_run(run_id=run_id), TemporaryDirectory() as name, contextlib.redirect_stderr(advice):
        folder = Path(name)
        shutil.copytree(source, folder / MODEL, ignore=shutil.ignore_patterns(*_PRIVATE))
        (folder / f"{CARD}.md").write_text(text, encoding="utf-8")
        (folder / NAME).mkdir()
        brings = brought(source, workspace.root, workspace.params, folder / NAME)
        logged = mlflow.pyfunc.log_model(
            name=source.name,
            python_model=str(brings.code),
            artifacts={MODEL: str(folder / MODEL), CARD: str(folder / f"{CARD}.md"), **brings.artifacts},
            code_paths=[str(package)],
            signature=brings.signature,
            pip_requirements=brings.requirements,
        )
    return str(logged.model_id)
