"""What is known of people beside who they are: gender and nationality, from labels.csv of our own videos or a tree's meta files."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from onscreen.faces.agreement import read_labels
from onscreen.matching.hq_meta import people_of
from onscreen.matching.strata import LABELS
from onscreen.naming import file_stem
from onscreen.records import Face, SplitRow
from onscreen.store import read_table
from onscreen.workspace import Workspace

Known = dict[str, dict[str, str]]
"""label -> person -> value"""
_GENDERS = {"m": "male", "f": "female"}


def of_own_people(workspace: Workspace) -> Known:
    """Labels of our identities, under their ids and under the names of their folders in an HQ tree.

    An identity whose videos are labelled differently has none: either the label or the grouping is wrong.
    """
    found: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in LABELS}
    by_file = read_values(workspace.raw / "labels.csv")
    source = {
        face.face_id: face.source
        for face in read_table(workspace.faces / "faces.parquet", Face)
        if face.person == 0  # labels are of a video's main person
    }
    for row in read_table(workspace.splits / "splits.parquet", SplitRow):
        for name, value in by_file.get(source.get(row.face_id, ""), {}).items():
            found[name][row.identity_id].add(value)
    agreed = {name: {person: value for person, (value, *more) in of.items() if not more} for name, of in found.items()}
    return {name: of | {file_stem(person): value for person, value in of.items()} for name, of in agreed.items()}


def read_values(path: Path) -> dict[str, dict[str, str]]:
    """file -> label -> value of labels.csv; empty cells are no labels. Raises InputError as read_labels does."""
    if not read_labels(path):
        return {}
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    return {row["file"].strip(): _values(row) for row in rows}


def _values(row: Mapping[str, str | None]) -> dict[str, str]:
    found = {name: (row.get(name) or "").strip() for name in LABELS}
    found["gender"] = _GENDERS.get(found["gender"].lower(), found["gender"].lower())
    return {name: value for name, value in found.items() if value}


def of_tree(root: Path, people: Sequence[str]) -> Known:
    """Labels of a tree's people by the names of their folders, from its meta files."""
    about = people_of(root)
    found: Known = {name: {} for name in LABELS}
    for person in people:
        for name in LABELS:
            value = getattr(about.get(unicodedata.normalize("NFC", person)), name, None)
            if value:
                found[name][person] = value
    return found
