"""A registered model's answers: does the face in this picture belong to the voice in this sound. Made as `onscreen match` makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np

from onscreen import weights
from onscreen.config import Params
from onscreen.engine import Engine, InProcess
from onscreen.errors import ConfigError, Rejected
from onscreen.guide.matching import is_one_person, judging_threshold
from onscreen.guide.people import MediaFile
from onscreen.guide.requests import AUDIO_S, picture_of, sound_of
from onscreen.guide.senses import senses_of
from onscreen.matching.folder import load_model, read_config
from onscreen.stages.items import Items
from onscreen.store import read_json
from onscreen.tracking.serving_files import ABOUT, weights_of
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
        """Load it and all that looks and listens, so that the first request does not wait for that.

        Raises ConfigError or MixedModelsError for a model that cannot take pictures and sounds, and says why; WeightsError when a file
        that it brought is not what it was.
        """
        config, about = read_config(model), read_json(brought / ABOUT)
        if "refused" in about:
            raise ConfigError(f"this model takes no pictures and sounds: {about['refused']}")
        self._weights, self._model = brought / "weights", load_model(model)
        self._params = Params.model_validate({"voices": about["voices"]})
        self._senses = senses_of(config["inputs"], about, brought)
        self._threshold, self._remark = judging_threshold(config)
        with self._desk() as desk:
            for name in weights_of(config):
                weights.require_whole(name)
            self._senses.warm_up(desk)

    def answer(self, rows: Sequence[tuple[Any, Any]]) -> list[Answer]:
        """An answer a row, in their order. rows: cells of image and audio. What a row lacks spoils no other."""
        with self._desk() as desk:
            seen = _Side("image", [image for image, _ in rows], picture_of, desk.root)
            heard = _Side("audio", [audio for _, audio in rows], sound_of, desk.root)
            faces, voices = self._senses.see(desk, seen.files), self._senses.hear(desk, heard.files, AUDIO_S)
            vectors, others = _by_name(faces, self._model.embed_faces), _by_name(voices, self._model.embed_voices)
        answers = list[Answer]()
        for face, voice in zip(seen.names, heard.names, strict=True):
            lost = [why for why in (seen.why(face, faces), heard.why(voice, voices)) if why]
            score = None if lost else float(vectors[str(face)] @ others[str(voice)])
            answers.append(self._told(score, faces.faces.get(str(face)), "; ".join(lost) or None))
        return answers

    def _told(self, score: float | None, faces: int | None, lost: str | None) -> Answer:
        same = None if score is None or self._threshold is None else is_one_person(score, self._threshold)
        return Answer(score, same, self._threshold, faces, lost, self._remark)

    @contextmanager
    def _desk(self) -> Iterator[Workspace]:
        with _ONE_AT_A_TIME, weights.brought_in(self._weights), TemporaryDirectory(prefix="onscreen-") as folder:
            place = Path(folder)
            yield _Desk(place, place, self._params, place / "cache")


def _by_name(items: Items, embed: Callable[[Sequence[np.ndarray]], np.ndarray]) -> dict[str, np.ndarray]:
    names = sorted(items.known)
    return dict(zip(names, embed(items.of(names)), strict=True)) if names else {}


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
