"""What the report says of the data: read from the tables of data/, counted, never a face or a voice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onscreen.records import Clip, Face, Pair, Reject, SplitRow
from onscreen.store import read_json, read_table

FOLDERS = (
    *(f"data/{name}" for name in ("prepared", "faces", "identities", "voices", "splits", "hq", "m2p")),
    *(f"models/{name}" for name in ("face_voice", "hq")),
)
"""Where the tables of rejects lie, in the order of the stages."""
SIDES = ("train", "val", "test", "quarantine")


@dataclass(frozen=True)
class Person:
    """One identity. faces, voices: usable ones. sources: different videos that they come from."""

    identity_id: str
    side: str
    faces: int
    voices: int
    sources: int


@dataclass(frozen=True)
class Dances:
    """Samples of the music-to-pose dataset. sides: samples by side. warned: those below a recommendation. complete: with all files."""

    sides: dict[str, int]
    people: int
    songs: int
    minutes: float
    warned: int
    complete: int


@dataclass(frozen=True)
class Data:
    """clips: usable ones. minutes: of them; speech_minutes: of speech in them. faces: kept. people: identities, most faces first.
    sides: people by side.

    rejects: (stage, scope, code, count, an example's detail), the commonest of a stage first. dances: None where there are none.
    """

    clips: int
    minutes: float
    speech_minutes: float
    faces: int
    people: list[Person]
    sides: dict[str, int]
    rejects: list[tuple[str, str, str, int, str]]
    dances: Dances | None = None


def read_data(root: Path, left_out: Sequence[Reject] = ()) -> Data:
    """Count what lies in the tables of a checkout's data and models. left_out: of the test, which has no table."""
    data = root / "data"
    clips = read_table(data / "prepared" / "clips.parquet", Clip)
    faces = read_table(data / "faces" / "faces.parquet", Face)
    rows = read_table(data / "splits" / "splits.parquet", SplitRow)
    people = _people(
        rows, read_table(data / "splits" / "pairs.parquet", Pair), {face.face_id: face.source_sha256 for face in faces}
    )
    sides = Counter(person.side for person in people)
    return Data(
        clips=len(clips),
        minutes=sum(clip.end_s - clip.start_s for clip in clips) / 60,
        speech_minutes=sum(clip.speech_s for clip in clips) / 60,
        faces=len(faces),
        people=people,
        sides={side: sides[side] for side in SIDES if sides[side]},
        rejects=_rejects([*_tables(root), *left_out]),
        dances=_dances(data / "m2p" / "metadata.json"),
    )


def _dances(metadata: Path) -> Dances | None:
    entries = read_json(metadata)["clips"] if metadata.is_file() else []
    if not entries:
        return None
    return Dances(
        sides=dict(sorted(Counter(entry["split"] for entry in entries).items())),
        people=len({entry["identity"] for entry in entries}),
        songs=len({entry["song"] for entry in entries}),
        minutes=sum(entry["duration"] for entry in entries) / 60,
        warned=sum(bool(entry["warnings"]) for entry in entries),
        complete=sum(entry["complete"] for entry in entries),
    )


def _people(rows: list[SplitRow], pairs: list[Pair], source: dict[str, str]) -> list[Person]:
    faces: dict[str, list[SplitRow]] = defaultdict(list)
    for row in rows:
        faces[row.identity_id].append(row)
    voices: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        voices[pair.identity_id].add(pair.voice_clip_id)
    found = [
        Person(name, own[0].split, len(own), len(voices[name]), len({source[row.face_id] for row in own}))
        for name, own in faces.items()
    ]
    return sorted(found, key=lambda person: (-person.faces, person.identity_id))


def _tables(root: Path) -> list[Reject]:
    """Rows of every table of rejects that is there."""
    paths = [root / folder / "rejects.parquet" for folder in FOLDERS]
    return [row for path in paths if path.is_file() for row in read_table(path, Reject)]


def _rejects(rows: Iterable[Reject]) -> list[tuple[str, str, str, int, str]]:
    """Counted by stage, as they come, and within a stage the commonest first."""
    by_stage: dict[str, list[Reject]] = defaultdict(list)
    for row in rows:
        by_stage[row.stage].append(row)
    found = []
    for stage, own in by_stage.items():
        example = {(row.scope, row.code): row.detail for row in reversed(own)}
        counts = Counter((row.scope, row.code) for row in own)
        found += [(stage, scope, code, count, example[scope, code]) for (scope, code), count in counts.most_common()]
    return found
