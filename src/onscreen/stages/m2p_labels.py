"""What labels.csv says of dance videos, beside who is seen in them."""

from __future__ import annotations

from pathlib import Path

from onscreen.errors import InputError
from onscreen.faces.agreement import read_rows

LABELS = (*("dance_style", "genre", "difficulty", "artist", "album", "year", "song", "camera", "lighting", "mood", "licence"),)


def read_dance_labels(path: Path) -> dict[str, dict[str, str]]:
    """file -> label -> value of labels.csv, of LABELS; empty cells are no labels, and files without any are not there.

    Other columns are left alone. Empty without such a file. Raises InputError as read_rows does, and for a file with two values of one label.
    """
    found = dict[str, dict[str, str]]()
    for line, row in read_rows(path):
        values = found.setdefault(row["file"], {})
        for name in LABELS:
            value = " ".join(row.get(name, "").split())
            if value and values.setdefault(name, value) != value:
                raise InputError(f"{path}, line {line}: {row['file']} has two labels {name}, {values[name]} and {value}")
    return {file: values for file, values in found.items() if values}
