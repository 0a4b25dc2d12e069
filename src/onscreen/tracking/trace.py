"""`onscreen trace`: from a model back to the videos it came from, and from a video, clip, face or person on to the models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from onscreen.inspection.evidence import Subject, Tables, find
from onscreen.tracking.registry import MODELS, version_of, versions_of
from onscreen.tracking.store import connect
from onscreen.tracking.trace_runs import RunFacts, run_facts
from onscreen.tracking.trace_states import State, States, states
from onscreen.tracking.trace_uses import NEEDS, Part, uses_of
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_FOLDERS = {name: folder for folder, name in MODELS.items()}


def print_trace(workspace: Workspace, name: str) -> None:
    """Print the chain of a registered model, a run, or a clip, face, person or video. Raises InputError for an unknown name."""
    client, experiment = connect(workspace.home)
    with states(workspace) as known:
        for line in _lines(client, experiment, known, name):
            Console(soft_wrap=True, highlight=False, markup=False).print(line)


def _lines(client: MlflowClient, experiment: str, known: States, name: str) -> Iterator[str]:
    if _RUN_ID.fullmatch(name):
        yield from _run(client, known, run_facts(client, name))
    elif re.split("[@/]", name.removeprefix("models:/"))[0] in _FOLDERS:
        yield from _model(client, known, version_of(client, name))
    else:
        yield from _subject(client, experiment, known, find(Tables(known.here().workspace), name))


def _model(client: MlflowClient, known: States, version: ModelVersion) -> Iterator[str]:
    facts = run_facts(client, version.run_id or "")
    yield f"{version.name} version {version.version}" + "".join(f" @{alias}" for alias in version.aliases)
    yield from _chain(known.of(facts.md5s), facts)
    yield from _trained(known.of(facts.md5s), version.name)


def _run(client: MlflowClient, known: States, facts: RunFacts) -> Iterator[str]:
    yield f"{facts.kind} {facts.stage}".strip()
    state = known.of(facts.md5s)
    yield from _chain(state, facts)
    for model in _FOLDERS:
        if facts.stage in ("", f"train_{model}", "evaluate") and _FOLDERS[model] in facts.md5s:
            yield from _trained(state, model)


def _chain(state: State, facts: RunFacts) -> Iterator[str]:
    yield f"run     {facts.run_id}  {facts.kind} {facts.experiment}"
    yield f"commit  {facts.commit}"
    yield f"params  {facts.params}"
    for path, md5 in facts.md5s.items():
        if not path.startswith(("src/", "reports/")):
            yield f"  {md5}  {path}  {state.where.get(path, '')}".rstrip()


def _trained(state: State, model: str) -> Iterator[str]:
    if lacking := state.lacks(*NEEDS[model]):
        yield f"{model}: {', '.join(lacking)} not on this machine: `dvc fetch` brings it"
        return
    uses = uses_of(state, model)
    parts = uses.of("train")
    yield f"{model} was trained on {len({part.identity_id for part in parts})} people, {len(parts)} clips, {uses.pairs['train']} pairs:"
    yield from (_part(part) for part in parts)


def _part(part: Part) -> str:
    gave = [*(["face"] if part.faces else []), *(["voice"] if part.voice else [])]
    return f"  {part.identity_id}  {part.clip_id}  {'+'.join(gave)}  {part.source}".rstrip()


def _subject(client: MlflowClient, experiment: str, known: States, subject: Subject) -> Iterator[str]:
    yield f"{subject.kind} {subject.name}"
    clips = {clip.clip_id for clip in subject.clips}
    for model in _FOLDERS:
        for version in versions_of(client, model):
            state = known.of(run_facts(client, version.run_id or "").md5s)
            if not state.lacks(*NEEDS[model]):
                sides = {part.side for part in uses_of(state, model).parts if part.clip_id in clips}
                if sides:
                    yield f"{model} version {version.version}: {', '.join(sorted(sides))}  run {version.run_id}"
