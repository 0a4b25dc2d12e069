"""train_hq: the two-tower model on an HQ-VoxCeleb tree. It reads the tree and nothing else, so a published tree can stand there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from onscreen.cache import code_digest
from onscreen.config import TrainHq
from onscreen.console import log
from onscreen.errors import Rejected
from onscreen.matching.combinations import combinations
from onscreen.matching.hq_tree import Person, Tree, read_tree
from onscreen.matching.mel_files import load_mel
from onscreen.matching.towers import TowerSpec
from onscreen.records import Pair
from onscreen.stages.hq_mels import Mels, look_at_mels
from onscreen.stages.items import FaceFile, FaceInput, Items, face_items, face_spec, picture_input
from onscreen.stages.pairing import pair_set
from onscreen.stages.training import Loaded, Plan, fit
from onscreen.workspace import Workspace

STAGE = "train_hq"


def pairs_of(tree: Tree, person: Person, lost: Collection[str]) -> Iterator[Pair]:
    """A person's faces go with their spectrograms of another source; within one source where they have no other: see combinations.

    lost: paths of files that cannot be used. Each is in a pair too, so that it is known whose it was; what decides is what is left.
    """
    faces, mels = ([path for path in paths if path not in lost] for paths in (person.faces, person.mels))
    face, mel = (faces or person.faces)[0], (mels or person.mels)[0]
    unused = [(path, mel) for path in person.faces if path in lost] + [(face, path) for path in person.mels if path in lost]
    for face, mel in [*combinations(faces, mels, tree.source_of), *unused]:
        yield Pair(person.identity, person.side, face, mel, tree.source_of(face) == tree.source_of(mel))


def mel_items(workspace: Workspace, tree: Tree, mels: Mels, bands: int) -> Items:
    """What a voice tower of so many mel bands takes: (bands, frames) float32, read when it is asked for; a published tree holds
    more than memory does."""
    there = {path: shape[0 if mels.layout.bands_first else 1] for path, shape in mels.shape.items()}
    other = {path: _other_bands(found, bands) for path, found in there.items() if found != bands}
    files = {path: tree.files.file(path) for path in there if path not in other}
    known = {path: partial(load_mel, file, mels.layout.bands_first) for path, file in files.items()}
    code = code_digest("onscreen.matching.mel_files", "numpy")
    sha256 = zip(files, workspace.sha256_of_all(list(files.values())), strict=True)
    digest = {path: f"{of} {mels.layout.bands_first} {code}" for path, of in sha256}
    return Items(known, dict(mels.lost) | other, digest)


def _other_bands(there: int, bands: int) -> Rejected:
    numbers = {"bands": float(there), "needed": float(bands)}
    return Rejected("other_band_count", f"{there} mel bands; the model takes {bands}, those of most training ones", numbers)


def load_sides(
    workspace: Workspace, tree: Tree, sides: Iterable[str], face: FaceInput, bands: int, mels: Mels | None = None
) -> dict[str, Loaded]:
    """Pairs of these sides of the tree by side. bands: of the spectrograms that the model takes. mels: of look_at_mels."""
    sides = list(sides)
    voices = mel_items(workspace, tree, mels or look_at_mels(workspace, tree), bands)
    paths = [path for side in sides for person in tree.side(side) for path in person.faces]
    faces = face_items(workspace, face, {path: FaceFile(tree.files.file(path)) for path in paths})
    lost = {*faces.lost, *voices.lost}
    source = {path: tree.source_of(path) for person in tree.people for path in (*person.faces, *person.mels)}
    pairs = {side: [pair for person in tree.side(side) for pair in pairs_of(tree, person, lost)] for side in sides}
    return {side: pair_set(STAGE, of, faces, voices, source, source) for side, of in pairs.items()}


def train_tree(workspace: Workspace, tree: Tree, params: TrainHq, folder: Path, tracked: bool = True) -> None:
    """Train on the tree's train side, choose the epoch on its val side; write the model's folder, metrics and plots."""
    mels = look_at_mels(workspace, tree)
    if mels.layout.is_assumed:
        log.warning("%s: %s", tree.files.folder, mels.layout.told)
    bands = mels.layout.bands
    face = picture_input(params.face_tower, params.face_frozen_epochs == "all")
    sides = load_sides(workspace, tree, ("train", "val"), face, bands, mels)
    frames = max(1, round(params.audio_duration_sec * 1000 / tree.hop_ms))
    inputs = {"face": asdict(face), "voice": {"tower": params.voice_tower, "mel_bands": bands, "hop_ms": tree.hop_ms}}
    towers = face_spec(face), TowerSpec(params.voice_tower, bands, frames if params.voice_tower == "flatten" else 0)
    plan = Plan(STAGE, params, towers, frames, inputs, tracked, about(tree, mels))
    fit(workspace, plan, sides["train"], sides["val"], folder)


def about(tree: Tree, mels: Mels) -> dict[str, Any]:
    """What metrics say of the tree itself."""
    return {
        "spectrograms": mels.layout.told,
        "people_without_mels_or_faces": len(tree.absent),
        "files_of_other_kinds": tree.unread,
        "people_moved_to_their_side_in_vox1": len(tree.moved),
    }


def main(workspace: Workspace) -> None:
    """Train on data/hq; write models/hq."""
    train_tree(workspace, read_tree(workspace.hq), workspace.params.train_hq, workspace.models / "hq")
