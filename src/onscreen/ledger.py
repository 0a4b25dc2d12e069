"""data/ledger.csv remembers face -> identity -> side and dance -> dancer -> side, so that both keep them when data grows.

Cluster numbers change whenever a video is added; a pure function of the data cannot keep a person on a side. The ledger is
the memory: the stages read it, and only `onscreen ledger freeze`, a deliberate act in git, appends to it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from onscreen.errors import InputError
from onscreen.records import Identity, SplitRow
from onscreen.store import atomic_path

SIDES = ("train", "val", "test")
_DANCE = "-dance"  # ends the key of a dance; keys of faces end in their place in the picture (Face.key)


@dataclass(frozen=True)
class LedgerRow:
    """One face or dance that was frozen.

    face_key names it by content (Face.key, dance_key); face_id is how it was called then, for readers. Dances of validation stand
    on val.
    """

    face_key: str
    face_id: str
    identity_id: str
    split: str


def dance_key(source_sha256: str, start_s: float) -> str:
    """Names a dance by its video's bytes and its place in it."""
    return f"{source_sha256[:16]}@{round(start_s * 1000)}{_DANCE}"


def read_ledger(path: Path) -> dict[str, LedgerRow]:
    """face_key -> row of every face; empty when the file holds none. Raises InputError as read_dances does."""
    return {key: row for key, row in _read(path).items() if not key.endswith(_DANCE)}


def read_dances(path: Path) -> dict[str, LedgerRow]:
    """dance_key -> row of every dance; empty when the file holds none.

    Raises InputError naming the line for a missing file, a wrong header, an unknown side, an empty field or a face listed twice.
    """
    return {key: row for key, row in _read(path).items() if key.endswith(_DANCE)}


def _read(path: Path) -> dict[str, LedgerRow]:
    names = [column.name for column in fields(LedgerRow)]
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). An empty one holds the line {','.join(names)}") from error
    reader = csv.DictReader(io.StringIO(text))
    if list(reader.fieldnames or []) != names:
        raise InputError(f"{path} must begin with the line {','.join(names)}")
    rows: dict[str, LedgerRow] = {}
    for values in reader:
        where = f"{path}, line {reader.line_num}"
        if None in values or any(not value for value in values.values()):
            raise InputError(f"{where}: needs {len(names)} values, none empty: {','.join(names)}")
        row = LedgerRow(**values)
        if row.split not in SIDES:
            raise InputError(f"{where}: split = {row.split!r}: must be one of {', '.join(SIDES)}")
        if row.face_key in rows:
            raise InputError(f"{where}: the face {row.face_key} is listed twice")
        rows[row.face_key] = row
    return rows


def freeze(ledger: Mapping[str, LedgerRow], identities: Iterable[Identity], splits: Iterable[SplitRow]) -> dict[str, LedgerRow]:
    """The ledger with every face that it does not know yet; rows that it holds never change. Quarantined faces stay out."""
    side = {row.face_id: row.split for row in splits}
    grown = dict(ledger)
    for row in sorted(identities, key=lambda identity: identity.face_key):
        if row.face_key not in grown and side.get(row.face_id) in SIDES:
            grown[row.face_key] = LedgerRow(row.face_key, row.face_id, row.ledger_id, side[row.face_id])
    return grown


def freeze_dances(known: Mapping[str, LedgerRow], clips: Iterable[Mapping[str, Any]]) -> dict[str, LedgerRow]:
    """The dances of the ledger with those that it does not know yet; rows that it holds never change. clips: of metadata.json."""
    grown = dict(known)
    for clip in sorted(clips, key=lambda clip: str(clip["id"])):
        key = dance_key(clip["source_sha256"], clip["start_s"])
        side = "train" if clip["split"] == "train" else "val"
        grown.setdefault(key, LedgerRow(key, clip["id"], clip["identity"], side))
    return grown


def write_ledger(path: Path, ledger: Mapping[str, LedgerRow]) -> None:
    """Write the ledger, sorted by identity and face, so that git diffs show only what is new."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(LedgerRow)], lineterminator="\n")
    writer.writeheader()
    rows = sorted(ledger.values(), key=lambda row: (row.identity_id, row.face_key))
    writer.writerows(asdict(row) for row in rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
