"""Runs as trace needs them: what made them, and the md5s of all that their pass read and wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from onscreen.errors import InputError
from onscreen.store import read_json
from onscreen.tracking.shown import without_login
from onscreen.tracking.store import COMMIT, DIRTY, KIND, PARENT, RECORDED, STAGE, runs_with

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_MD5 = "md5."
_ALSO = "onscreen.commit."
_TRAINED_IN = "onscreen.trained_in"


@dataclass(frozen=True)
class RunFacts:
    """One run. kind: pass, stage, training (watched, and in no pass) or promotion. stage: "" of a pass.

    experiment: DVC's name of it, "workspace" for a checkout's pass. commits: those that hold the state, or that it was changed from
    where dirty. baseline: the commit that an experiment started from. params: their hash. parent: the pass's run; "" of a pass.
    digest: of the pass; "" outside of one. md5s: path -> md5, of the whole pass where the run belongs to one. trained_in: the run
    in which the curve was made first.
    """

    run_id: str
    kind: str
    stage: str
    status: str
    experiment: str
    baseline: str
    commits: tuple[str, ...]
    dirty: bool
    params: str
    parent: str
    digest: str
    trained_in: str
    md5s: dict[str, str]


def run_facts(client: MlflowClient, run_id: str) -> RunFacts:
    """What MLflow knows of a run. Raises InputError when it is not there."""
    from mlflow.exceptions import MlflowException

    try:
        facts = facts_of(client.get_run(run_id))
        whole = facts_of(client.get_run(facts.parent)) if facts.parent else facts
    except MlflowException as error:
        raise InputError(
            f"there is no run {run_id} in {without_login(client.tracking_uri)}; `onscreen show` says where runs are"
        ) from error
    return replace(facts, md5s=whole.md5s | facts.md5s, digest=whole.digest, commits=whole.commits or facts.commits)


def facts_of(run: Run) -> RunFacts:
    """The same of a run alone, without the pass that it belongs to."""
    tags = run.data.tags
    commits = [tags.get(COMMIT, ""), *(name.removeprefix(_ALSO) for name in tags if name.startswith(_ALSO))]
    return RunFacts(
        run_id=run.info.run_id,
        kind=tags.get(KIND, ""),
        stage=tags.get(STAGE, ""),
        status=run.info.status,
        experiment=tags.get("DVC_EXP_NAME", ""),
        baseline=tags.get("DVC_EXP_BASELINE_REV", ""),
        commits=tuple(dict.fromkeys(commit for commit in commits if commit)),
        dirty=tags.get(DIRTY) == "true",
        params=tags.get("onscreen.params", ""),
        parent=tags.get(PARENT, ""),
        digest=tags.get(RECORDED, ""),
        trained_in=tags.get(_TRAINED_IN, ""),
        md5s={name.removeprefix(_MD5): md5 for name, md5 in tags.items() if name.startswith(_MD5)},
    )


def lock_of(client: MlflowClient, facts: RunFacts) -> dict[str, Any]:
    """dvc.lock of the pass that a run belongs to, paths outside of the checkout hidden (tracking.shown). Raises InputError where none was recorded with it, or it cannot be read."""
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


def passes(client: MlflowClient, experiment: str) -> list[RunFacts]:
    """All passes that are recorded whole, the oldest first."""
    found = [facts_of(run) for run in runs_with(client, experiment, {KIND: "pass"})]
    return [facts for facts in found if facts.digest]
