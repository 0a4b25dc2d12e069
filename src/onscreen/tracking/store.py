"""The tracking store: connecting to it, and writing to it in requests of a size that it accepts.

It is sqlite:///<home>/mlflow.db (home: the main checkout, also for experiments in worktrees) unless MLFLOW_TRACKING_URI names
another.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onscreen.errors import ToolError
from onscreen.lineage import Pass

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

EXPERIMENT = "onscreen"
RECORDED = "onscreen.pass"  # tag of a pass's run: its digest
_MAX_PARAM = 6000  # characters of a parameter's value that MLflow's store accepts


def connect(home: Path) -> tuple[MlflowClient, str]:
    """A client of the tracking store and the id of onscreen's experiment; both are made where they do not exist.

    Raises ToolError when the store that MLFLOW_TRACKING_URI names does not answer.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # MLflow's own 7 wait minutes for a server that is not there
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    from filelock import FileLock
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    path = home / "mlflow.db"
    (home / ".cache").mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".cache" / "mlflow.lock"):  # several processes on a fresh database crash each other
        try:
            client = MlflowClient(tracking_uri=uri or f"sqlite:///{path}")
            experiment = client.get_experiment_by_name(EXPERIMENT)
        except MlflowException as error:
            raise ToolError(f"MLflow's store {uri or path} does not answer: {str(error)[:300]}") from error
        if experiment is None:
            place = None if uri else (home / "mlartifacts").as_uri()
            experiment = client.get_experiment(client.create_experiment(EXPERIMENT, artifact_location=place))
            if uri is None:
                with contextlib.closing(sqlite3.connect(path)) as db:
                    db.execute("PRAGMA journal_mode=WAL")  # readers, such as the UI, do not block a training that writes
    return client, experiment.experiment_id


@contextmanager
def store_of(client: MlflowClient) -> Iterator[None]:
    """Point MLflow's own functions, which know only a global store, at the client's; they write it into the environment."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def recorded(client: MlflowClient, experiment: str, found: Pass) -> str | None:
    """The id of the run that holds this pass, or None when it is not recorded."""
    return find_pass(client, experiment, found.digest)


def find_pass(client: MlflowClient, experiment: str, digest: str) -> str | None:
    """The id of the parent run of the pass of this digest, whole: the tag is set last. Of several the oldest."""
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    runs = client.search_runs([experiment], f"tags.`{RECORDED}` = '{digest}'", max_results=1, order_by=order)
    return runs[0].info.run_id if runs else None


def log_batch(
    client: MlflowClient,
    run_id: str,
    *,
    params: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> None:
    from mlflow.entities import Param

    texts = [Param(safe(name), str(value)[:_MAX_PARAM]) for name, value in (params or {}).items()]
    log_points(client, run_id, points(metrics or {}, 0))
    for start in range(0, len(texts), 90):  # and up to 100 parameters
        client.log_batch(run_id, params=texts[start : start + 90])


def points(metrics: dict[str, float], step: int) -> list[Metric]:
    """Values at a step, as of now."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(safe(name), float(value), now, step) for name, value in metrics.items()]


def log_points(client: MlflowClient, run_id: str, points: list[Metric]) -> None:
    for start in range(0, len(points), 900):  # one request holds up to 1,000 metrics
        client.log_batch(run_id, metrics=points[start : start + 900])


def safe(name: str) -> str:
    """A name that MLflow accepts."""
    return re.sub(r"[^\w\-. /:]", "_", name)


def dvc_tags() -> dict[str, str]:
    return {name: os.environ[name] for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV") if name in os.environ}
