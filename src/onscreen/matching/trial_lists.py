"""Published lists of VoxCeleb1 trials, scored with embeddings by path.

    verification    id,voice-speaker-id,face-speaker-id,label,voice-path,face-path     a line of column names, commas
    one of two      asker right wrong                                                  paths, blanks; a face asks for voices (.wav)
                                                                                       or a voice for faces (.jpg)
    retrieval       VoxCeleb1 ID <tab> jpg, and another one with wav                   two lists: each of one is asked in the other

The embeddings are named by the very paths of the list. Rows whose embedding is missing are left out and said, never scored.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from onscreen.errors import CorruptTable, InputError, MixedModelsError
from onscreen.matching import bootstrap
from onscreen.matching.figures import FEWEST_PEOPLE, Figure, Scored, Scoring, null, with_interval
from onscreen.matching.metrics import PRIORS, figures_of
from onscreen.matching.retrieval import beats
from onscreen.matching.trials import Items, Trials
from onscreen.matching.verification import auc, eer, min_dcf, roc_of_scores

Kind = Literal["verification", "one of two", "retrieval"]
COLUMNS = ("id", "voice-speaker-id", "face-speaker-id", "label", "voice-path", "face-path")
SOUNDS = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus")
NAMED = 3  # missing paths that a message names


@dataclass(frozen=True)
class Verification:
    """Rows of a verification list. voice, face: paths. speaker: of the voice. same: whether both are one person's."""

    voice: list[str]
    face: list[str]
    speaker: list[str]
    same: np.ndarray


@dataclass(frozen=True)
class OneOfTwo:
    """Rows of a 1:2 list. asker, right, wrong: paths. person: of the asker. by_voice: whether voices ask for faces."""

    asker: list[str]
    right: list[str]
    wrong: list[str]
    person: list[str]
    by_voice: bool


@dataclass(frozen=True)
class Gallery:
    """Rows of a retrieval list. person, path: of each. voices: whether the paths are sounds."""

    person: list[str]
    path: list[str]
    voices: bool


List = Verification | OneOfTwo | Gallery


@dataclass(frozen=True)
class Embeddings:
    """vectors: (N, D) float32, L2 = 1. at: name -> row."""

    vectors: np.ndarray
    at: Mapping[str, int]

    def of(self, names: Sequence[str]) -> np.ndarray:
        """(n,) int64 row of each name, -1 where there is none."""
        return np.array([self.at.get(name, -1) for name in names], np.int64)


def read_list(path: Path) -> List:
    """A list of any of the three formats, by what its first line looks like.

    Raises InputError when it cannot be read, CorruptTable naming the first line that is in none of the formats.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    first = lines[0] if lines else ""
    if first.strip() == ",".join(COLUMNS):
        return _verification(path, lines[1:])
    if "\t" in first and first.split("\t")[0].strip() == "VoxCeleb1 ID":
        return _gallery(path, lines[1:])
    if len(first.split()) == 3:
        return _one_of_two(path, lines)
    raise CorruptTable(f"{path}: the first line is {first[:80]!r}; `{','.join(COLUMNS)}`, `VoxCeleb1 ID<tab>jpg` or three paths")


def _verification(path: Path, lines: Sequence[str]) -> Verification:
    rows = _cells(path, lines, ",", len(COLUMNS), 2)
    wrong = next((at for at, row in enumerate(rows) if row[3] not in ("0", "1") or (row[1] == row[2]) != (row[3] == "1")), None)
    if wrong is not None:
        raise CorruptTable(
            f"{path}: line {wrong + 2} says label {rows[wrong][3]} of speakers {rows[wrong][1]} and {rows[wrong][2]}"
        )
    same = np.array([row[3] == "1" for row in rows], bool)
    return Verification([row[4] for row in rows], [row[5] for row in rows], [row[1] for row in rows], same)


def _one_of_two(path: Path, lines: Sequence[str]) -> OneOfTwo:
    rows = _cells(path, lines, " ", 3, 1)
    by_voice = _is_sound(rows[0][0])
    odd = next(
        (at for at, row in enumerate(rows) if [_is_sound(cell) for cell in row] != [by_voice, not by_voice, not by_voice]), None
    )
    if odd is not None:
        raise CorruptTable(
            f"{path}: line {odd + 1} is not a {'sound and two pictures' if by_voice else 'picture and two sounds'}"
        )
    asker, right, wrong = ([row[column] for row in rows] for column in range(3))
    return OneOfTwo(asker, right, wrong, [name.split("/")[0] for name in asker], by_voice)


def _gallery(path: Path, lines: Sequence[str]) -> Gallery:
    rows = _cells(path, lines, "\t", 2, 2)
    if not rows:
        raise CorruptTable(f"{path} holds no row")
    return Gallery([row[0] for row in rows], [row[1] for row in rows], _is_sound(rows[0][1]))


def _cells(path: Path, lines: Sequence[str], separator: str, columns: int, first: int) -> list[list[str]]:
    """Cells of all lines; every one must have this many, none of them empty. first: number of the first line."""
    rows = list(csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE))
    odd = next((at for at, row in enumerate(rows) if len(row) != columns or not all(row)), None)
    if odd is not None:
        raise CorruptTable(f"{path}: line {odd + first} has other cells than its {columns} columns: {lines[odd][:80]!r}")
    return rows


def _is_sound(name: str) -> bool:
    return name.lower().endswith(SOUNDS)


def read_embeddings(path: Path) -> Embeddings:
    """A Parquet table of name and embedding, as `onscreen embed` writes it.

    Raises InputError for anything else, and for a name that is there twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["name", "embedding"])
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no Parquet table with the columns name and embedding: {error}") from error
    return embeddings_of(path.name, table.column("name").to_pylist(), _rows(path, table.column("embedding")))


def _rows(path: Path, column: Any) -> np.ndarray:
    """(N, D) float32 of a Parquet column of lists, without a Python object per number: there may be millions.

    Raises InputError when they are no lists of numbers, or differ in length.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        widths = pc.unique(pc.list_value_length(column)).to_pylist()
        values = column.combine_chunks().flatten().cast(pa.float32())
    except pa.ArrowException as error:
        raise InputError(f"{path.name}: its embeddings are no lists of numbers: {error}") from error
    if len(widths) != 1 or not widths[0]:
        raise InputError(f"{path.name} holds {'embeddings of different lengths' if len(column) else 'no embedding'}")
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float32).reshape(len(column), -1)


def embeddings_of(what: str, names: Sequence[str], vectors: Any) -> Embeddings:
    """Embeddings by name. vectors: (N, D) of numbers, of any length but 0. Raises InputError naming `what`."""
    at = {name: row for row, name in enumerate(names)}
    if len(at) < len(names):
        raise InputError(f"{what} names {len(names) - len(at)} items twice")
    table = np.asarray(vectors, np.float32).reshape(len(names), -1)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        odd = names[int(np.argmin(np.isfinite(length[:, 0]) & (length[:, 0] > 0)))]
        raise InputError(f"{what}: the embedding of {odd} is not a direction (zeros, or no finite numbers)")
    return Embeddings(table / length, at)


def score_trials(paths: Sequence[Path], faces: Embeddings, voices: Embeddings, scoring: Scoring) -> dict[str, Any]:
    """Figures of one verification or 1:2 list, or of two retrieval lists (pictures and sounds, in any order).

    `status` is ok when every row was scored; else it says how many were left out, whose embeddings are missing, and that the
    figures are not comparable with those of the whole list. Raises InputError when no row can be scored.
    """
    if faces.vectors.shape[1] != voices.vectors.shape[1]:
        raise MixedModelsError(
            f"faces have {faces.vectors.shape[1]} values, voices {voices.vectors.shape[1]}: not one joint space"
        )
    lists = [read_list(path) for path in paths]
    match lists:
        case [Verification() as rows]:
            return _score_verification(rows, faces, voices, scoring)
        case [OneOfTwo() as rows]:
            return _score_one_of_two(rows, faces, voices, scoring)
        case [Gallery() as one, Gallery() as other] if one.voices != other.voices:
            pictures, sounds = (other, one) if one.voices else (one, other)
            return _score_retrieval(pictures, sounds, faces, voices, scoring)
    raise InputError("one verification or 1:2 list, or two retrieval lists, one of pictures and one of sounds, can be scored")


@dataclass(frozen=True)
class _Rows:
    """at: rows of the embeddings that each cell names, by column. kept: (n,) bool, rows that have all."""

    at: tuple[np.ndarray, ...]
    kept: np.ndarray
    about: dict[str, Any]


def _look_up(kind: Kind, columns: Sequence[tuple[Embeddings, list[str]]]) -> _Rows:
    found = tuple(embeddings.of(names) for embeddings, names in columns)
    kept = np.all([at >= 0 for at in found], axis=0)
    missing = sorted({names[row] for (_, names), at in zip(columns, found, strict=True) for row in np.flatnonzero(at < 0)})
    about: dict[str, Any] = {"kind": kind, "status": "ok", "rows": len(kept), "scored": int(kept.sum())}
    if missing:
        named = ", ".join(missing[:NAMED])
        lost = f"{len(missing):,} embeddings are missing ({named}{', ...' if len(missing) > NAMED else ''})"
        if not kept.any():
            raise InputError(f"no row of the list can be scored: {lost}. The tables' names must be the paths of the list.")
        about["status"] = (
            f"{len(kept) - int(kept.sum()):,} of {len(kept):,} rows left out, {lost}: not comparable with the whole list"
        )
        about["missing_embeddings"] = len(missing)
    return _Rows(tuple(at[kept] for at in found), kept, about)


def _score_verification(rows: Verification, faces: Embeddings, voices: Embeddings, scoring: Scoring) -> dict[str, Any]:
    found = _look_up("verification", [(voices, rows.voice), (faces, rows.face)])
    scores = _cosines(voices.vectors[found.at[0]], faces.vectors[found.at[1]])
    same, person = rows.same[found.kept], _numbers(np.array(rows.speaker)[found.kept])
    names = ("auc", "eer", *PRIORS)
    about = found.about | {"positives": int(same.sum()), "negatives": int((~same).sum()), "people": len(np.unique(person))}
    if not same.any() or same.all() or about["people"] < FEWEST_PEOPLE:
        return about | {name: null("right and wrong rows of two people at least are needed") for name in names}
    values = _rates(scores[same], scores[~same])
    drawn = bootstrap.draws(about["people"], scoring.resamples, scoring.seed)
    samples = np.array([_resampled(scores, same, weights[person]) for weights in drawn])
    chances = (0.5, 0.5, *(1.0 for _ in PRIORS))
    rows_of = zip(names, values, chances, samples.T, strict=True)
    return about | {name: _figure(value, chance, drawn, about["people"]) for name, value, chance, drawn in rows_of}


def _rates(right: np.ndarray, wrong: np.ndarray) -> list[float]:
    roc = roc_of_scores(right, wrong)
    false, true = roc.false_positive, roc.true_positive
    return [auc(roc), float(eer(false, true)), *(float(min_dcf(false, true, prior)) for prior in PRIORS.values())]


def _resampled(scores: np.ndarray, same: np.ndarray, weight: np.ndarray) -> list[float]:
    """The figures with every row as often as its speaker was drawn."""
    times = weight.astype(np.int64)
    right, wrong = (np.repeat(scores[of], times[of]) for of in (same, ~same))
    return _rates(right, wrong) if len(right) and len(wrong) else [np.nan] * (2 + len(PRIORS))


def _score_one_of_two(rows: OneOfTwo, faces: Embeddings, voices: Embeddings, scoring: Scoring) -> dict[str, Any]:
    asking, answering = (voices, faces) if rows.by_voice else (faces, voices)
    found = _look_up("one of two", [(asking, rows.asker), (answering, rows.right), (answering, rows.wrong)])
    asker, right, wrong = (side.vectors[at] for side, at in zip((asking, answering, answering), found.at, strict=True))
    to_right, to_wrong = _cosines(asker, right), _cosines(asker, wrong)
    won = beats((to_wrong < to_right).astype(np.int64), (to_wrong == to_right).astype(np.int64), np.ones(len(asker), np.int64), 1)
    person = _numbers(np.array(rows.person)[found.kept])
    people = len(np.unique(person))
    about = found.about | {"way": "voice_to_face" if rows.by_voice else "face_to_voice", "people": people}
    if people < FEWEST_PEOPLE:
        return about | {"one_of_two": null(f"{people} person; at least {FEWEST_PEOPLE} are needed")}
    samples = bootstrap.means(person, won, bootstrap.draws(people, scoring.resamples, scoring.seed))
    return about | {"one_of_two": _figure(float(won.mean()), 0.5, samples, people)}


def _score_retrieval(
    pictures: Gallery, sounds: Gallery, faces: Embeddings, voices: Embeddings, scoring: Scoring
) -> dict[str, Any]:
    """Every row of one list is asked in the other; every row of its person is right, as published."""
    sides = [_look_up("retrieval", [(faces, pictures.path)]), _look_up("retrieval", [(voices, sounds.path)])]
    names = [np.array(gallery.person)[side.kept] for gallery, side in zip((pictures, sounds), sides, strict=True)]
    people = np.unique(np.concatenate(names))
    numbers = [np.searchsorted(people, of) for of in names]
    items = [
        Items(table.vectors[side.at[0]], number, np.arange(len(number)))
        for table, side, number in zip((faces, voices), sides, numbers, strict=True)
    ]
    trials = Trials(items[0], items[1], np.zeros(len(people), bool), np.ones(len(people), bool))
    figures = figures_of(Scored.of(trials, scoring))
    del figures["verification"]["at_threshold"]
    odd = [side.about["status"] for side in sides if side.about["status"] != "ok"]
    about = {"kind": "retrieval", "status": "; ".join(odd) or "ok", "rows": sum(side.about["rows"] for side in sides)}
    return about | {"scored": sum(side.about["scored"] for side in sides), **figures}


def _figure(value: float, chance: float, samples: np.ndarray, people: int) -> Figure:
    return with_interval({"value": float(value), "chance": chance}, samples, people)


def _numbers(names: np.ndarray) -> np.ndarray:
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) float32 of rows that belong together."""
    return np.asarray(np.einsum("nd,nd->n", one, other))
