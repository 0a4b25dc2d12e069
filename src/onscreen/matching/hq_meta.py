"""The meta files of an HQ-VoxCeleb tree: who each identity is.

    vox1/vox1_meta.csv        VoxCeleb1 ID, VGGFace1 ID (the name), Gender, Nationality, Set; tabs as published
    vox2/full_vox2_meta.csv   Class_ID, Name, Sample_Num, Flag, Gender_x, VoxCeleb2ID, VGGFace2ID, Gender_y, Set; commas as published

Copies of them are about with the other separator, with blanks around names of columns, without Name, and without the line of column
names. So the separator is what the first line holds, and a column is known by its published name or, without that line, by its values.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onscreen.errors import CorruptTable, InputError

PARTS = ("vox1", "vox2")
META_FILES = {"vox1": ("vox1_meta.csv",), "vox2": ("full_vox2_meta.csv", "vox2_meta.csv")}
_SEPARATORS = ("\t", ",", ";")
_GENDERS = {"m": "male", "f": "female", "male": "male", "female": "female"}
_COLUMNS = {  # published name of a column, small letters and digits only -> what it holds
    "voxceleb1id": "speaker",
    "voxceleb2id": "speaker",
    "vggface1id": "name",
    "name": "name",
    "vggface2id": "face",
    "classid": "face",
    "gender": "gender",
    "genderx": "gender",
    "gendery": "gender",
    "nationality": "nationality",
    "set": "set",
    "samplenum": "other",
    "flag": "other",
}


@dataclass(frozen=True)
class About:
    """One row of a meta file. name: as its identity's folder is called. ids: what else the folder may be called (id10001, n000012).

    row: its number, from 0, without the line of column names. gender: male or female. set: dev or test, of speaker verification.
    None: the file does not say.
    """

    part: str
    row: int
    name: str
    ids: tuple[str, ...]
    gender: str | None
    nationality: str | None
    set: str | None


def people_of(root: Path) -> dict[str, About]:
    """What a tree's meta files say about an identity, by every name that its folder may have (Unicode NFC).

    Where both parts have the name, it is what vox1 says. Empty where there is no meta file. Raises CorruptTable as read_meta does.
    """
    known: dict[str, About] = {}
    for part in PARTS:
        path = meta_file(root, part)
        for about in read_meta(path, part) if path else ():
            for name in (about.name, *about.ids):
                known.setdefault(name, about)
    return known


def meta_file(root: Path, part: str) -> Path | None:
    """The part's meta file, None where there is none."""
    paths = (root / part / name for name in META_FILES[part])
    return next((path for path in paths if path.is_file()), None)


def read_meta(path: Path, part: str) -> tuple[About, ...]:
    """The rows of a meta file in its order.

    Raises InputError when it cannot be read, CorruptTable naming the line that has too few columns, or when no column holds names.
    """
    lines = _lines(path)
    first = _header(lines[0][1]) if lines else None
    body = lines[1:] if first else lines
    columns = first or _by_values([cells for _, cells in body])
    keys = [key for key in ("name", "speaker", "face") if key in columns]
    if body and not keys:
        raise CorruptTable(f"{path}: no column holds names or ids; published are {', '.join(sorted(_COLUMNS))}")
    return tuple(_about(path, part, row, number, cells, columns, keys) for row, (number, cells) in enumerate(body))


def plain(name: str) -> str:
    """A name without accents and case: two spellings of one person's (Mario_Lopez, Mario_López) are alike in it."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)).casefold()


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Line number, from 1, and cells of every line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((sign for sign in _SEPARATORS if sign in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, [unicodedata.normalize("NFC", cell.strip()) for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise CorruptTable(f"{path} line {reader.line_num}: {error}") from error
    return [(number, cells) for number, cells in rows if any(cells)]


def _header(cells: Sequence[str]) -> dict[str, int] | None:
    """Column by what it holds; None when this line is no line of column names."""
    kinds = [_COLUMNS.get(re.sub(r"[^a-z0-9]", "", cell.lower())) for cell in cells]
    found = {kind: at for at, kind in reversed(list(enumerate(kinds))) if kind}  # the first of two Gender columns
    return found if len(found) > 1 else None


def _by_values(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Column by what its values look like."""
    tests: dict[str, Callable[[set[str]], bool]] = {
        "speaker": lambda values: all(re.fullmatch(r"id\d+", value) for value in values),
        "face": lambda values: all(re.fullmatch(r"n\d+", value) for value in values),
        "gender": lambda values: {value.lower() for value in values} <= set(_GENDERS),
        "set": lambda values: values <= {"dev", "test", "train", "val"},
        "other": lambda values: all(re.fullmatch(r"\d+", value) for value in values),
    }
    found: dict[str, int] = {}
    for at in range(min((len(cells) for cells in rows), default=0)):
        values = {cells[at] for cells in rows} - {""}
        fits = [kind for kind, test in tests.items() if values and test(values)]
        kind = fits[0] if fits else ("name" if "name" not in found and len(values) == len(rows) else "nationality")
        found.setdefault(kind, at)
    return found


def _about(
    path: Path, part: str, row: int, line: int, cells: Sequence[str], columns: dict[str, int], keys: Sequence[str]
) -> About:
    needed = max(columns.values())
    if len(cells) <= needed:
        raise CorruptTable(f"{path} line {line}: {len(cells)} columns; {needed + 1} are needed")
    names = [cells[columns[key]] for key in keys if cells[columns[key]]]
    if not names:
        raise CorruptTable(f"{path} line {line}: nothing stands where the name should")

    def value(kind: str) -> str | None:
        return cells[columns[kind]] or None if kind in columns else None

    gender = _GENDERS.get((value("gender") or "").lower())
    return About(part, row, names[0], tuple(dict.fromkeys(names[1:])), gender, value("nationality"), value("set"))
