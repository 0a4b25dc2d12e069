"""An HQ-VoxCeleb tree on disk.

    vox1/vox1_meta.csv       vox1/mel_spectrograms/<identity>/*.npy|pickle      vox1/masked_faces/<identity>/*.jpg|jpeg|png
    vox2/full_vox2_meta.csv  ...          split.json = {"vox1": {"train": [...], "val": [...], "test": [...]}, "vox2": ...}

`mel_spectograms`, as the guide spells it, is read too. A tree that onscreen wrote also has tree.json: the mel's settings,
and what each file was taken from, so that a face and a voice of one video can be told apart from those of two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Any

import numpy as np

from onscreen.errors import CorruptTable, InputError
from onscreen.matching.hq_meta import PARTS, plain
from onscreen.matching.mel_files import ENDINGS as MEL_ENDINGS
from onscreen.storage import Stored
from onscreen.store import read_json

SIDES = ("train", "val", "test")
MELS, MELS_AS_IN_GUIDE, FACES = "mel_spectrograms", "mel_spectograms", "masked_faces"
FACE_ENDINGS = (".jpg", ".jpeg", ".png")
META_COLUMNS = ("VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set")
HOP_MS = 10.0  # of a tree without tree.json: HQ-VoxCeleb's reference code makes 100 frames a second
_UTTERANCE = re.compile(r"(id\d{5}_.{11})_\d{5}")  # speaker, video and cut, as the published scripts call a spectrogram

Split = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Person:
    """An identity of the tree who has both mels and faces. name: its folder. mels, faces: paths relative to the tree, POSIX.

    identity: who it is; that of vox1 for a person who is in both parts.
    """

    name: str
    part: str
    side: str
    mels: tuple[str, ...]
    faces: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class Tree:
    """people: those who can be used, in the order of split.json. hop_ms: between frames. source: path -> what it was taken from.

    bands_first: whether its spectrograms are bands x frames; None where the tree does not say. absent: names of split.json without mels or
    without faces. unread: files in people's folders that are neither. moved: people of both parts whom split.json puts on two
    sides; they are on that of vox1.
    """

    files: Stored
    people: tuple[Person, ...]
    hop_ms: float
    source: dict[str, str] = field(default_factory=dict)
    bands_first: bool | None = None
    absent: tuple[str, ...] = ()
    unread: int = 0
    moved: tuple[str, ...] = ()

    def side(self, name: str) -> tuple[Person, ...]:
        """People of one side: train, val or test."""
        return tuple(person for person in self.people if person.side == name)

    def source_of(self, path: str) -> str:
        """What a file was taken from. In a tree that does not say, a face is a photo, a spectrogram named as the published scripts
        do comes from the video in its name, and every other file has an origin of its own."""
        if path in self.source:
            return self.source[path]
        named = _UTTERANCE.fullmatch(PurePosixPath(path).stem)
        return named[1] if named else path


@dataclass(frozen=True)
class Media:
    """What a part holds, by identity (Unicode NFC): paths relative to the tree. unread: files that are neither, by identity."""

    mels: Mapping[str, tuple[str, ...]]
    faces: Mapping[str, tuple[str, ...]]
    unread: Mapping[str, int]

    @property
    def usable(self) -> list[str]:
        """Who has both, sorted by name."""
        return sorted(self.mels.keys() & self.faces.keys())


def read_tree(root: Path, split_json: Path | None = None) -> Tree:
    """List a tree. Reads split.json and names, no media. split_json: another one than the tree's own.

    Raises InputError without split.json or without a folder that it needs, CorruptTable when it puts one person on two sides.
    """
    return tree_of(root, read_split(split_json or root / "split.json"))


def tree_of(root: Path, split: Split) -> Tree:
    """List a tree by another split than its own. Raises as read_tree does."""
    about: dict[str, Any] = read_json(root / "tree.json") if (root / "tree.json").is_file() else {}
    files = Stored(root)
    listed = [(part, side, name) for part in PARTS for side in SIDES for name in split.get(part, {}).get(side, ())]
    media = media_of(files, {part for part, _, _ in listed})
    sides, moved = _sides(listed)
    first = {plain(name): name for _, _, name in reversed(listed)}  # vox1's, where both parts have it
    people = [_person(media, part, name, sides[part, name], first[plain(name)]) for part, _, name in listed]
    usable = tuple(person for person in people if person.mels and person.faces)
    absent = tuple(person.name for person in people if not (person.mels and person.faces))
    unread = sum(media[part].unread.get(_nfc(name), 0) for part, _, name in listed if part in media)
    hop_ms = float(about.get("mel", {}).get("hop_ms", HOP_MS))
    bands_first = True if "mel" in about else about.get("adopted", {}).get("bands_first")
    return Tree(files, usable, hop_ms, about.get("source", {}), bands_first, absent, unread, moved)


def read_split(path: Path) -> Split:
    """A split.json, checked. Raises InputError when it is missing, CorruptTable when it is no split or has one person twice."""
    if not path.is_file():
        raise InputError(
            f"{path} does not exist. `onscreen hq split --vox_dir {quote(str(path.parent))}` makes it for a tree that is there; "
            "`dvc repro hq` writes data/hq with its own"
        )
    split = read_json(path)
    if not isinstance(split, dict):
        raise CorruptTable(f"{path}: must be parts (vox1, vox2), each with train, val and test")
    return {part: _checked(path, part, lists) for part, lists in split.items()}


def _checked(path: Path, part: str, lists: Any) -> dict[str, list[str]]:
    """The names of a part by side, each once. Raises CorruptTable as read_split does."""
    if not isinstance(lists, dict):
        raise CorruptTable(f"{path}: {part} must hold train, val and test")
    on: dict[str, str] = {}
    for side in SIDES:
        names = lists.get(side, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise CorruptTable(f"{path}: {side} of {part} must be a list of names")
        for name in names:
            if on.setdefault(name, side) != side:
                raise CorruptTable(f"{path}: {name} is on two sides of {part}, {on[name]} and {side}")
    return {side: [name for name, of in on.items() if of == side] for side in SIDES}


def media_of(files: Stored, wanted: Iterable[str] = PARTS) -> dict[str, Media]:
    """What these parts hold, for those that are there. Raises InputError when none is, or one lacks mels or faces altogether."""
    there = {part: found for part in PARTS if part in set(wanted) and (found := _part(files, part))}
    if not there and set(wanted):
        folders = " or ".join(f"{part}/{MELS} with {part}/{FACES}" for part in PARTS)
        raise InputError(f"{files.folder} holds no HQ-VoxCeleb tree: there must be {folders}")
    return there


def _part(files: Stored, part: str) -> Media | None:
    """A part's media; None where the part is not there at all."""
    mels: dict[str, list[str]] = {}
    faces: dict[str, list[str]] = {}
    unread: dict[str, int] = {}
    lists = {kind: files.names(f"{part}/{kind}/") for kind in (MELS, MELS_AS_IN_GUIDE, FACES)}
    for kind, names in lists.items():
        into, endings = (faces, FACE_ENDINGS) if kind == FACES else (mels, MEL_ENDINGS)
        for path in names:
            _, _, *folders, file = PurePosixPath(path).parts
            if len(folders) == 1 and PurePosixPath(file).suffix.lower() in endings and not file.startswith("."):
                into.setdefault(_nfc(folders[0]), []).append(path)
            elif folders:
                unread[_nfc(folders[0])] = unread.get(_nfc(folders[0]), 0) + 1
    spellings = f"{part}/{MELS} (or {MELS_AS_IN_GUIDE}, as the guide spells it)"
    for needed, found in ((spellings, lists[MELS] or lists[MELS_AS_IN_GUIDE]), (f"{part}/{FACES}", lists[FACES])):
        if not found and any(lists.values()):
            raise InputError(f"{files.folder}: {needed} is not there or empty. The folders there: {_folders(files, part)}")
    if not any(lists.values()):
        return None
    return Media({name: tuple(of) for name, of in mels.items()}, {name: tuple(of) for name, of in faces.items()}, unread)


def _folders(files: Stored, part: str) -> str:
    path = files.folder / part
    return ", ".join(sorted(f"{part}/{child.name}" for child in path.iterdir() if child.is_dir())) if path.is_dir() else "none"


def _person(media: Mapping[str, Media], part: str, name: str, side: str, identity: str) -> Person:
    found = media.get(part, Media({}, {}, {}))
    return Person(name, part, side, found.mels.get(_nfc(name), ()), found.faces.get(_nfc(name), ()), identity)


def _sides(listed: Sequence[tuple[str, str, str]]) -> tuple[dict[tuple[str, str], str], tuple[str, ...]]:
    """The side of everyone, by part and name, and the names whose side is not split.json's but that of vox1."""
    of_vox1 = {plain(name): side for part, side, name in listed if part == PARTS[0]}
    sides = {(part, name): of_vox1.get(plain(name), side) if part != PARTS[0] else side for part, side, name in listed}
    return sides, tuple(name for part, side, name in listed if sides[part, name] != side)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class Layout:
    """How a tree's spectrograms lie. bands: of most training ones; 0 where there are none. told: how that is known. is_assumed: it is not."""

    bands_first: bool
    bands: int
    told: str
    is_assumed: bool


def layout_of(shapes: np.ndarray, training: np.ndarray, known: bool | None) -> Layout:
    """Which axis of a tree's spectrograms is bands: the one on which most of them agree, while they differ on the other.

    Where that does not tell (all of one shape), it is bands x frames as in the published scripts, and `told` says that it was not
    seen. It is never decided file by file. shapes, training: (N, 2), of all files and of the training people's. known: what
    the tree itself says (Tree.bands_first).
    """
    agreed = [_commonest(shapes[:, axis])[1] * 2 > len(shapes) for axis in (0, 1)] if len(shapes) else [True, True]
    if known is not None:
        bands_first, told = known, f"{'bands x frames' if known else 'frames x bands'}, as tree.json says"
    elif agreed[0] != agreed[1]:
        bands_first, told = agreed[0], "bands x frames, seen" if agreed[0] else "frames x bands, seen"
    else:
        bands_first, told = True, "bands x frames, assumed: the shapes do not tell which axis is which"
    return Layout(
        bands_first, _commonest(training[:, 0 if bands_first else 1])[0], told, known is None and agreed[0] == agreed[1]
    )


def _commonest(values: np.ndarray) -> tuple[int, int]:
    """The commonest value, of equals the largest, and how often it is there; 0, 0 of nothing."""
    found, counts = np.unique(values, return_counts=True)
    return max(
        ((int(v), int(n)) for v, n in zip(found, counts, strict=True)), key=lambda pair: (pair[1], pair[0]), default=(0, 0)
    )
