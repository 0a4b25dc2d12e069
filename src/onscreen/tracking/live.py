"""A training's run: its curves can be watched while it trains."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from onscreen.lineage import flatten, params_digest
from onscreen.tracking.store import connect, dvc_tags, log_batch, log_points, points
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Metric

_WATCHED_S = 2.0  # between writings of a curve; one takes about 10 ms

Log = Callable[[dict[str, float], int], None]


@contextmanager
def training_run(workspace: Workspace, stage: str, params: dict[str, Any], every_s: float = _WATCHED_S) -> Iterator[Log]:
    """An MLflow run for one training; yields log(metrics, step). Curves can be watched: what was logged is written with the
    first call that is every_s after the last writing, so epochs of milliseconds do not wait for the store, and slow ones are
    written one by one.

    A training that raises leaves a run with status FAILED, and all that it logged. One that is killed loses up to every_s of its
    curve; the run that goes on with it logs all epochs again.
    """
    client, experiment = connect(workspace.home)
    tags = {"onscreen.kind": "training", "onscreen.stage": stage, "onscreen.params": params_digest(params), **dvc_tags()}
    run = client.create_run(experiment, run_name=" ".join([stage, os.environ.get("DVC_EXP_NAME", "")]).strip(), tags=tags)
    log_batch(client, run.info.run_id, params=dict(flatten(params)))
    waiting: list[Metric] = []
    written = -math.inf

    def write() -> None:
        nonlocal written
        log_points(client, run.info.run_id, waiting)
        waiting.clear()
        written = time.monotonic()

    def log_epoch(metrics: dict[str, float], step: int) -> None:
        waiting.extend(points(metrics, step))
        if time.monotonic() - written >= every_s:
            write()

    try:
        yield log_epoch
    except BaseException:
        write()
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    write()
    client.set_terminated(run.info.run_id, "FINISHED")
