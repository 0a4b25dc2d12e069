"""Puts people on sides and pairs their faces with their voices.

A side belongs to an identity, never to a clip. The ledger's side wins; a new person's side is a hash of the identity_id, so it
does not depend on who else is there. People who might be one person on two sides are quarantined until a person decides.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from onscreen.config import Split
from onscreen.ledger import LedgerRow, read_ledger
from onscreen.records import Clip, Face, Identity, Pair, Reject, SplitRow, Voice
from onscreen.store import atomic_folder, read_table, write_json, write_table
from onscreen.workspace import Workspace

STAGE = "split"
QUARANTINE = "quarantine"


def side_of(identity_id: str, params: Split) -> str:
    """The side of a new person: 64 bits of sha256(salt, identity_id) as a point in [0, 1), cut at test and test + val."""
    digest = hashlib.sha256(f"{params.salt}\0{identity_id}".encode()).digest()
    point = int.from_bytes(digest[:8]) / 2**64
    if point < params.test:
        return "test"
    return "val" if point < params.test + params.val else "train"


def assign(params: Split, identities: Iterable[Identity], ledger: Mapping[str, LedgerRow]) -> Iterator[SplitRow | Reject]:
    """Yield the side of every face, and a reject for every identity whose side cannot be told.

    Identities that share a group may be one person, and faces of one content are one, so they share a side: the one that the ledger
    gives to any of them, else the hash of the smallest of their ids before renames (ledger_id). Two ledger sides in one group: all of it
    is quarantined until a person decides.
    """
    groups = ((min(row.ledger_id for row in group), group) for group in _linked(identities))
    for first, rows in sorted(groups, key=itemgetter(0)):
        known = {ledger[row.face_key].split for row in rows if row.face_key in ledger}
        if len(known) > 1:
            side, reason = QUARANTINE, "two_sides"
            for name, count in sorted(Counter(row.identity_id for row in rows).items()):
                detail = (
                    f"data/ledger.csv puts faces of this person on {' and '.join(sorted(known))}; correct its rows, "
                    "or split whom data/identity_overrides.yaml should hold apart"
                )
                yield Reject(name, STAGE, "voice", "two_sides", detail, {"faces": float(count)})
        elif known:
            side, reason = known.pop(), ""
        else:
            side, reason = side_of(first, params), ""
        for row in rows:
            yield SplitRow(row.face_id, row.clip_id, row.identity_id, side, reason)


def _linked(identities: Iterable[Identity]) -> list[list[Identity]]:
    """Rows that share an identity_id, a group or a face_key (copies of one file), directly or through others."""
    rows = sorted(identities, key=lambda row: row.face_id)
    count, first = len(rows), dict[tuple[str, str], int]()
    edges = [
        (number, first.setdefault(name, number))
        for number, row in enumerate(rows)
        for name in (("id", row.identity_id), ("group", row.group), ("key", row.face_key))
    ]
    a, b = np.array(edges, np.int64).reshape(-1, 2).T
    _, labels = connected_components(coo_array((np.ones(len(edges), np.int8), (a, b)), (count, count)), directed=False)
    linked: dict[int, list[Identity]] = defaultdict(list)
    for row, label in zip(rows, labels.tolist(), strict=True):
        linked[label].append(row)
    return list(linked.values())


def pair(splits: Iterable[SplitRow], faces: Mapping[str, Face], voices: Mapping[str, Clip]) -> Iterator[Pair | Reject]:
    """Pair each face with voices of its person.

    faces: by face_id, all. voices: by clip_id, only clips whose voice is usable and is the main person's. A face is paired
    with every voice that comes from another source video (other bytes); a person who has none is paired within a source, and
    the pair says so. Quarantined people get no pair; a person with no voice is a reject.
    """
    people: dict[tuple[str, str], list[Face]] = defaultdict(list)
    for row in splits:
        if row.split != QUARANTINE:
            people[row.identity_id, row.split].append(faces[row.face_id])
    for (identity_id, side), members in sorted(people.items()):
        spoken = [voices[face.clip_id] for face in members if face.person == 0 and face.clip_id in voices]
        if not spoken:
            yield Reject(
                identity_id, STAGE, "voice", "no_voice", "none of its clips has a usable voice", {"faces": float(len(members))}
            )
        apart = {(face.face_id, clip.clip_id) for face in members for clip in spoken if face.source_sha256 != clip.source_sha256}
        chosen = apart or {(face.face_id, clip.clip_id) for face in members for clip in spoken}
        for face_id, clip_id in sorted(chosen):
            yield Pair(identity_id, side, face_id, clip_id, same_source=not apart)


def usable_voices(clips: Iterable[Clip], voices: Iterable[Voice]) -> dict[str, Clip]:
    """clip_id -> clip whose voice is given to its main person."""
    given = {voice.clip_id for voice in voices if voice.face_id is not None}
    return {clip.clip_id: clip for clip in clips if clip.clip_id in given}


def main(workspace: Workspace) -> None:
    """Read identities, faces, clips and the ledger; write data/splits, its metrics and its plot."""
    identities = read_table(workspace.identities / "identities.parquet", Identity)
    faces = read_table(workspace.faces / "faces.parquet", Face)
    clips = read_table(workspace.prepared / "clips.parquet", Clip)
    params = workspace.params
    ledger = read_ledger(workspace.ledger)
    rows = list(assign(params.split, identities, ledger))
    splits = [row for row in rows if isinstance(row, SplitRow)]
    voices = usable_voices(clips, read_table(workspace.voices / "voices.parquet", Voice))
    made = list(pair(splits, {face.face_id: face for face in faces}, voices))
    pairs = [row for row in made if isinstance(row, Pair)]
    rejects = [row for row in [*rows, *made] if isinstance(row, Reject)]
    with atomic_folder(workspace.splits) as folder:
        write_table(folder / "splits.parquet", SplitRow, splits)
        write_table(folder / "pairs.parquet", Pair, pairs)
        write_table(folder / "rejects.parquet", Reject, rejects)
    counts = {
        **_counts(splits, pairs),
        "people_by_ledger": len({row.identity_id for row in identities if row.face_key in ledger}),
    }
    workspace.write_metrics(STAGE, {"status": "ok" if splits else "no people", **counts, "rejects": _codes(rejects)})
    with atomic_folder(workspace.plots(STAGE)) as folder:
        write_json(folder / "people.json", [{"side": side, "people": count} for side, count in counts["people"].items()])


def _counts(splits: Sequence[SplitRow], pairs: Sequence[Pair]) -> dict[str, Any]:
    people = {(row.identity_id, row.split) for row in splits}
    return {
        "people": dict(sorted(Counter(side for _, side in people).items())),
        "pairs": dict(sorted(Counter(row.split for row in pairs).items())),
        "same_source_pairs": sum(row.same_source for row in pairs),
    }


def _codes(rejects: Iterable[Reject]) -> dict[str, int]:
    return dict(sorted(Counter(row.code for row in rejects).items()))
