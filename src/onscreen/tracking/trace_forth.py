"""On from a clip, a face, a person or a video: what the stages say of it, and which models saw it, on which side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from onscreen.errors import InputError
from onscreen.inspection.evidence import Subject, Tables, find
from onscreen.matching.folder import digest_of_person
from onscreen.tracking.trace_known import FOLDERS, Known
from onscreen.tracking.trace_states import State
from onscreen.tracking.trace_uses import SIDES, Part, Uses, config_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_SEEN = {"train": "trained on it", "val": "its epoch was chosen on it", "test": "tested on it"}
_HERE = "the checkout"


def subject_of(store: Known, name: str) -> tuple[Subject, State, str]:
    """The clip, face, person or video of that name, the tables that know it, and whose they are: the checkout's, or else those of
    the newest pass that does. Raises InputError, naming what is near to it in the checkout."""
    here = store.states.here()
    try:
        return find(Tables(here.workspace), name), here, _HERE
    except InputError:
        for facts in reversed(store.passes):
            state = store.states.of(facts.md5s)
            try:
                return find(Tables(state.workspace), name), state, f"pass {facts.run_id} ({facts.experiment})"
            except InputError:
                continue
        raise


def lines_of_subject(store: Known, subject: Subject, state: State, place: str) -> Iterator[str]:
    """What the tables and the models say of it."""
    yield f"{subject.kind} {subject.name}"
    if place != _HERE:
        yield f"The checkout does not hold it; what follows is from {place}."
    yield from _in_tables(Tables(state.workspace), subject)
    yield "\nModels:"
    rows = [*_versions(store, subject, _people(state, subject)), *_not_registered(store, subject)]
    yield from rows or ["No recorded pass used it."]


def _in_tables(tables: Tables, subject: Subject) -> Iterator[str]:
    for clip in subject.clips:
        yield f"data/prepared    {clip.clip_id}  {clip.start_s:.2f}-{clip.end_s:.2f} s of {clip.source}"
    faces = {face.face_id for face in subject.faces}
    yield from (f"data/faces       {face.face_id}  of {face.clip_id}" for face in subject.faces)
    yield from (f"data/identities  {row.face_id}  is {row.identity_id}" for row in tables.identities if row.face_id in faces)
    clips = {clip.clip_id for clip in subject.clips}
    voices = [voice for voice in tables.voices if voice.clip_id in clips and subject.kind != "face"]
    yield from (f"data/voices      {voice.clip_id}  is the voice of {voice.face_id or 'nobody known'}" for voice in voices)
    for row in tables.splits:
        if row.face_id in faces:
            yield f"data/splits      {row.face_id}  {' '.join([row.split, row.reason]).strip()}"
    yield from (f"reject           {row.item}  {row.stage} ({row.scope}) {row.code}" for row in subject.rejects(tables))


def _people(state: State, subject: Subject) -> set[str]:
    faces = {face.face_id for face in subject.faces}
    return {row.identity_id for row in Tables(state.workspace).identities if row.face_id in faces}


def _versions(store: Known, subject: Subject, people: Iterable[str]) -> Iterator[str]:
    for version in store.versions:
        try:
            facts = store.facts(version)
        except InputError:
            yield f"{store.title(version)}  unknown: its run {version.run_id} is not in the store"
            continue
        uses = store.uses(store.states.of(facts.md5s), version.name)
        about = _seen(uses, subject) if uses else _by_people(store, version, people)
        if about:
            yield f"{store.title(version)}  {about}  run {facts.run_id}"


def _not_registered(store: Known, subject: Subject) -> Iterator[str]:
    """Models of passes that are not the pass of a version: an experiment's, or one that only tests on something else."""
    registered = {version.run_id for version in store.versions}
    for facts in store.passes:
        for model, folder in FOLDERS.items():
            uses = store.uses(store.states.of(facts.md5s), model) if folder in facts.md5s else None
            if uses and facts.run_id not in registered and (about := _seen(uses, subject)):
                yield f"{model} of pass {facts.run_id} ({facts.experiment})  {about}"


def _seen(uses: Uses, subject: Subject) -> str:
    """On which sides a model saw the subject, and what of it: its faces, its voice or both."""
    told = []
    for side in SIDES:
        parts = [part for part in uses.of(side) if _is_of(part, subject)]
        gave = [*["face"][: any(part.faces for part in parts)], *["voice"][: any(part.voice for part in parts)]]
        if parts:
            told.append(f"{side}: {_SEEN[side]} ({'+'.join(gave) if subject.kind != 'face' else 'face'})")
    return "; ".join(told)


def _is_of(part: Part, subject: Subject) -> bool:
    """Whether what a clip gave to a model belongs to the subject. A face is no other face of its clip, nor its voice."""
    is_face = any(face.face_id in part.faces for face in subject.faces)
    if subject.kind == "person":
        return is_face or part.identity_id == subject.name
    return is_face or (subject.kind == "clip" and part.clip_id in {clip.clip_id for clip in subject.clips})


def _by_people(store: Known, version: ModelVersion, people: Iterable[str]) -> str:
    """Of a model whose tables are not here: whether it was trained on the person, which its config.json tells."""
    config = config_of(store.client, version)
    if config is None:
        return ""
    known = {digest_of_person(name) for name in people}
    sides = [
        side
        for side, key in (("train", "training_people_sha256"), ("val", "validation_people_sha256"))
        if known & set(config.get(key, ()))
    ]
    told = "; ".join(f"{side}: {_SEEN[side].replace('it', 'this person', 1)}" for side in sides)
    return f"{told} (by config.json; its tables are not here, so that clips are not known)" if told else ""
