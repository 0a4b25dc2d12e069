"""Lists of matched files: `<face path>\\t<voice path>` a line, as the guide's create_matched_file.py wrote them.

A VoxCeleb-like tree is <root>/<id>/faces/<session>/frame_0005.jpg and <root>/<id>/voices/0001.wav; list i holds the i-th face and
the i-th voice of everybody who has so many.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from onscreen.errors import ConfigError, InputError, NothingUsable
from onscreen.guide.people import STAGE, Media, MediaFile
from onscreen.media.images import SUFFIXES as PICTURES
from onscreen.media.sound import SUFFIXES as SOUNDS
from onscreen.own_folder import OwnFolder
from onscreen.records import Reject
from onscreen.store import read_json, write_table

MANIFEST = "written_matched_files.json"
MOST_LISTS = 100_000  # a mistyped limit would fill the disk with empty files
_HELD = 200_000  # lines in memory before they are written
_SHOWN = 3  # reasons in an error
_NUMBER = re.compile(r"(\d+)")
_APART = re.compile(r"\t| {2,}")


@dataclass(frozen=True)
class Outcome:
    """ids: in the JSON file. people: who are in a list. pairs: lines in all. empty: lists without a line. rejects: ids left out."""

    ids: int
    people: int
    pairs: int
    lists: int
    empty: int
    rejects: tuple[Reject, ...]


def list_name(number: int) -> str:
    """The file of the pairs number 0, 1, ... of every person."""
    return f"matched_files-{number}.txt"


def write_lists(dataset: str, meta: Path, output: Path, limit: int) -> Outcome:
    """Write OUTPUT/matched_files-0.txt to matched_files-<limit - 1>.txt, and rejects.parquet.

    dataset: the root as the lines shall name it. meta: a JSON file whose top-level keys are ids. Every folder is listed once.
    Raises ConfigError for a limit below 1, InputError for what cannot be read, NothingUsable when no id gives a pair.
    """
    if not 1 <= limit <= MOST_LISTS:
        raise ConfigError(f"--limit {limit}: must be a whole number from 1 to {MOST_LISTS}")
    if not Path(dataset).is_dir():
        raise InputError(f"--dataset_path {dataset}: there is no such folder")
    ids = _ids(meta)
    root, own = dataset.rstrip("/") or "/", OwnFolder(output.resolve(), "--output", MANIFEST)
    with own.alone(), own.filling() as new:
        rejects: list[Reject] = []
        lists = _Lists(new, limit)
        for name in ids:
            found = _of_person(root, name, limit)
            if isinstance(found, Reject):
                rejects.append(found)
            else:
                lists.add(found)
        lists.close()
        write_table(new / "rejects.parquet", Reject, rejects)
        if len(rejects) == len(ids):
            reasons = "; ".join(f"{row.item}: {row.detail}" for row in rejects[:_SHOWN])
            raise NothingUsable(f"none of the {len(ids)} ids of {meta} has a face and a voice in {dataset} ({reasons})")
    counts = lists.counts
    return Outcome(len(ids), len(ids) - len(rejects), sum(counts), limit, counts.count(0), tuple(rejects))


class _Lists:
    """The lists of a folder, of which at most _HELD lines are in memory, and one file is open."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.counts = [0] * limit
        self._folder = folder
        self._held: dict[int, list[str]] = {}
        self._waiting = 0

    def add(self, lines: Sequence[str]) -> None:
        """One person's lines, the first for the first list."""
        for number, line in enumerate(lines):
            self._held.setdefault(number, []).append(line)
            self.counts[number] += 1
        self._waiting += len(lines)
        if self._waiting >= _HELD:
            self._append()

    def close(self) -> None:
        """Write what is left; a list without a line is an empty file."""
        self._append()
        for number, count in enumerate(self.counts):
            if not count:
                (self._folder / list_name(number)).touch()

    def _append(self) -> None:
        for number, lines in self._held.items():
            with (self._folder / list_name(number)).open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
        self._held.clear()
        self._waiting = 0


def _ids(meta: Path) -> list[str]:
    if not meta.is_file():
        raise InputError(f"--meta_path {meta}: there is no such file")
    try:
        data = read_json(meta)
    except OSError as error:
        raise InputError(f"--meta_path {meta}: cannot be read ({error.strerror})") from error
    if not isinstance(data, dict) or not data:
        kind = "an empty object" if data == {} else f"a {type(data).__name__}"
        raise InputError(f"--meta_path {meta}: must hold a JSON object whose keys are ids, and holds {kind}")
    return list(data)


def _of_person(root: str, name: str, limit: int) -> list[str] | Reject:
    """Up to `limit` lines, or why there is none."""
    if name in ("", ".", "..") or set(name) & {"/", "\\", "\0", "\t", "\n", "\r"}:
        return Reject(name, STAGE, "clip", "not_a_name", "this id cannot be the name of a folder")
    folder = f"{root}/{name}"
    if not Path(folder).is_dir():
        return Reject(name, STAGE, "clip", "no_folder", f"there is no folder {folder}")
    faces, voices = _below(f"{folder}/faces", PICTURES), _below(f"{folder}/voices", SOUNDS)
    numbers = {"faces": float(len(faces)), "voices": float(len(voices))}
    if not faces:
        return Reject(name, STAGE, "face", "no_face", f"no picture below {folder}/faces", numbers)
    if not voices:
        return Reject(name, STAGE, "voice", "no_voice", f"no sound below {folder}/voices", numbers)
    return [f"{face}\t{voice}\n" for face, voice in zip(faces[:limit], voices[:limit], strict=False)]


def _below(folder: str, endings: tuple[str, ...]) -> list[str]:
    """The files of these endings, 2 before 10. Hidden ones and those that a line cannot name are left out."""
    found = []
    for path, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(".")]
        found += [f"{path}/{name}" for name in names if name.lower().endswith(endings) and not name.startswith(".")]
    return sorted((path for path in found if not set(path) & {"\t", "\n", "\r"}), key=natural)


def natural(path: str) -> list[tuple[int, int, str]]:
    """Sorts numbers in names by value, and folders before what is in others."""
    parts = [part for piece in path.split("/") for part in ("", *_NUMBER.split(piece))]
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def read_lists(place: Path) -> Media:
    """The pairs of one list, or of all matched_files-*.txt of a folder. A person is what the paths say before faces/ and voices/.

    Paths count from the current folder, as they were written. Lines whose files are missing, or are of two people, are rejects.
    Raises InputError for what is no list, NothingUsable when no line is left.
    """
    files = _lists(place)
    lines = dict.fromkeys(line for file in files for line in _lines(file))
    faces, voices, pairs, rejects = dict[str, MediaFile](), dict[str, MediaFile](), list[tuple[str, str]](), list[Reject]()
    for face, voice in lines:
        for known, name, kind in ((faces, face, "faces"), (voices, voice, "voices")):
            if name not in known and (file := _listed(name, kind)) is not None:
                known[name] = file
        if (why := _why_not(face, faces.get(face), voice, voices.get(voice))) is not None:
            rejects.append(why)
        else:
            pairs.append((face, voice))
    if not pairs:
        first = f"; the first: {rejects[0].item}: {rejects[0].detail}" if rejects else ""
        raise NothingUsable(f"--matched_files {place}: none of {len(lines)} lines can be used{first}")
    used = ({face for face, _ in pairs}, {voice for _, voice in pairs})
    kept = [
        {name: file for name, file in known.items() if name in names} for known, names in zip((faces, voices), used, strict=True)
    ]
    return Media(kept[0], kept[1], tuple(rejects), {}, tuple(pairs))


def _lists(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise InputError(f"--matched_files {place}: there is no such file or folder")
    found = sorted(place.glob("matched_files-*.txt"), key=lambda path: natural(path.name))
    if not found:
        raise InputError(f"--matched_files {place}: holds no matched_files-<i>.txt; `onscreen matched-files` writes them")
    return found


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not readable as text: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            parts = _APART.split(line.strip())
            if len(parts) != 2:
                raise InputError(
                    f"{file}, line {number}: must be a picture's path, a tab and a sound's path, and is: {line[:200]}"
                )
            yield parts[0], parts[1]


def _listed(name: str, kind: str) -> MediaFile | None:
    """The file, if it is there and its path says whose it is: .../<person>/<kind>/..."""
    parts = PurePosixPath(name).parts
    at = next((at for at in range(len(parts) - 2, 0, -1) if parts[at] == kind), None)
    if at is None or not Path(name).is_file():
        return None
    person, below = parts[at - 1], parts[at + 1 :]
    take = below[0] if len(below) > 1 else PurePosixPath(below[0]).stem
    return MediaFile(name, Path(name), person, f"{person}/{take}")


def _why_not(face: str, seen: MediaFile | None, voice: str, heard: MediaFile | None) -> Reject | None:
    for scope, name, file, kind in (("face", face, seen, "faces"), ("voice", voice, heard, "voices")):
        if file is None:
            gone = not Path(name).is_file()
            code, detail = ("no_file", "there is no such file") if gone else ("no_person", f"no <person>/{kind}/ in this path")
            return Reject(name, STAGE, scope, code, detail)
    if seen is not None and heard is not None and seen.person != heard.person:
        return Reject(
            f"{face} {voice}", STAGE, "clip", "two_people", f"the face is of {seen.person}, the voice of {heard.person}"
        )
    return None
