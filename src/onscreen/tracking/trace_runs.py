"""Runs as trace needs them: what made them, and the md5s of all that their pass read and wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from onscreen.errors import InputError
from onscreen.store import read_json

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_MD5 = "md5."
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class RunFacts:
    """One run. kind: pass, stage or training (one that was watched). md5s: path -> md5, of the whole pass where it belongs to one.

    experiment: DVC's name of it, "workspace" for a checkout's pass. params: their hash. parent: the pass's run; "" of a pass.
    """

    run_id: str
    kind: str
    stage: str
    experiment: str
    commit: str
    dirty: str
    params: str
    parent: str
    status: str
    md5s: dict[str, str]


def run_facts(client: MlflowClient, run_id: str) -> RunFacts:
    """What MLflow knows of a run. Raises InputError when it is not there."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise InputError(f"there is no run {run_id} in {client.tracking_uri}") from error
    facts = facts_of(run)
    if not facts.parent:
        return facts
    whole = facts_of(client.get_run(facts.parent))
    return RunFacts(**{**vars(facts), "md5s": whole.md5s | facts.md5s})


def facts_of(run: Run) -> RunFacts:
    tags = run.data.tags
    return RunFacts(
        run_id=run.info.run_id,
        kind=tags.get("onscreen.kind", ""),
        stage=tags.get("onscreen.stage", ""),
        experiment=tags.get("DVC_EXP_NAME", ""),
        commit=tags.get("DVC_EXP_BASELINE_REV", ""),
        dirty=tags.get("git.dirty", ""),
        params=tags.get("onscreen.params", ""),
        parent=tags.get(_PARENT, ""),
        status=run.info.status,
        md5s={name.removeprefix(_MD5): md5 for name, md5 in tags.items() if name.startswith(_MD5)},
    )


def lock_of(client: MlflowClient, facts: RunFacts) -> dict[str, Any]:
    """dvc.lock of the pass that a run belongs to. Raises InputError where none was recorded with it, or it cannot be read."""
    from mlflow.exceptions import MlflowException

    holder = facts.parent or facts.run_id
    with TemporaryDirectory() as folder:
        try:
            found: dict[str, Any] = read_json(Path(client.download_artifacts(holder, "dvc.lock.json", folder)))
        except (MlflowException, OSError) as error:
            what = (
                "a training that was watched; ask for the run of its pass"
                if facts.kind == "training"
                else facts.kind or "no pass"
            )
            raise InputError(f"run {facts.run_id} holds no dvc.lock that can be read: it is {what}. {error}") from error
    return found


def pass_runs(client: MlflowClient, experiment: str) -> list[RunFacts]:
    """All passes, the oldest first."""
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            "tags.`onscreen.kind` = 'pass'",
            max_results=500,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return [facts_of(run) for run in found]
