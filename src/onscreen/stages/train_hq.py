"""train_hq: the two-tower model on an HQ-VoxCeleb tree. It reads the tree and nothing else, so a published tree can stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import overload

import numpy as np

from onscreen.errors import CorruptTable
from onscreen.matching.data import Link, PairSet
from onscreen.matching.hq_tree import Tree, load_mel, read_tree
from onscreen.matching.towers import TowerSpec
from onscreen.records import Reject
from onscreen.stages.items import FaceFile, FaceInput, Items, face_items, picture_input
from onscreen.stages.training import Loaded, Plan, fit
from onscreen.storage import StoredFile
from onscreen.workspace import Workspace

STAGE = "train_hq"


class Mels(Sequence[np.ndarray]):
    """Spectrograms read from disk when they are asked for: a published tree holds more than memory does."""

    def __init__(self, files: Sequence[StoredFile]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Mels: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Mels:
        return Mels(self._files[index]) if isinstance(index, slice) else load_mel(self._files[index])


def run(tree: Tree, side: str, faces: Items, bands: int) -> Loaded:
    """Faces and mels of one side's people as arrays. faces: by path. bands: of the mels to take.

    A person's faces go with all their mels of another source; within one source where they have no other. People without a
    usable face or a usable mel are left out.
    """
    people = tree.side(side)
    reasons = {path: _why_not(tree, path, faces, bands) for person in people for path in (*person.faces, *person.mels)}
    lost = [_lost(person.name, _kept(person.faces, reasons), _kept(person.mels, reasons)) for person in people]
    fit = [(person, _kept(person.faces, reasons), _kept(person.mels, reasons)) for person in people]
    usable = [(person, own_faces, own_mels) for person, own_faces, own_mels in fit if own_faces and own_mels]
    face_paths = [path for _, paths, _ in usable for path in paths]
    mel_paths = [path for _, _, paths in usable for path in paths]
    face_at, mel_at = ({path: at for at, path in enumerate(paths)} for paths in (face_paths, mel_paths))
    links = []
    for number, (_, own_faces, own_mels) in enumerate(usable):
        every = [(face, mel) for face in own_faces for mel in own_mels]
        apart = [(face, mel) for face, mel in every if tree.source_of(face) != tree.source_of(mel)]
        links += [Link(number, face_at[face], mel_at[mel], same_source=not apart) for face, mel in apart or every]
    pairs = PairSet(
        people=tuple(person.name for person, _, _ in usable),
        faces=faces.of(face_paths),
        voices=Mels([tree.files.file(path) for path in mel_paths]),
        links=tuple(links),
        face_source=tuple(tree.source_of(path) for path in face_paths),
        voice_source=tuple(tree.source_of(path) for path in mel_paths),
    )
    return Loaded(pairs, tuple(reason for reason in reasons.values() if reason), tuple(reason for reason in lost if reason))


def _why_not(tree: Tree, path: str, faces: Items, bands: int) -> Reject | None:
    """Why a file cannot be used, or None."""
    if path in faces.lost:
        found = faces.lost[path]
        return Reject(path, STAGE, "face", found.code, found.detail, found.numbers)
    if path in faces.known:
        return None
    try:
        there = load_mel(tree.files.file(path)).shape[0]
    except CorruptTable as error:
        return Reject(path, STAGE, "voice", "unreadable_mel", str(error))
    if there == bands:
        return None
    numbers = {"bands": float(there), "needed": float(bands)}
    return Reject(path, STAGE, "voice", "other_band_count", f"{there} mel bands; most training ones have {bands}", numbers)


def _lost(name: str, faces: Sequence[str], mels: Sequence[str]) -> Reject | None:
    """Why a person cannot be used, or None."""
    if faces and mels:
        return None
    code, detail = ("no_face", "no usable face") if mels else ("no_voice", "no usable mel spectrogram")
    return Reject(name, STAGE, "hq", code, f"this person has {detail}")


def _kept(paths: Iterable[str], reasons: Mapping[str, Reject | None]) -> list[str]:
    return [path for path in paths if reasons[path] is None]


def load_sides(workspace: Workspace, tree: Tree, sides: Iterable[str], face: FaceInput, bands: int) -> dict[str, Loaded]:
    """Pairs of these sides of the tree by side."""
    sides = list(sides)
    paths = [path for side in sides for person in tree.side(side) for path in person.faces]
    faces = face_items(workspace, face, {path: FaceFile(tree.files.file(path)) for path in paths})
    return {side: run(tree, side, faces, bands) for side in sides}


def commonest_bands(tree: Tree) -> int:
    """Mel bands of most training spectrograms; 0 where none can be read. A model takes one number of bands."""
    counts: Counter[int] = Counter()
    for person in tree.side("train"):
        for path in person.mels:
            try:
                counts[load_mel(tree.files.file(path)).shape[0]] += 1
            except CorruptTable:
                continue
    return max(counts, key=lambda bands: (counts[bands], bands), default=0)


def main(workspace: Workspace) -> None:
    """Train on the tree's train side, choose the epoch on its val side; write models/hq."""
    params = workspace.params.train_hq
    tree = read_tree(workspace.hq)
    bands = commonest_bands(tree)
    face = picture_input(params.face_tower)
    sides = load_sides(workspace, tree, ("train", "val"), face, bands)
    frames = max(1, round(params.audio_duration_sec * 1000 / tree.hop_ms))
    inputs = {"face": asdict(face), "voice": {"tower": params.voice_tower, "mel_bands": bands, "hop_ms": tree.hop_ms}}
    towers = TowerSpec(params.face_tower), TowerSpec(params.voice_tower, bands, frames if params.voice_tower == "flatten" else 0)
    plan = Plan(STAGE, params, towers, frames, inputs)
    fit(workspace, plan, sides["train"], sides["val"], workspace.models / "hq")
