"""An HQ-VoxCeleb tree on disk.

    vox1/vox1_meta.csv (tabs), vox1/mel_spectrograms/<identity>/*.npy, vox1/masked_faces/<identity>/*.jpg|png
    vox2/full_vox2_meta.csv (commas), ...            split.json = {"vox1": {"train": [...], "val": [...], "test": [...]}, "vox2": ...}

`mel_spectograms`, as the published tree spells it, is read too. A tree that onscreen wrote also has tree.json: the mel's settings,
and what each file was taken from, so that a face and a voice of one video can be told apart from those of two.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from onscreen.errors import CorruptTable, InputError
from onscreen.storage import Stored, StoredFile
from onscreen.store import read_json

SIDES = ("train", "val", "test")
PARTS = ("vox1", "vox2")
MELS, MELS_AS_PUBLISHED, FACES = "mel_spectrograms", "mel_spectograms", "masked_faces"
META_COLUMNS = ("VoxCeleb1 ID", "VGGFace1 ID", "Gender", "Nationality", "Set")
HOP_MS = 10.0  # of a tree without tree.json: HQ-VoxCeleb's reference code makes 100 frames a second


@dataclass(frozen=True)
class Person:
    """An identity of the tree who has both mels and faces. name: its folder. mels, faces: paths relative to the tree, POSIX."""

    name: str
    part: str
    side: str
    mels: tuple[str, ...]
    faces: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """people: those who can be used, in the order of split.json. hop_ms: between frames. source: path -> what it was taken from.

    unread_pickles: mels stored as pickles, which are not read yet. absent: names of split.json without mels or without faces.
    """

    files: Stored
    people: tuple[Person, ...]
    hop_ms: float
    source: dict[str, str] = field(default_factory=dict)
    unread_pickles: int = 0
    absent: int = 0

    def side(self, name: str) -> tuple[Person, ...]:
        """People of one side: train, val or test."""
        return tuple(person for person in self.people if person.side == name)

    def source_of(self, path: str) -> str:
        """What a file was taken from; in a tree that does not say, faces are photos and every file has an origin of its own."""
        return self.source.get(path, path)


def read_tree(root: Path) -> Tree:
    """List a tree. Reads split.json and names, no media.

    Raises InputError without split.json, CorruptTable when it puts one person on two sides.
    """
    if not (root / "split.json").is_file():
        raise InputError(f"{root / 'split.json'} does not exist. `dvc repro hq` writes it beside the tree.")
    split = read_json(root / "split.json")
    about: dict[str, Any] = read_json(root / "tree.json") if (root / "tree.json").is_file() else {}
    listed = [(part, side, name) for part in PARTS for side in SIDES for name in split.get(part, {}).get(side, [])]
    _check_sides(root, listed)
    files = Stored(root)
    people = [_person(files, part, side, name) for part, side, name in listed]
    usable = tuple(person for person in people if person.mels and person.faces)
    pickles = sum(
        len(_files(files, part, mels, name, (".pickle",))) for part, _, name in listed for mels in (MELS, MELS_AS_PUBLISHED)
    )
    hop_ms = float(about.get("mel", {}).get("hop_ms", HOP_MS))
    return Tree(files, usable, hop_ms, about.get("source", {}), pickles, len(people) - len(usable))


def load_mel(file: StoredFile) -> np.ndarray:
    """(bands, frames) float32. Raises CorruptTable when the file holds something else or cannot be read."""
    try:
        mel = np.load(io.BytesIO(file.read()), allow_pickle=False)
    except (ValueError, EOFError, InputError) as error:
        raise CorruptTable(f"{file.name} is not a mel spectrogram: {error}") from error
    if mel.ndim != 2 or not mel.size or mel.dtype.kind != "f" or not np.isfinite(mel).all():
        raise CorruptTable(f"{file.name} holds {mel.dtype} of shape {mel.shape}; bands x frames of finite floats is needed")
    return np.asarray(mel, np.float32)


def _person(files: Stored, part: str, side: str, name: str) -> Person:
    mels = [*_files(files, part, MELS, name, (".npy",)), *_files(files, part, MELS_AS_PUBLISHED, name, (".npy",))]
    return Person(name, part, side, tuple(mels), tuple(_files(files, part, FACES, name, (".jpg", ".jpeg", ".png"))))


def _files(files: Stored, part: str, kind: str, name: str, endings: Sequence[str]) -> list[str]:
    folder = f"{part}/{kind}/{name}/"
    paths = [PurePosixPath(found) for found in files.names(folder)]
    return [str(path) for path in paths if path.suffix.lower() in endings and f"{path.parent}/" == folder]


def _check_sides(root: Path, listed: Sequence[tuple[str, str, str]]) -> None:
    sides: dict[str, str] = {}
    for _, side, name in listed:
        if sides.setdefault(name, side) != side:
            raise CorruptTable(f"{root / 'split.json'}: {name} is on two sides, {sides[name]} and {side}")
