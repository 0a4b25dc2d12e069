"""`onscreen match` and `onscreen embed`: a trained model on single pictures and sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from onscreen.config import Params
from onscreen.errors import InputError, NothingUsable
from onscreen.guide.measuring import config_of, hearing_of, measure_faces, measure_voices, workspace_for
from onscreen.guide.people import STAGE, MediaFile
from onscreen.matching.folder import load_model
from onscreen.media.files import find_videos
from onscreen.media.images import SUFFIXES as PICTURES
from onscreen.media.sound import SUFFIXES as SOUNDS
from onscreen.records import Reject
from onscreen.stages.items import FaceInput, Items
from onscreen.store import write_table

_ENDINGS = {"--faces": PICTURES, "--voices": SOUNDS}
_ROUNDING = 1e-6  # of float32 sums in another order: the threshold is the score of a validation person
_SHOWN = 3  # reasons in an error
TRUSTED = 10  # validation people, from whom on a threshold says something


@dataclass(frozen=True)
class Embedding:
    """One row of a table of embeddings. name: the file's path relative to its folder. embedding: (D,) float32, L2 = 1."""

    name: str
    embedding: np.ndarray


@dataclass(frozen=True)
class Ranked:
    """Voices by how well they fit a face, the best first. scores: cosine. threshold: from which on face and voice are taken for one
    person; None, and why_no_threshold, where the model has none. validation_people: those it was chosen on. missed, accepted: how
    often it was wrong on them.
    """

    names: tuple[str, ...]
    scores: tuple[float, ...]
    threshold: float | None
    why_no_threshold: str
    validation_people: int
    missed: float
    accepted: float
    rejects: tuple[Reject, ...]

    def takes_for_one(self, score: float) -> bool:
        """Whether the score is at the threshold or above, where there is one."""
        return self.threshold is not None and is_one_person(score, self.threshold)


def judging_threshold(config: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """The threshold that pairs are judged by; or None, and why there is none."""
    told = calibration_of(config)
    threshold, people = told["threshold"], told.get("validation_people", 0)
    if threshold is not None and people >= TRUSTED:
        return threshold, None
    return None, threshold_told(threshold, people, told.get("reason", ""))


def threshold_told(threshold: float | None, people: int, reason: str) -> str:
    """What to tell of a threshold. people: validation people it was chosen on. reason: why there is none."""
    if threshold is None:
        return f"no threshold: {reason}"
    if people < TRUSTED:
        return f"threshold from {people} validation people says nothing; {TRUSTED} are needed"
    return f"threshold {threshold:.4f}, chosen on {people} validation people"


def is_one_person(score: float, threshold: float) -> bool:
    """Whether a face and a voice of that cosine are taken for one person."""
    return score >= threshold - _ROUNDING


def calibration_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a model's config.json says of its threshold: see matching.folder.calibration."""
    told: Mapping[str, Any] = config.get("calibration", {"threshold": None, "reason": "it was trained by an earlier version"})
    return told


def match(face: Path, voices: Path, model_dir: Path, params: Params) -> Ranked:
    """Score every voice of a folder (or one file) with a face.

    Raises InputError for what is not there, ConfigError for a model that hears no sound, NothingUsable when the face or no voice can be
    used: the message says why.
    """
    config, model = config_of("--model", model_dir), load_model(model_dir)
    hearing = hearing_of("--model", model_dir, config)
    if not face.is_file():
        raise InputError(f"--face {face}: there is no such file")
    files = _files("--voices", voices)
    workspace = workspace_for(model_dir, params)
    seen = measure_faces(workspace, {face.name: _media(face.name, face)}, FaceInput(**config["inputs"]["face"]))
    if not seen.known:
        why = seen.lost[face.name]
        raise NothingUsable(f"--face {face}: {why.code}: {why.detail}")
    heard = measure_voices(workspace, files, hearing)
    names = _known("--voices", voices, heard)
    scores = model.embed_voices(heard.of(names)) @ model.embed_faces(seen.of([face.name]))[0]
    order = sorted(range(len(names)), key=lambda at: (-scores[at], names[at]))
    told = calibration_of(config)
    return Ranked(
        names=tuple(names[at] for at in order),
        scores=tuple(float(scores[at]) for at in order),
        threshold=told["threshold"],
        why_no_threshold=told.get("reason", ""),
        validation_people=told.get("validation_people", 0),
        missed=told.get("missed", 0.0),
        accepted=told.get("accepted", 0.0),
        rejects=_rejects("voice", heard),
    )


@dataclass(frozen=True)
class Embedded:
    """files: given. rows: in the table. rejects: why the others are not; they lie in `rejected`, where there are some."""

    files: int
    rows: int
    rejects: tuple[Reject, ...]
    rejected: Path


def embed(model_dir: Path, option: str, place: Path, output: Path, params: Params) -> Embedded:
    """Write the embeddings of all pictures or sounds of a folder (or of one file) as Parquet: name, embedding.

    option: --faces or --voices. Rejects go to <output>.rejects.parquet, which vanishes where there are none.
    Raises InputError for what is not there and for an output that is another file, NothingUsable when no file gives one.
    """
    config, model = config_of("--model", model_dir), load_model(model_dir)
    rejected = output.with_name(f"{output.stem}.rejects.parquet")
    _own_table(output)
    files = _files(option, place)
    workspace = workspace_for(model_dir, params)
    if option == "--faces":
        items = measure_faces(workspace, files, FaceInput(**config["inputs"]["face"]))
        names = _known(option, place, items)
        vectors = model.embed_faces(items.of(names))
    else:
        items = measure_voices(workspace, files, hearing_of("--model", model_dir, config))
        names = _known(option, place, items)
        vectors = model.embed_voices(items.of(names))
    rejects = _rejects("face" if option == "--faces" else "voice", items)
    write_table(output, Embedding, (Embedding(name, vector) for name, vector in zip(names, vectors, strict=True)))
    if rejects:
        write_table(rejected, Reject, rejects)
    else:
        rejected.unlink(missing_ok=True)
    return Embedded(len(files), len(names), rejects, rejected)


def _own_table(output: Path) -> None:
    """Raises InputError when there is something else than a table of embeddings in its place."""
    if output.suffix != ".parquet":
        raise InputError(f"--output {output}: must be a file that ends in .parquet")
    if not output.exists():
        return
    try:
        own = set(pq.read_schema(output).names) == {"name", "embedding"}
    except (pa.ArrowInvalid, OSError):
        own = False
    if not own:
        raise InputError(f"--output {output}: is there already and is no table of embeddings. Choose another name.")


def _files(option: str, place: Path) -> dict[str, MediaFile]:
    """Files by name. One file is itself, whatever its ending."""
    if place.is_file():
        return {place.name: _media(place.name, place)}
    if not place.is_dir():
        raise InputError(f"{option} {place}: there is no such file or folder")
    found = find_videos(place, _ENDINGS[option])
    if not found.videos:
        raise NothingUsable(f"{option} {place}: holds no file that ends in {', '.join(_ENDINGS[option])}")
    return {name: _media(name, place / name) for name in found.videos}


def _media(name: str, path: Path) -> MediaFile:
    return MediaFile(name, path, "", name)


def _known(option: str, place: Path, items: Items) -> list[str]:
    if not items.known:
        reasons = "; ".join(f"{name}: {why.code}: {why.detail}" for name, why in sorted(items.lost.items())[:_SHOWN])
        raise NothingUsable(f"{option} {place}: no file can be used ({reasons})")
    return sorted(items.known)


def _rejects(scope: str, items: Items) -> tuple[Reject, ...]:
    return tuple(Reject(name, STAGE, scope, why.code, why.detail, why.numbers) for name, why in sorted(items.lost.items()))
