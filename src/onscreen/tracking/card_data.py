"""How much data stands behind a model, by side: counts, and nobody's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onscreen.matching.hq_tree import SIDES, Tree, read_tree
from onscreen.records import Clip, Pair
from onscreen.store import read_table
from onscreen.workspace import Workspace

TITLES = {"train": "training", "val": "validation", "test": "test"}
USED = {"train": "training", "val": "validation"}  # prefixes of config.json's counts
_NO_PAIRS = "data/splits is not here"
_NO_TREE = "data/hq is not here"
_FRAMES = "a tree holds spectrograms, whose speech is not counted"


@dataclass(frozen=True)
class Side:
    """What a side has: numbers, or in words why there is none. clips: videos that its faces and voices are from."""

    people: int | str
    pairs: int | str
    faces: int | str
    voices: int | str
    clips: int | str
    speech_s: float | str


def sides_of(workspace: Workspace, name: str, config: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Side]:
    """By side, train, val and test. config: config.json. figures: evaluate.json's of the model.

    People and pairs of train and val are those that the model used; its test people are those that it was scored on. The rest is counted in
    the checkout's tables.
    """
    counted = _tree_sides(workspace) if name == "hq" else _pair_sides(workspace)
    found = {}
    for side in SIDES:
        own = counted[side]
        if side in USED:
            people, pairs = (
                config["data"].get(f"{USED[side]}_{what}", f"config.json has no {what}") for what in ("people", "pairs")
            )
        else:
            people, pairs = figures.get("test_people", "it was scored on nobody"), own.pairs
        found[side] = Side(people, pairs, own.faces, own.voices, own.clips, own.speech_s)
    return found


def _pair_sides(workspace: Workspace) -> dict[str, Side]:
    path = workspace.splits / "pairs.parquet"
    if not path.is_file():
        return dict.fromkeys(SIDES, Side(*[_NO_PAIRS] * 6))
    pairs = read_table(path, Pair)
    clips = {clip.clip_id: clip for clip in read_table(workspace.prepared / "clips.parquet", Clip)}
    return {side: _pairs_counted([pair for pair in pairs if pair.split == side], clips) for side in SIDES}


def _pairs_counted(pairs: Sequence[Pair], clips: Mapping[str, Clip]) -> Side:
    voices = {pair.voice_clip_id for pair in pairs}
    faces = {pair.face_id for pair in pairs}
    heard = sum(clips[name].speech_s or 0.0 for name in voices)
    people = len({pair.identity_id for pair in pairs})
    return Side(
        people, len(pairs), len(faces), len(voices), len(voices | {_clip_of(face, clips) for face in faces}), round(heard, 1)
    )


def _clip_of(face: str, clips: Mapping[str, Clip]) -> str:
    """The clip that a face is from: face_id is the clip's, with -p1, -p2 ... for other people than the main one."""
    return face if face in clips else face.rpartition("-p")[0]


def _tree_sides(workspace: Workspace) -> dict[str, Side]:
    if not Path(workspace.hq / "split.json").is_file():
        return dict.fromkeys(SIDES, Side(*[_NO_TREE] * 6))
    tree = read_tree(workspace.hq)
    return {side: _tree_counted(tree, side) for side in SIDES}


def _tree_counted(tree: Tree, side: str) -> Side:
    people = tree.side(side)
    faces, mels = ([path for person in people for path in getattr(person, kind)] for kind in ("faces", "mels"))
    videos = len({tree.source_of(path) for path in (*faces, *mels)}) if tree.source else "the tree does not say which videos"
    pairs = "those of the tree's faces and spectrograms"
    return Side(len(people), pairs, len(faces), len(mels), videos, _FRAMES)
