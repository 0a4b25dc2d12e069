"""A registered model's answers: does the face in this picture belong to the voice in this sound. Made as `onscreen match` makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from onscreen import weights
from onscreen.config import Params
from onscreen.engine import Engine, InProcess
from onscreen.errors import ConfigError, MixedModelsError, Rejected
from onscreen.guide import requests
from onscreen.guide.matching import calibration_of, is_one_person
from onscreen.guide.measuring import measure_faces, measure_voices
from onscreen.guide.people import MediaFile
from onscreen.hf import PREFIX
from onscreen.matching.folder import load_model, read_config
from onscreen.stages.hq_items import EMBEDDER
from onscreen.stages.items import FaceInput, Items, VoiceInput
from onscreen.store import read_json
from onscreen.tracking.serving_files import ABOUT
from onscreen.workspace import Workspace

_ONE_AT_A_TIME = Lock()  # networks and detectors are loaded once a process, whatever models use them, and none is for two threads


@dataclass(frozen=True)
class Answer:
    """Of one row. similarity: cosine in [-1, 1]; null where it could not be measured, and reject says why.

    same_person: whether it reaches the threshold; null without similarity or threshold. threshold: of the model's validation people;
    null where there were too few, and remark says so. faces: in the picture, of which the largest was taken. reject: "image: code:
    detail" or "audio: code: detail", or both.
    """

    similarity: float | None = None
    same_person: bool | None = None
    threshold: float | None = None
    faces: int | None = None
    reject: str | None = None
    remark: str | None = None


class _Desk(Workspace):
    """A workspace that lasts as long as a request, in a folder of its own, and measures in this process."""

    @cached_property
    def engine(self) -> Engine:
        return InProcess(self.cache, workers=1, timeout_s=0.0)


class Answerer:
    """A model with what it brought (tracking.serving_files), loaded once; safe to call from several threads, which wait for each other."""

    def __init__(self, model: Path, brought: Path) -> None:
        """Load it, and look and listen once, so that the first request does not wait for that.

        Raises ConfigError for a model that cannot take pictures and sounds: it says why.
        """
        self._config, about = read_config(model), read_json(brought / ABOUT)
        if "refused" in about:
            raise ConfigError(f"this model takes no pictures and sounds: {about['refused']}")
        self._brought, self._model = brought / "weights", load_model(model)
        self._params = Params.model_validate({"voices": about["voices"]})
        self._face, self._voice = inputs_of(self._config["inputs"], brought)
        self._told = calibration_of(self._config)

    def answer(self, rows: Sequence[tuple[Any, Any]]) -> list[Answer]:
        """An answer a row, in their order. rows: cells of image and audio. What a row lacks spoils no other."""
        with _ONE_AT_A_TIME, weights.brought_in(self._brought), TemporaryDirectory(prefix="onscreen-") as folder:
            place = Path(folder)
            desk = _Desk(place, place, self._params, place / "cache")
            seen = _Side("image", [image for image, _ in rows], lambda cell: _picture(cell), place)
            heard = _Side("audio", [audio for _, audio in rows], lambda cell: requests.decoded(cell, requests.AUDIO_BYTES), place)
            faces = measure_faces(desk, seen.files, self._face)
            voices = measure_voices(desk, heard.files, self._voice, requests.AUDIO_S)
            return list(self._answers(seen, heard, faces, voices))

    def _answers(self, seen: _Side, heard: _Side, faces: Items, voices: Items) -> Iterator[Answer]:
        face_at, voice_at = sorted(faces.known), sorted(voices.known)
        vectors = dict(zip(face_at, self._model.embed_faces(faces.of(face_at)), strict=True)) if face_at else {}
        others = dict(zip(voice_at, self._model.embed_voices(voices.of(voice_at)), strict=True)) if voice_at else {}
        threshold = self._told["threshold"]
        for face, voice in zip(seen.names, heard.names, strict=True):
            lost = [seen.why(face, faces), heard.why(voice, voices)]
            empty = Answer(threshold=threshold, faces=faces.faces.get(face) if isinstance(face, str) else None)
            if any(lost):
                yield replace(empty, reject="; ".join(text for text in lost if text))
                continue
            score = float(vectors[str(face)] @ others[str(voice)])
            same = None if threshold is None else is_one_person(score, threshold)
            remark = None if threshold is not None else f"no threshold: {self._told['reason']}"
            yield replace(empty, similarity=score, same_person=same, remark=remark)


class _Side:
    """The pictures or the sounds of a request as files: each content once."""

    def __init__(self, column: str, cells: Sequence[Any], decode: Callable[[Any], bytes], folder: Path) -> None:
        self._column = column
        self.files: dict[str, MediaFile] = {}
        self.names = [self._name(cell, decode, folder) for cell in cells]

    def why(self, name: str | Rejected, items: Items) -> str | None:
        """Why there is no item of it, if so."""
        found = name if isinstance(name, Rejected) else items.lost.get(name)
        return None if found is None else f"{self._column}: {found}"

    def _name(self, cell: Any, decode: Callable[[Any], bytes], folder: Path) -> str | Rejected:
        try:
            data = decode(cell)
        except Rejected as rejected:
            return rejected
        name = hashlib.sha256(data).hexdigest()
        path = folder / name / self._column  # rejects call the file so
        if name not in self.files:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            self.files[name] = MediaFile(name, path, "", name)
        return name


def _picture(cell: Any) -> bytes:
    data = requests.decoded(cell, requests.IMAGE_BYTES)
    requests.check_picture(data)
    return data


def inputs_of(inputs: Mapping[str, Any], brought: Path) -> tuple[FaceInput, VoiceInput]:
    """How pictures and sounds become what the towers take, frozen networks being those that were brought.

    Raises MixedModelsError for a model of faces that were embedded by another model than pictures can be embedded with here.
    """
    face, voice = FaceInput(**inputs["face"]), VoiceInput(**inputs["voice"])
    if face.tower == "embedding" and face.embedder != EMBEDDER:
        raise MixedModelsError(
            f"this model takes faces as {face.embedder} embeds them in videos; pictures are embedded with {EMBEDDER}. Train with "
            f"faces.embedder: {EMBEDDER}, or with face_tower: hf:<id or path>, to serve it"
        )
    if face.frozen:
        face = replace(face, tower=f"{PREFIX}{brought / 'networks' / 'face'}")
    if voice.frozen:
        return face, replace(voice, tower=f"{PREFIX}{brought / 'networks' / 'voice'}")
    if voice.tower == "embedding" and str(voice.embedder).startswith(PREFIX):
        return face, replace(voice, embedder=f"{PREFIX}{brought / 'networks' / 'voice'}")
    return face, voice
