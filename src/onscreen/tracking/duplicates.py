"""One record of a pass: two machines may write the same one at a time, and a writer may be killed half way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from onscreen.tracking.store import KIND, LIVE, MEMBER, PARENT, RECORDED, STAGE, runs_with, set_tags
from onscreen.tracking.writer import WRITER

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_ABANDONED_S = 86_400  # a half pass of another home that is older than this is not being written any more


def settle(client: MlflowClient, experiment: str, digest: str, own: str) -> str:
    """Make the run `own` count as the record of a pass, unless one counts already; of two that came at once the oldest stays,
    whoever looks. What loses is deleted. Returns the id of the run that counts."""
    if next(runs_with(client, experiment, {RECORDED: digest}, page=1), None) is None:
        client.set_tag(own, RECORDED, digest)
    counted = [run.info.run_id for run in runs_with(client, experiment, {RECORDED: digest})]
    winner: str = counted[0]
    for loser in {*counted, own} - {winner}:
        _drop(client, experiment, loser, heir=winner)
    if {*counted, own} != {winner}:
        _one_child_a_stage(client, experiment, winner)
    return winner


def clear_half_passes(client: MlflowClient, experiment: str, writer: str) -> None:
    """Delete what a killed `onscreen track` of this home left, and what another home left long ago."""
    abandoned = (time.time() - _ABANDONED_S) * 1000
    for run in list(runs_with(client, experiment, {KIND: "pass"})):
        own = run.data.tags.get(WRITER) == writer
        if RECORDED not in run.data.tags and (own or run.info.start_time < abandoned):
            _drop(client, experiment, run.info.run_id)


def remove_orphans(client: MlflowClient, experiment: str, digest: str) -> None:
    """Take away the children of records of a pass that somebody deleted."""
    for child in list(runs_with(client, experiment, {MEMBER: digest})):
        if client.get_run(child.data.tags[PARENT]).info.lifecycle_stage == "deleted":
            _part(client, child)


def _drop(client: MlflowClient, experiment: str, run_id: str, heir: str | None = None) -> None:
    """Delete a pass's run and its children; a live run among them goes to the heir, or is free again."""
    for child in list(runs_with(client, experiment, {PARENT: run_id})):
        if heir is not None and child.data.tags.get(LIVE) == "true":
            set_tags(client, child.info.run_id, {PARENT: heir})
        else:
            _part(client, child)
    client.delete_run(run_id)


def _part(client: MlflowClient, child: Run) -> None:
    if child.data.tags.get(LIVE) == "true":
        for tag in (PARENT, MEMBER):
            client.delete_tag(child.info.run_id, tag)
        client.set_tag(child.info.run_id, KIND, "training")
    else:
        client.delete_run(child.info.run_id)


def _one_child_a_stage(client: MlflowClient, experiment: str, parent: str) -> None:
    """Of several the oldest stays: a live run is older than what was written of its training later."""
    there: set[str] = set()
    for child in list(runs_with(client, experiment, {PARENT: parent})):
        stage = child.data.tags.get(STAGE, "")
        if stage in there:
            client.delete_run(child.info.run_id)
        there.add(stage)
