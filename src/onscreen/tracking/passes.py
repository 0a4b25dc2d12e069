"""Every pass is recorded once, also one that DVC skipped, and any time later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onscreen.lineage import Pass, experiment_passes, flatten, params_digest, require_up_to_date, workspace_pass
from onscreen.tracking.registry import register
from onscreen.tracking.store import RECORDED, connect, find_pass, log_batch, recorded, safe
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["find_pass", "track"]


def track(workspace: Workspace) -> int:
    """Record every pass that MLflow does not know yet: those of experiments, then the checkout's. Returns how many were new.

    Only the checkout's models are registered: an experiment's lie in DVC's cache until `dvc exp apply` brings them here.
    Raises InputError or ToolError, after the experiments, when the checkout holds no pass or is not up to date.
    """
    from filelock import FileLock

    client, experiment = connect(workspace.home)
    with FileLock(workspace.home / ".cache" / "track.lock"):
        new = [found for found in experiment_passes(workspace.root) if _record(client, experiment, found, workspace)]
        here = workspace_pass(workspace.root)
        if not recorded(client, experiment, here):
            require_up_to_date(workspace.root)
            _record(client, experiment, here, workspace)
            new.append(here)
        register(client, experiment, here, workspace.root)
    return len(new)


def _record(client: MlflowClient, experiment: str, found: Pass, workspace: Workspace) -> bool:
    if recorded(client, experiment, found):
        return False
    tags = {"onscreen.kind": "pass", "onscreen.params": params_digest(found.params)}
    tags |= {"DVC_EXP_NAME": found.name, "DVC_EXP_BASELINE_REV": found.baseline}
    tags |= {f"md5.{safe(path)}": md5 for path, md5 in found.md5s().items()}
    run = client.create_run(experiment, run_name=f"pass {found.name}, from {found.baseline[:7]}", tags=tags)
    run_id = run.info.run_id
    numbers = {name: value for name, value in flatten(found.metrics) if isinstance(value, int | float)}
    log_batch(client, run_id, params=dict(flatten(found.params)), metrics=numbers)
    client.log_dict(run_id, found.metrics, "metrics.json")
    client.log_dict(run_id, found.lock, "dvc.lock.json")
    if found.name == "workspace" and (workspace.reports / "report.html").is_file():
        client.log_artifact(run_id, str(workspace.reports / "report.html"))
    client.set_tag(run_id, RECORDED, found.digest)
    client.set_terminated(run_id, "FINISHED")
    return True
