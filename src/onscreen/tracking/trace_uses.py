"""Which faces and voices a model was trained, validated and tested on, from the tables of the pass that made it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from onscreen.console import log
from onscreen.matching.folder import digest_of_person
from onscreen.naming import file_stem
from onscreen.records import Clip, Identity, Pair, Reject, SplitRow
from onscreen.store import read_json, read_table
from onscreen.tracking.registry import MODEL
from onscreen.tracking.store import store_of
from onscreen.tracking.trace_states import State

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NEEDS = {
    "face_voice": ("models/face_voice", "data/splits"),
    "hq": ("models/hq", "data/hq"),
}  # model -> what tells its pairs
SIDES = ("train", "val", "test")


@dataclass(frozen=True)
class Part:
    """What one clip gave to a model: the names of its faces, and whether its voice. side: train, val or test.

    clip_id: of a tree that was adopted, the path of the file in it. source: path of the video relative to data.raw; "" where the
    tables do not say.
    """

    side: str
    identity_id: str
    clip_id: str
    faces: tuple[str, ...]
    voice: bool
    source: str


@dataclass(frozen=True)
class Uses:
    """What a model was made and scored from. pairs: by side. agrees: whether people and pairs are those that its config.json tells."""

    parts: tuple[Part, ...]
    pairs: dict[str, int]
    agrees: bool

    def of(self, side: str) -> list[Part]:
        return [part for part in self.parts if part.side == side]


def uses_of(state: State, model: str) -> Uses:
    """What `model` (face_voice or hq) of this state came from. Its tables must lie here: see State.lacks and NEEDS."""
    folder = state.workspace.models / model
    config = read_json(folder / "config.json")
    lost = {(row.scope, row.item) for row in read_table(folder / "rejects.parquet", Reject)}
    trained_on = set(config["training_people_sha256"])
    made, is_named = (_own(state), True) if model == "face_voice" else _of_tree(state, lost)
    pairs = [
        pair
        for pair in made
        if ("face", pair.face_id) not in lost and ("voice", pair.voice_clip_id) not in lost and pair.split in SIDES
        if pair.split == "train" or digest_of_person(pair.identity_id) not in trained_on  # such people take no part in scores
    ]
    counts = {side: sum(pair.split == side for pair in pairs) for side in SIDES}
    return Uses(tuple(_parts(_Names(state, is_named, model), pairs)), counts, _agrees(config, pairs))


def config_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any] | None:
    """config.json of a registered version, from the store of models; None where it does not hold it."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    uri = f"models:/{version.name}/{version.version}"
    with TemporaryDirectory() as folder, store_of(client):
        try:
            path = Model.load(uri).flavors["python_function"]["artifacts"][MODEL]["path"]
            file = mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/{path}/config.json", dst_path=folder)
        except (MlflowException, OSError, KeyError) as error:
            log.warning("%s version %s: its config.json cannot be read: %s", version.name, version.version, error)
            return None
        config: dict[str, Any] = read_json(Path(file))
    return config


def _own(state: State) -> list[Pair]:
    return read_table(state.workspace.splits / "pairs.parquet", Pair)


def _of_tree(state: State, lost: Collection[tuple[str, str]]) -> tuple[list[Pair], bool]:
    """Pairs of the tree's files, as the stage makes them, and whether the tree is made of our own clips."""
    from onscreen.matching.hq_tree import read_tree
    from onscreen.stages.train_hq import pairs_of

    tree = read_tree(state.workspace.hq)
    items = {item for _, item in lost}
    return [pair for person in tree.people for pair in pairs_of(tree, person, items)], bool(tree.source)


def _agrees(config: dict[str, Any], pairs: Iterable[Pair]) -> bool:
    training = [pair for pair in pairs if pair.split == "train"]
    people = sorted({digest_of_person(pair.identity_id) for pair in training})
    return bool(people == config["training_people_sha256"] and len(training) == config["data"]["training_pairs"])


def _parts(names: _Names, pairs: Iterable[Pair]) -> Iterator[Part]:
    """One for each side, person and clip, in this order."""
    found: dict[tuple[str, str, str], tuple[set[str], bool]] = {}
    for pair in pairs:
        person = names.person(pair.identity_id)
        face, voice = names.face(pair.face_id), names.voice(pair.voice_clip_id)
        key = (pair.split, person, names.clip_of(face))
        found.setdefault(key, (set(), False))[0].add(face)
        key = (pair.split, person, voice)
        found[key] = (found.get(key, (set(), False))[0], True)
    for (side, person, clip_id), (faces, is_voice) in sorted(found.items(), key=lambda item: (SIDES.index(item[0][0]), *item[0])):
        yield Part(side, person, clip_id, tuple(sorted(faces)), is_voice, names.source(clip_id))


class _Names:
    """From the names in pairs to those of people, faces, clips and videos. In a tree files are named after faces and clips.

    own: whether they are ours; those of a tree that was adopted stand for themselves.
    """

    def __init__(self, state: State, own: bool, model: str) -> None:
        if not own:
            self._clip = self._source = self._person = self._stems = {}
            return
        here = state.workspace
        splits = [] if state.lacks("data/splits") else read_table(here.splits / "splits.parquet", SplitRow)
        clips = [] if state.lacks("data/prepared") else read_table(here.prepared / "clips.parquet", Clip)
        faces = [] if state.lacks("data/identities") else read_table(here.identities / "identities.parquet", Identity)
        self._clip = {row.face_id: row.clip_id for row in splits}
        self._source = {row.clip_id: row.source for row in faces} | {clip.clip_id: clip.source for clip in clips}
        is_tree = model == "hq"
        self._person = {file_stem(row.identity_id): row.identity_id for row in splits} if is_tree else {}
        self._stems = {file_stem(name): name for name in (*self._clip, *self._source)} if is_tree else {}

    def person(self, name: str) -> str:
        return self._person.get(name, name)

    def face(self, name: str) -> str:
        return self._stems.get(_stem(name), name)

    def voice(self, name: str) -> str:
        return self._stems.get(_stem(name), name)

    def clip_of(self, face_id: str) -> str:
        return self._clip.get(face_id, face_id)

    def source(self, clip_id: str) -> str:
        return self._source.get(clip_id, "")


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]
