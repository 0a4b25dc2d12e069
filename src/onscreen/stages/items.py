"""What a tower takes in, made of faces and voices on disk: one way for our own pairs, for folders, lists and single files.

How it is done stands in a model's config.json under `inputs` (FaceInput, VoiceInput), so that whoever meets the model later gives
it the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.stages.hq_items import EMBEDDER, PICTURE_MODELS, Picture, measure_picture
from onscreen.storage import StoredFile
from onscreen.voices.embedders import VoiceTask, measure_voice, voice_key
from onscreen.voices.waveform import LOUDNESS_DBFS, Loudness, ShortSpeech, Speech
from onscreen.weights import digest_of, ensure, model, path_of
from onscreen.workspace import Workspace

Known = np.ndarray | Callable[[], np.ndarray]


@dataclass(frozen=True)
class FaceInput:
    """How a face becomes an item. tower: embedding | hf:<id or path>. embedder: of the embedding tower."""

    tower: str
    embedder: str | None


@dataclass(frozen=True)
class VoiceInput:
    """How speech becomes an item. tower: embedding | mel | flatten | hf:<id or path>. embedder: of the embedding tower.

    window_s: seconds of speech that the tower hears at once. loudness_dbfs, short_speech: see waveform.level, waveform.fill.
    """

    tower: str
    embedder: str | None
    window_s: float
    loudness_dbfs: Loudness = LOUDNESS_DBFS
    short_speech: ShortSpeech = "repeat"


@dataclass(frozen=True)
class FaceFile:
    """A picture of one face, large in it. embedding: (D,) float32, L2 = 1, of FaceInput.embedder, where it is measured already."""

    image: StoredFile
    embedding: np.ndarray | None = None


@dataclass(frozen=True)
class Items:
    """known: name -> the item, or what reads it when it is asked for. lost: name -> why there is none."""

    known: Mapping[str, Known]
    lost: Mapping[str, Rejected]

    def of(self, names: Sequence[str]) -> Sequence[np.ndarray]:
        """The items of these names, all known, in this order; read when they are asked for."""
        return _Read([self.known[name] for name in names])


class _Read(Sequence[np.ndarray]):
    def __init__(self, known: Sequence[Known]) -> None:
        self._known = known

    def __len__(self) -> int:
        return len(self._known)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> _Read: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | _Read:
        if isinstance(index, slice):
            return _Read(self._known[index])
        known = self._known[index]
        return known if isinstance(known, np.ndarray) else known()


def face_items(workspace: Workspace, how: FaceInput, faces: Mapping[str, FaceFile]) -> Items:
    """Items of these faces by name; embeddings from the item cache where they are there."""
    stored = {name: face.embedding for name, face in faces.items() if face.embedding is not None}
    missing = [name for name in faces if name not in stored]
    found = _embeddings(workspace, {name: faces[name].image for name in missing})
    measured = {name: item.arrays["embedding"] for name, item in found.items() if isinstance(item, Item)}
    return Items(stored | measured, {name: item for name, item in found.items() if isinstance(item, Rejected)})


def _embeddings(workspace: Workspace, pictures: Mapping[str, StoredFile]) -> dict[str, Item | Rejected]:
    if not pictures:
        return {}
    ensure(PICTURE_MODELS)
    files: dict[str, Path] = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    code = code_digest("onscreen.stages.hq_items", "dlib-bin", "mediapipe", "onnxruntime", "opencv-python")
    weights = [digest_of(name) for name in PICTURE_MODELS]
    jobs = [
        Job(item_key(inputs=[workspace.sha256_of(image)], code=code, params={}, weights=weights), Picture(image, files))
        for image in pictures.values()
    ]
    return dict(zip(pictures, workspace.engine.measure("faces", measure_picture, jobs), strict=True))


def voice_items(workspace: Workspace, how: VoiceInput, voices: Mapping[str, Speech]) -> Items:
    """Items of these voices by name; speaker embeddings from the item cache where they are there."""
    jobs = []
    for speech in voices.values():
        task = VoiceTask(speech, str(how.embedder), how.window_s, how.loudness_dbfs, how.short_speech)
        jobs.append(Job(voice_key(task, workspace.sha256_of(speech.wav)), task))
    found = dict(zip(voices, workspace.engine.measure("voices", measure_voice, jobs), strict=True))
    known = {name: item.arrays["embedding"] for name, item in found.items() if isinstance(item, Item)}
    return Items(known, {name: item for name, item in found.items() if isinstance(item, Rejected)})


def picture_input(tower: str) -> FaceInput:
    """How pictures whose faces nobody has measured become items."""
    return FaceInput(tower, EMBEDDER if tower == "embedding" else None)
