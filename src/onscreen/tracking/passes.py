"""Every pass is recorded once, also one that DVC skipped, and any time later: a parent run with a child run for each stage.

What a pass is (see lineage.Pass) comes from git, dvc.lock and DVC's cache alone, never from a run that was or was not there. The
parent's tag onscreen.pass, the pass's digest, is set last: a run without it is half a record, and is made anew.

A training's child is its live run where there is one (tracking.live): it is taken in by the first pass that holds its curve.
Otherwise the child is written from history.json, and onscreen.trained_in names the first run that has the same curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from onscreen.console import log
from onscreen.dvc_cache import DvcCache
from onscreen.lineage import Pass, experiment_passes, flatten, params_digest, require_up_to_date, workspace_pass
from onscreen.tracking.curves import complete, curve_digest, read_curve
from onscreen.tracking.duplicates import clear_half_passes, remove_orphans, settle
from onscreen.tracking.inputs import inputs_of, origin_of
from onscreen.tracking.machine import machine_facts
from onscreen.tracking.run_file import unregistered, write_run_file
from onscreen.tracking.shown import shown, shown_path
from onscreen.tracking.store import (
    COMMIT,
    DIRTY,
    KIND,
    LIVE,
    MEMBER,
    PARENT,
    RECORDED,
    STAGE,
    answering,
    as_tags,
    connect,
    find_pass,
    log_batch,
    runs_with,
    set_tags,
)
from onscreen.tracking.unfinished import CURVE, tell_unfinished
from onscreen.tracking.writer import WRITER, writer_of
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["find_pass", "track"]

ALSO = "onscreen.commit."  # tag, with a commit: an experiment that is this pass too
TRAINED_IN = "onscreen.trained_in"


def track(workspace: Workspace) -> int:
    """Record every pass that MLflow does not know yet: those of experiments, then the checkout's. Returns how many were new.

    Only the checkout's models are registered: an experiment's lie in DVC's cache until `dvc exp apply` brings them here. Its run
    ids are written to reports/run.json. With tracking.enabled: false nothing is done.
    Raises InputError or ToolError, after the experiments, when the checkout holds no pass or is not up to date; ToolError when
    the store does not answer.
    """
    if not workspace.params.tracking.enabled:
        log.info("tracking.enabled is false in params.yaml: nothing is recorded. With true, `onscreen track` records it later.")
        return 0
    from filelock import FileLock

    client, experiment = connect(workspace.home)
    with answering(client.tracking_uri), FileLock(workspace.home / ".cache" / "track.lock"):
        tell_unfinished(client, workspace.home)
        clear_half_passes(client, experiment, writer_of(workspace.home))
        book = _Book(client, experiment, workspace)
        new = sum(book.enter(found) for found in experiment_passes(workspace.root, book.commits))
        here = workspace_pass(workspace.root)
        if here.digest not in book.known:
            require_up_to_date(workspace.root)
        new += book.enter(here)
        if unregistered(client, here, workspace.root):
            from onscreen.tracking.registration import register  # imports torch and stages, which takes longer than all else here

            register(client, experiment, here, workspace)
        write_run_file(client, experiment, here, workspace.root)
    return new


@dataclass
class _Book:
    """The passes that the store knows. known: digest -> run. commits: of experiments that need not be read again."""

    client: MlflowClient
    experiment: str
    workspace: Workspace
    known: dict[str, Run] = field(init=False)
    commits: set[str] = field(init=False)

    def __post_init__(self) -> None:
        runs = [run for run in runs_with(self.client, self.experiment, {KIND: "pass"}) if RECORDED in run.data.tags]
        self.known = {run.data.tags[RECORDED]: run for run in reversed(runs)}
        self.commits = {name.removeprefix(ALSO) for run in runs for name in run.data.tags if name.startswith(ALSO)}

    @cached_property
    def cache(self) -> DvcCache:
        return DvcCache.of(self.workspace.root)

    @cached_property
    def origin(self) -> str:
        return origin_of(self.workspace.root)

    def enter(self, found: Pass) -> bool:
        """Record a pass, if it is not known. Returns whether it was new."""
        run = self.known.get(found.digest)
        if run is None:
            remove_orphans(self.client, self.experiment, found.digest)
            run_id = record(self.client, self.experiment, found, self)
            self.known[found.digest] = self.client.get_run(run_id)
            return True
        if found.name != "workspace":
            self.client.set_tag(run.info.run_id, f"{ALSO}{found.commit}", found.name)
        elif run.data.tags.get(DIRTY) == "true" and not found.dirty:
            self._committed(run, found)
        return False

    def _committed(self, run: Run, found: Pass) -> None:
        """A pass that was recorded before its code or parameters were committed gets the commit that holds them."""
        children = runs_with(self.client, self.experiment, {PARENT: run.info.run_id})
        for run_id in [run.info.run_id, *(child.info.run_id for child in children)]:
            set_tags(self.client, run_id, {COMMIT: found.commit, DIRTY: "false"})


def record(client: MlflowClient, experiment: str, found: Pass, book: _Book) -> str:
    """Write a pass: its run, its stages' runs, and, last, the tag by which it counts. Returns the id of its run, or, where
    another machine was faster, of that one's."""
    tags = _common(found) | {KIND: "pass", WRITER: writer_of(book.workspace.home), "onscreen.params": params_digest(found.params)}
    tags |= {"mlflow.source.name": "dvc.yaml"} | {f"md5.{shown_path(path)}": md5 for path, md5 in found.md5s().items()}
    if found.name != "workspace":
        tags[f"{ALSO}{found.commit}"] = found.name
    run = client.create_run(experiment, run_name=f"pass {found.name}, from {found.baseline[:7]}", tags=as_tags(tags))
    run_id: str = run.info.run_id
    log_batch(client, run_id, params=dict(flatten(shown(found.params))), metrics=dict(_numbers(found.metrics)))
    client.log_dict(run_id, found.metrics, "metrics.json")
    client.log_dict(run_id, shown(found.lock), "dvc.lock.json")
    report = book.workspace.reports / "report.html"
    if found.name == "workspace" and report.is_file():
        client.log_artifact(run_id, str(report))
    made = {path for stage in found.lock["stages"] for path, _ in found.files(stage, "outs")}
    inputs = {item.dataset.name: item for stage in found.lock["stages"] for item in inputs_of(found, stage, book.origin)}
    client.log_inputs(run_id, datasets=[item for name, item in inputs.items() if name not in made])
    for stage in found.lock["stages"]:
        _record_stage(client, experiment, found, stage, run_id, book)
    client.set_terminated(run_id, "FINISHED")
    return settle(client, experiment, found.digest, run_id)


def _record_stage(client: MlflowClient, experiment: str, found: Pass, stage: str, parent: str, book: _Book) -> None:
    """Write a stage's run: its live run, taken in, or a new one."""
    params = dict(flatten(shown(found.lock["stages"][stage].get("params", {}).get("params.yaml", {}))))
    curve = read_curve(found, stage, book.workspace.root, book.cache)
    tags = _common(found) | {KIND: "stage", STAGE: stage, MEMBER: found.digest, PARENT: parent}
    tags |= {"onscreen.params": params_digest(params), "mlflow.runName": stage, "mlflow.source.name": f"dvc.yaml:{stage}"}
    tags |= {f"md5.{shown_path(path)}": md5 for kind in ("deps", "outs") for path, md5 in found.files(stage, kind)}
    twins = list(runs_with(client, experiment, {STAGE: stage, CURVE: curve_digest(curve)})) if curve else []
    live = next((run for run in twins if _is_of(run, found)), None)
    if live is not None:
        run_id = live.info.run_id
        params = {name: value for name, value in params.items() if name not in live.data.params}  # one cannot be changed
        set_tags(client, run_id, {name: value for name, value in tags.items() if not name.startswith(("machine.", "version."))})
    else:
        tags |= {CURVE: curve_digest(curve)} if curve else {}
        tags |= {TRAINED_IN: twins[0].info.run_id} if twins else {}
        run_id = client.create_run(experiment, run_name=stage, tags=as_tags(tags)).info.run_id
    log_batch(client, run_id, params=params, metrics=dict(_numbers({stage: found.metrics.get(stage, {})})))
    complete(client, run_id, curve)
    client.log_inputs(run_id, datasets=inputs_of(found, stage, book.origin))
    if live is None:
        client.set_terminated(run_id, "FINISHED")


def _is_of(run: Run, found: Pass) -> bool:
    """Whether a live run that no pass has taken in is of this one: an experiment's is not the checkout's."""
    tags = run.data.tags
    return tags.get(LIVE) == "true" and not tags.get(PARENT) and tags.get("DVC_EXP_NAME") == found.name


def _common(found: Pass) -> dict[str, str]:
    tags = {"DVC_EXP_NAME": found.name, "DVC_EXP_BASELINE_REV": found.baseline}
    return tags | {COMMIT: found.commit, DIRTY: str(found.dirty).lower()} | machine_facts("recorded")


def _numbers(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in flatten(metrics):
        if isinstance(value, int | float):
            yield name, value
