"""A training's run: its curves can be watched while it trains.

The durable curve is history.json in the model's folder. So a store that is down, or goes away, costs a training nothing: one line
says so, no more is written to it, and `onscreen track` records the whole pass later.

A live run and the record of a pass are no two things in the end: the first pass that holds the live run's curve takes it in as
the child of that training (tracking.passes), completes it, and writes no second one. A later pass in which DVC skipped the
training gets a child of its own, whose tag `onscreen.trained_in` names it. A live run that no pass holds, one that failed, was
killed or was overtaken by another training, stays as it is.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from onscreen import git
from onscreen.console import log
from onscreen.errors import OnscreenError
from onscreen.lineage import MADE_BY_PASSES, flatten, params_digest
from onscreen.tracking.curves import curve_digest
from onscreen.tracking.machine import machine_facts
from onscreen.tracking.shown import shown, without_login
from onscreen.tracking.store import (
    COMMIT,
    DIRTY,
    KIND,
    LIVE,
    STAGE,
    as_tags,
    connect,
    failures,
    log_batch,
    log_points,
    points,
    set_tags,
)
from onscreen.tracking.unfinished import CURVE, Note
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Metric

_WATCHED_S = 2.0  # between writings of a curve; one takes about 10 ms
_PATIENCE_S = 5  # for an answer of a server: so long, twice, a training may stand still, once

Log = Callable[[dict[str, float], int], None]


@contextmanager
def training_run(workspace: Workspace, stage: str, params: dict[str, Any], every_s: float = _WATCHED_S) -> Iterator[Log]:
    """An MLflow run for one training; yields log(metrics, step). Curves can be watched: what was logged is written with the
    first call that is every_s after the last writing, so epochs of milliseconds do not wait for the store, and slow ones are
    written one by one.

    A training that raises leaves a run with status FAILED, and all that it logged. One that is killed loses up to every_s of its
    curve; the run that goes on with it logs all epochs again. With tracking.enabled: false there is no run.
    """
    if not workspace.params.tracking.enabled:
        yield _no_record
        return
    recorder = _Recorder(workspace, stage, params, every_s)
    try:
        yield recorder.log
    except BaseException:
        recorder.end("FAILED")
        raise
    recorder.end("FINISHED")


def _no_record(metrics: dict[str, float], step: int) -> None:
    """Of a training that MLflow does not record."""


class _Recorder:
    """Writes to the store until that fails once; it never raises."""

    def __init__(self, workspace: Workspace, stage: str, params: dict[str, Any], every_s: float) -> None:
        self._stage, self._every_s = stage, every_s
        self._rows: dict[int, dict[str, float]] = {}
        self._waiting: list[Metric] = []
        self._written = -math.inf
        self._note: Note | None = None
        self._gone = False
        self._try(lambda: self._begin(workspace, params))

    def _begin(self, workspace: Workspace, params: dict[str, Any]) -> None:
        self._client, experiment = connect(workspace.home, _PATIENCE_S, retries=1)
        name = " ".join([self._stage, os.environ.get("DVC_EXP_NAME", "")]).strip()
        run = self._client.create_run(experiment, run_name=name, tags=as_tags(_tags(workspace, self._stage, params)))
        self._run_id = run.info.run_id
        self._note = Note(workspace.home, self._run_id)
        log_batch(self._client, self._run_id, params={f"{self._stage}.{key}": value for key, value in flatten(shown(params))})

    def log(self, metrics: dict[str, float], step: int) -> None:
        """An epoch is over."""
        self._rows[step] = metrics
        if self._gone:
            return
        self._waiting.extend(points(metrics, step))
        if time.monotonic() - self._written >= self._every_s:
            self._try(self._write)

    def _write(self) -> None:
        log_points(self._client, self._run_id, self._waiting)
        self._waiting.clear()
        self._written = time.monotonic()

    def end(self, status: str) -> None:
        """The training is over. Only one that ended well says which curve it made, so only that one can be a pass's."""
        curve = [self._rows[step] for step in sorted(self._rows)]
        tags = {CURVE: curve_digest(curve)} if status == "FINISHED" and curve else {}
        self._try(lambda: self._tell_end(status, tags))
        if self._note is not None:
            self._note.close(status, tags, told=not self._gone)

    def _tell_end(self, status: str, tags: dict[str, str]) -> None:
        self._write()
        set_tags(self._client, self._run_id, tags)
        self._client.set_terminated(self._run_id, status)

    def _try(self, action: Callable[[], None]) -> None:
        if self._gone:
            return
        try:
            action()
        except failures() as error:
            self._gone = True
            self._waiting.clear()
            reason = " ".join(without_login(str(error)).split())[:300]
            log.warning("%s goes on, but MLflow records no more of it; `onscreen track` does, later: %s", self._stage, reason)


def _tags(workspace: Workspace, stage: str, params: dict[str, Any]) -> dict[str, str]:
    tags = {KIND: "training", LIVE: "true", STAGE: stage, "onscreen.params": params_digest(params)}
    tags |= machine_facts("trained") | {"mlflow.source.name": f"dvc.yaml:{stage}"}
    commit = ""
    try:
        commit = git.commit_of(workspace.root)
        tags |= {COMMIT: commit, DIRTY: str(git.is_dirty(workspace.root, MADE_BY_PASSES)).lower()}
    except OnscreenError:  # a folder without git can be trained in too
        log.debug("no commit to name in %s", workspace.root)
    name, baseline = os.environ.get("DVC_EXP_NAME", "workspace"), os.environ.get("DVC_EXP_BASELINE_REV", commit)
    return tags | {"DVC_EXP_NAME": name, "DVC_EXP_BASELINE_REV": baseline}
