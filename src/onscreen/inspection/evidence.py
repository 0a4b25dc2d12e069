"""`onscreen why`: what led to the verdict about a clip, a face or a person, from what the stages stored. Nothing is decoded.

screen.py shows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TypeVar

import numpy as np

from onscreen.cache import Item
from onscreen.errors import InputError, WeightsError
from onscreen.faces.clustering import Method, cluster
from onscreen.ledger import LedgerRow, read_ledger
from onscreen.records import Clip, Face, Identity, Reject, SplitRow, View, Voice
from onscreen.stages.extract_faces import measurement_key
from onscreen.store import read_table
from onscreen.workspace import Workspace

Row = TypeVar("Row")

_NEIGHBOURS = 5
_REACH = 2.0  # thresholds: as far as a change of the threshold is looked for
LINKED = 2000  # faces that are clustered again and again to find it: some seconds
_BLOCK = 64  # faces that all others are compared with together


@dataclass(frozen=True)
class Tables:
    """The stages' tables of one checkout, read when asked for; a stage that has not run has an empty one."""

    workspace: Workspace

    @cached_property
    def clips(self) -> list[Clip]:
        return _rows(self.workspace.prepared / "clips.parquet", Clip)

    @cached_property
    def faces(self) -> list[Face]:
        return _rows(self.workspace.faces / "faces.parquet", Face)

    @cached_property
    def views(self) -> list[View]:
        return _rows(self.workspace.faces / "views.parquet", View)

    @cached_property
    def identities(self) -> list[Identity]:
        return _rows(self.workspace.identities / "identities.parquet", Identity)

    @cached_property
    def voices(self) -> list[Voice]:
        return _rows(self.workspace.voices / "voices.parquet", Voice)

    @cached_property
    def splits(self) -> list[SplitRow]:
        return _rows(self.workspace.splits / "splits.parquet", SplitRow)

    @cached_property
    def ledger(self) -> dict[str, LedgerRow]:
        return read_ledger(self.workspace.ledger)

    @cached_property
    def rejects(self) -> list[Reject]:
        here = self.workspace
        folders = (here.prepared, here.faces, here.identities, here.voices, here.splits)
        return [row for folder in folders for row in _rows(folder / "rejects.parquet", Reject)]


def _rows(path: Path, record: type[Row]) -> list[Row]:
    return read_table(path, record) if path.is_file() else []


@dataclass(frozen=True)
class Subject:
    """What was asked about. faces: kept ones. items: all names under which rejects speak of it. person: number in the clip, of a face."""

    name: str
    kind: str
    clips: list[Clip]
    faces: list[Face]
    items: set[str]
    person: int | None = None

    def rejects(self, tables: Tables) -> list[Reject]:
        return [row for row in tables.rejects if row.item in self.items]


def find(tables: Tables, name: str) -> Subject:
    """The person, clip, face or file of that name.

    name: an identity_id, also one from before a rename, a clip_id, a face_id or a video's path, also relative to data.raw. Raises
    InputError naming what is near to it.
    """
    name = _source(tables.workspace.raw, name)
    people = {row.face_id for row in tables.identities if name in (row.identity_id, row.ledger_id)}
    if people:
        faces = [face for face in tables.faces if face.face_id in people]
        own = {face.clip_id for face in faces}
        return Subject(name, "person", [clip for clip in tables.clips if clip.clip_id in own], faces, {name, *people})
    clips = [clip for clip in tables.clips if name in (clip.clip_id, clip.source)]
    if clips:
        own = {clip.clip_id for clip in clips}
        faces = [face for face in tables.faces if face.clip_id in own]
        parts = {row.item for row in tables.rejects if _base(row.item) in own}
        return Subject(name, "clip", clips, faces, own | parts | {clip.source for clip in clips})
    return _face_or_file(tables, name)


def _source(raw: Path, name: str) -> str:
    """A path of a video as tables have it, relative to data.raw; any other name as it is."""
    path = Path(name).absolute()
    return path.relative_to(raw.absolute()).as_posix() if path.is_relative_to(raw.absolute()) and path != raw.absolute() else name


def _face_or_file(tables: Tables, name: str) -> Subject:
    faces = [face for face in tables.faces if face.face_id == name]
    told = [
        row for row in tables.rejects if row.item == name or row.detail.startswith(f"{name}: ")
    ]  # a file's are called by clip_id
    clip_id, person = _parts(name)
    seen = person is not None and any((view.clip_id, view.person) == (clip_id, person) for view in tables.views)
    if faces or told or seen:
        items = {name, *(row.item for row in told)}
        clips = [clip for clip in tables.clips if clip.clip_id == clip_id]
        return Subject(name, "face" if faces or seen else "reject", clips, faces, items, person)
    raise InputError(f"{name} is no clip, face, person or file here. {_nearest_names(tables, name)}")


def _base(face_id: str) -> str:
    """The clip_id of a face_id."""
    return _parts(face_id)[0]


def _parts(face_id: str) -> tuple[str, int | None]:
    """The clip_id of a face_id, and the person's number where it has one."""
    base, _, person = face_id.rpartition("-p")
    return (base, int(person)) if base and person.isdigit() else (face_id, None)


def decided_by(own: Identity, other: Identity, ledger: Mapping[str, LedgerRow]) -> str:
    """What makes two faces one person or two against what the embeddings alone give; "" where these decide."""
    alike, same = own.cluster == other.cluster, own.identity_id == other.identity_id
    if alike == same:
        return ""
    if not same:
        return "split by hand" if own.group != other.group else "kept apart by the ledger"
    known = {ledger[row.face_key].identity_id for row in (own, other) if row.face_key in ledger}
    return "kept together by the ledger" if len(known) == 1 and own.ledger_id == other.ledger_id else "merged by hand"


def sampled_times(tables: Tables, clip: Clip) -> list[float]:
    """When the clip's sampled frames are, in s; empty where the item cache does not hold its measurement."""
    item = measurement(tables, clip)
    return item.meta["frames"] if item else []


def measurement(tables: Tables, clip: Clip) -> Item | None:
    """What the item cache holds of a clip under the present settings."""
    try:
        found = tables.workspace.cache.get(measurement_key(tables.workspace.params.faces, clip))
    except (WeightsError, PackageNotFoundError):  # a model or a detector that is not here made these faces elsewhere
        return None
    return found if isinstance(found, Item) else None


def _nearest_names(tables: Tables, name: str) -> str:
    from difflib import get_close_matches

    names = {clip.clip_id for clip in tables.clips} | {face.face_id for face in tables.faces}
    names |= {row.identity_id for row in tables.identities} | {row.item for row in tables.rejects}
    near = get_close_matches(name, sorted(names), n=5, cutoff=0.4)
    if not names:
        return "No stage has run yet: run `dvc repro` first."
    return f"Near to it: {', '.join(near)}" if near else f"There are {len(names)} names, such as {', '.join(sorted(names)[:3])}"


@dataclass(frozen=True)
class Neighbour:
    """Another face. distance: cosine, 0-2."""

    face: Face
    identity_id: str
    distance: float


def neighbours(tables: Tables, face: Face, count: int = _NEIGHBOURS) -> list[Neighbour]:
    """The nearest faces to a face, nearest first; every other face counts, also those of its own clip."""
    others = [other for other in tables.faces if other.face_id != face.face_id]
    if not others:
        return []
    distances = np.maximum(1 - np.stack([other.embedding for other in others]) @ face.embedding, 0)
    people = {row.face_id: row.identity_id for row in tables.identities}
    order = np.lexsort(([other.face_id for other in others], distances))[:count]
    return [Neighbour(others[row], people.get(others[row].face_id, ""), float(distances[row])) for row in order]


@dataclass(frozen=True)
class Border:
    """At which threshold a face's group changes. then: the nearest such value of 5 decimals. gained, lost: face_ids that join or leave it."""

    then: float
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def borders(faces: Sequence[Face], face: Face, threshold: float, method: Method) -> list[Border] | None:
    """The nearest thresholds below and above the one in force at which the face's group is another one, up to twice of it.

    By the embeddings alone: ledger and corrections are left out. None where more than LINKED faces are linked to it that far.
    """
    near = _neighbourhood(faces, face, threshold * _REACH)
    if near is None:
        return None
    embeddings, clips = np.stack([other.embedding for other in near]), [other.clip_id for other in near]
    own = [other.face_id for other in near].index(face.face_id)

    def group(value: float) -> frozenset[str]:
        labels = cluster(embeddings, clips, value, method)
        return frozenset(near[row].face_id for row in np.flatnonzero(labels == labels[own]))

    now = group(threshold)
    found = []
    for end in (1e-6, min(threshold * _REACH, 1.999)):
        if group(end) == now:
            continue
        inside, outside = threshold, end
        while abs(outside - inside) > 5e-6:
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if group(middle) == now else (inside, middle)
        turn = (math.ceil(outside * 1e5) if end > threshold else math.floor(outside * 1e5)) / 1e5 or end
        then = group(turn)
        found.append(Border(turn, tuple(sorted(then - now)), tuple(sorted(now - then))))
    return found


def _neighbourhood(faces: Sequence[Face], face: Face, limit: float) -> list[Face] | None:
    """All faces that a chain of pairs within the limit links to the face, in order of key: no other can take part in its group.

    None where they are more than LINKED. Holds N x _BLOCK distances at most.
    """
    order = sorted(faces, key=lambda other: (other.key, other.face_id))
    embeddings = np.stack([other.embedding for other in order])
    reached = np.array([other.face_id == face.face_id for other in order])
    waiting = np.flatnonzero(reached)
    while len(waiting):
        near = (embeddings @ embeddings[waiting[:_BLOCK]].T).max(1) >= 1 - limit
        waiting = np.concatenate([waiting[_BLOCK:], np.flatnonzero(near & ~reached)])
        reached |= near
        if np.count_nonzero(reached) > LINKED:
            return None
    return [other for other, inside in zip(order, reached, strict=True) if inside]
