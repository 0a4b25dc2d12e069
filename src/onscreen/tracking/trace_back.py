"""Back from a model or a run: what made it, the tables it came from, and every clip and video it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from onscreen.tracking.store import PARENT, STAGE, runs_with
from onscreen.tracking.trace_known import FOLDERS, Known
from onscreen.tracking.trace_runs import RunFacts
from onscreen.tracking.trace_states import ABSENT, State
from onscreen.tracking.trace_uses import NEEDS, Part, Uses

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_NOT_DATA = ("src/", "reports/", "params.yaml")


def lines_of_model(store: Known, version: ModelVersion) -> Iterator[str]:
    """Of a registered version: its run, commit and tables, and what it was trained on."""
    facts = store.facts(version)
    state = store.states.of(facts.md5s)
    yield store.title(version)
    yield from _origin(facts)
    md5 = facts.md5s.get(FOLDERS[version.name], "")
    also = [found for found in store.passes if found.md5s.get(FOLDERS[version.name]) == md5 and found.run_id != facts.run_id]
    yield from (f"same model    in pass {found.run_id}  {found.experiment}" for found in also)
    yield from _tables(state, facts)
    yield from _trained(store, state, version.name, facts)


def lines_of_run(store: Known, facts: RunFacts) -> Iterator[str]:
    """Of a run: a pass's stages and models, a stage's inputs and outputs, a training's pass."""
    yield f"{facts.kind or 'run'} {facts.stage}".strip()
    yield from _origin(facts)
    if facts.kind == "training":
        yield "A training that no pass holds: it is running, it failed, or `onscreen track` did not run since."
    for run in runs_with(store.client, store.experiment, {PARENT: facts.run_id}) if facts.kind == "pass" else ():
        yield f"stage         {run.info.run_id}  {run.data.tags.get(STAGE, '')}"
    if not facts.digest:
        return
    state = store.states.of(facts.md5s)
    yield from _tables(state, facts)
    for model, folder in FOLDERS.items():
        if facts.stage in ("", f"train_{model}", "evaluate") and folder in facts.md5s:
            version = store.version(model, facts.md5s[folder])
            yield f"\n{store.title(version) if version else f'{model}, not registered'}"
            yield from _trained(store, state, model, facts)


def _origin(facts: RunFacts) -> Iterator[str]:
    what = f"{facts.kind} {facts.stage}".strip()
    yield f"run           {facts.run_id}  {what}, {facts.experiment or 'no experiment'}, {facts.status.lower()}"
    if facts.parent:
        yield f"pass          {facts.parent}"
    if facts.trained_in:
        yield f"trained in    {facts.trained_in}"
    for commit in facts.commits:
        yield f"commit        {commit}" + (", with changes that were not committed" if facts.dirty else "")
    if facts.baseline and facts.baseline not in facts.commits:
        yield f"started from  {facts.baseline}"
    yield f"params        {facts.params}"


def _tables(state: State, facts: RunFacts) -> Iterator[str]:
    """Data and models of the pass. Its code has md5s too, and the commit tells more of it."""
    yield "\nMade from, as dvc.lock has it:"
    for path, md5 in facts.md5s.items():
        if not path.startswith(_NOT_DATA):
            yield f"  {md5:<36}  {path}" + (f"  ({state.where[path]})" if path in state.where else "")


def _trained(store: Known, state: State, model: str, facts: RunFacts) -> Iterator[str]:
    uses = store.uses(state, model)
    if uses is None:
        yield from _absent(state, model, facts)
        return
    if not uses.agrees:
        yield f"WARNING: config.json of {FOLDERS[model]} tells other people or pairs than these tables give."
    parts = uses.of("train")
    yield f"\nTrained on {_count(parts)}, {uses.pairs['train']} pairs:"
    for person, own in groupby(parts, key=lambda part: part.identity_id):
        clips = list(own)
        yield f"  person {person}: {_count(clips, people=False)}"
        yield from (f"    {line_of(part)}" for part in clips)
    yield from _others(uses)


def _others(uses: Uses) -> Iterator[str]:
    for side, what in (("val", "Its epoch was chosen on"), ("test", "It is tested on")):
        yield f"{what} {_count(uses.of(side))}, {uses.pairs[side]} pairs."


def _absent(state: State, model: str, facts: RunFacts) -> Iterator[str]:
    paths = [path for path in NEEDS[model] if state.where.get(path, ABSENT) == ABSENT]
    yield f"\nWhat it was trained on is told by {' and '.join(paths)}: not on this machine with the md5s above."
    if facts.experiment not in ("", "workspace"):
        yield f"Where the experiment was pushed: dvc exp pull origin {facts.experiment}"
    yield f"Where its data was pushed, and a commit holds it: dvc fetch --all-commits {' '.join(paths)}"


def _count(parts: Sequence[Part], people: bool = True) -> str:
    videos = {part.source for part in parts if part.source}
    counts = [(len({part.identity_id for part in parts}), "person", "people")] if people else []
    counts += [(len({part.clip_id for part in parts}), "clip", "clips"), (len(videos), "video", "videos")]
    counts += [(len({face for part in parts for face in part.faces}), "face", "faces")]
    counts += [(len({part.clip_id for part in parts if part.voice}), "voice", "voices")]
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts)


def line_of(part: Part) -> str:
    """A clip: whose it is, its id, what it gave, its video."""
    gave = [*(["face"] if part.faces else []), *(["voice"] if part.voice else [])]
    return f"{part.identity_id}  {part.clip_id}  {'+'.join(gave)}  {part.source}".rstrip()
