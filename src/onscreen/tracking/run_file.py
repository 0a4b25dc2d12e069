"""reports/run.json: which runs hold the checkout's pass. git keeps it; it is no output of a stage, because ids differ by store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from onscreen.errors import ToolError
from onscreen.lineage import RUN_FILE, Pass
from onscreen.store import write_json
from onscreen.tracking.registry import MD5, MODELS, versions_of
from onscreen.tracking.shown import public_address
from onscreen.tracking.store import PARENT, STAGE, find_pass, runs_with

if TYPE_CHECKING:
    from mlflow import MlflowClient


def write_run_file(client: MlflowClient, experiment: str, found: Pass, root: Path) -> None:
    """Write the ids of a pass's runs and of its registered models; the same bytes for the same runs."""
    run_id = find_pass(client, experiment, found.digest)
    if run_id is None:
        raise ToolError("this pass is not recorded in MLflow, or was deleted there; run `onscreen track`")
    content: dict[str, Any] = {"pass": found.digest, "run_id": run_id, "experiment_id": experiment}
    address = public_address(client.tracking_uri)
    if address is not None:
        content["tracking_uri"] = address
    children = runs_with(client, experiment, {PARENT: run_id})
    content["stages"] = {run.data.tags[STAGE]: run.info.run_id for run in children if STAGE in run.data.tags}
    content["models"] = registered_models(client, found)
    try:
        write_json(root / RUN_FILE, content)
    except OSError as error:  # not the store's fault, which the pass is safe in
        raise ToolError(
            f"{RUN_FILE} cannot be written: {error.strerror}. The pass is recorded; `onscreen track` writes it later."
        ) from error


def unregistered(client: MlflowClient, found: Pass, root: Path) -> list[str]:
    """Names of the checkout's models that have weights, and no registered version yet."""
    known, paths = registered_models(client, found), set(found.md5s())
    there = {name for path, name in MODELS.items() if path in paths and any((root / path).glob("*.safetensors"))}
    return sorted(there - set(known))


def registered_models(client: MlflowClient, found: Pass) -> dict[str, dict[str, str]]:
    """Registered name -> the version that holds the pass's model, and the run that it was registered in."""
    models, md5s = {}, found.md5s()
    for path, name in MODELS.items():
        same = [version for version in versions_of(client, name) if path in md5s and version.tags.get(MD5) == md5s[path]]
        if same:
            models[name] = {"version": str(same[0].version), "run_id": str(same[0].run_id)}
    return models
