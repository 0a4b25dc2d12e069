"""Ids of clips and faces, and the file names that carry them.

clip_id = the file's stem. Where two files would share one, the folder joins in (`a__vid_123`), then the extension
(`vid_123.mov`), then a digest of the path: the first rung at which all differ. Names that differ only in case or in Unicode
normal form count as one, because some file systems hold them to be one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

SUFFIX = re.compile(r"(-s\d{3,})?(-p\d+)?$")
SEPARATOR = "_dedupe_"
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|%]|^\.|^-|[. ]$')
_MAX_BYTES = 120  # two of them, "_dedupe_" and ".jpg" stay below the 255 bytes of common file systems


def clip_ids(sources: Iterable[str]) -> dict[str, str]:
    """Map each source (path relative to data.raw, POSIX) to its clip_id; unique, independent of the order of input."""
    return _unique(sources, _clashing)


def picture_ids(sources: Iterable[str]) -> dict[str, str]:
    """Map each picture to its id, as clip_ids does. A name that file_stem made is the id it was made from, and -p1 or -s000 at
    the end of one means nothing here: who else was in the video that a picture came from is not known."""
    names = _unique(sources, _alike)
    ids = {source: decoded(name) for source, name in names.items()}
    return ids if not _alike(ids) else names


def decoded(stem: str) -> str:
    """The id that a file name was made from by file_stem; any other name as it is."""
    try:
        name = id_of(stem)
    except ValueError:  # shortened, or not UTF-8
        return stem
    return name if file_stem(name) == stem else stem


def _unique(sources: Iterable[str], clashing: Callable[[dict[str, str]], list[str]]) -> dict[str, str]:
    """The first rung of names for each source at which none clashes with another's."""
    todo = sorted(set(sources))
    rungs: tuple[Callable[[PurePosixPath], str], ...] = (
        lambda path: path.stem,
        lambda path: "__".join([*path.parts[:-1], path.stem]),
        lambda path: "__".join(path.parts),
        lambda path: f"{path.stem}~{hashlib.sha256(str(path).encode()).hexdigest()[:12]}",
    )
    names = {source: rungs[0](PurePosixPath(source)) for source in todo}
    for rung in rungs[1:]:
        for source in clashing(names):
            names[source] = rung(PurePosixPath(source))
    return names


def _clashing(names: dict[str, str]) -> list[str]:
    """Sources whose name another one has, or whose name reads as a cut (-s000) or a person (-p1) of another's."""
    folded = {source: _fold(name) for source, name in names.items()}
    counts = Counter(folded.values())
    return [source for source, name in folded.items() if counts[name] > 1 or any(base in counts for base in _bases(name))]


def _alike(names: dict[str, str]) -> list[str]:
    """Sources whose name another one has."""
    counts = Counter(_fold(name) for name in names.values())
    return [source for source, name in names.items() if counts[_fold(name)] > 1]


def _bases(name: str) -> set[str]:
    person = re.sub(r"-p\d+$", "", name)
    return {person, re.sub(r"-s\d{3,}$", "", name), re.sub(r"-s\d{3,}$", "", person)} - {name}


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def cut_id(clip_id: str, index: int) -> str:
    """Id of the index-th cut of a long video."""
    return f"{clip_id}-s{index:03d}"


def face_id(clip_id: str, person: int) -> str:
    """clip_id for the main person, -p1, -p2, ... for the others."""
    return clip_id if person == 0 else f"{clip_id}-p{person}"


def file_stem(name: str) -> str:
    """A file name for an id: safe on every common file system, different for different ids, undone by id_of.

    Characters that some system forbids become %XX (UTF-8). An id of more than 120 bytes is shortened and ends in its digest;
    that one can only be looked up (every table row carries the file's path beside the id).
    """
    safe = _UNSAFE.sub(_percent, name).replace(SEPARATOR, "%5Fdedupe_")
    if len(safe.encode()) <= _MAX_BYTES:
        return safe
    short = safe.encode()[: _MAX_BYTES - 40].decode(errors="ignore")
    return f"{re.sub('%[0-9A-F]?$', '', short)}%~{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def id_of(stem: str) -> str:
    """The id that file_stem made this file name from. Raises ValueError for a shortened one."""
    if "%~" in stem:
        raise ValueError(f"{stem} is shortened; look its id up in the table")
    return re.sub(rb"%([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), stem.encode()).decode()


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())
