"""data/ledger.csv remembers face -> identity -> side, so that people keep both when data grows.

Cluster numbers change whenever a video is added; a pure function of the data cannot keep a person on a side. The ledger is
the memory: the stages read it, and only `onscreen ledger freeze`, a deliberate act in git, appends to it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from onscreen.errors import InputError
from onscreen.records import Identity, SplitRow
from onscreen.store import atomic_path

SIDES = ("train", "val", "test")


@dataclass(frozen=True)
class LedgerRow:
    """One face that was frozen. face_key names it by content (Face.key); face_id is how it was called then, for readers."""

    face_key: str
    face_id: str
    identity_id: str
    split: str


def read_ledger(path: Path) -> dict[str, LedgerRow]:
    """face_key -> row; empty when the file has only its header.

    Raises InputError naming the line for a missing file, a wrong header, an unknown side, an empty field or a face listed twice.
    """
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


def write_ledger(path: Path, ledger: Mapping[str, LedgerRow]) -> None:
    """Write the ledger, sorted by identity and face, so that git diffs show only what is new."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(LedgerRow)], lineterminator="\n")
    writer.writeheader()
    rows = sorted(ledger.values(), key=lambda row: (row.identity_id, row.face_key))
    writer.writerows(asdict(row) for row in rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
