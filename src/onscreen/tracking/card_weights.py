"""Every network that stands behind a model: those its inputs come from, and those that found its faces, speech and people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from onscreen.config import Params
from onscreen.faces import background, detectors, embedders
from onscreen.hf import PREFIX
from onscreen.stages.contamination import PUBLISHED
from onscreen.stages.hq_items import DETECTOR, PICTURE_MODELS
from onscreen.stages.voices import LIGHT_ASD
from onscreen.stages.voices_clip import DETECTOR as LIPS_DETECTOR
from onscreen.voices import speech
from onscreen.voices.one_speaker import EMBEDDER as SPEAKERS
from onscreen.weights import catalogue

SAMPLE_WEIGHTS = "dlib_landmarks_68"  # of sample.faces
_OUTSIDE = {"dlib": "dlib-bin", "mtcnn": "mtcnn"}  # detectors whose own weights lie in a package and not in weights.toml
_LIMITS = {  # words of a licence -> what they mean for who uses the model
    "non-commercial": "not for commercial use",
    "research only": "for research only",
    "for research": "partly for research only",
    "read it": "not stated here: read it before use",
    "state none": "not stated by its authors",
    "not known": "not known",
}


@dataclass(frozen=True)
class Weights:
    """One network. role: what it did for this model. limit: of its use; empty where its licence names none."""

    name: str
    about: str
    role: str
    licence: str
    trained_on: str

    @property
    def limit(self) -> str:
        found = [told for words, told in _LIMITS.items() if words in self.licence.lower()]
        return "; ".join(found)


def weights_behind(inputs: Mapping[str, Any], params: Params, *, own: bool, sample: bool) -> list[Weights]:
    """Each once, with all it did. inputs: of config.json.

    own: the pairs were made of own videos, not of an adopted tree. sample: those are the sample's clips.
    """
    roles: dict[str, list[str]] = {}
    for name, role in _used(inputs, params, own=own, sample=sample):
        if role not in roles.setdefault(name, []):
            roles[name].append(role)
    return [_weights(name, ", ".join(role)) for name, role in roles.items()]


def _used(inputs: Mapping[str, Any], params: Params, *, own: bool, sample: bool) -> Iterator[tuple[str, str]]:
    face, voice = inputs.get("face", {}), inputs.get("voice", {})
    is_tree = "mel_bands" in voice
    for tower, side in (("face", face), ("voice", voice)):
        network = str(side.get("tower", ""))
        yield from _named(network if network.startswith(PREFIX) else side.get("embedder"), f"{tower} tower")
    if is_tree and face.get("tower") == "embedding":
        yield from _each(PICTURE_MODELS, "embeds masked faces")
        yield f"package {_OUTSIDE[DETECTOR]}", "finds masked faces"
    if own:
        yield from _of_faces(params)
        yield from _of_voices(params)
        yield from _each(background.WEIGHTS if is_tree else (), "masks faces")
        yield from _each((SAMPLE_WEIGHTS,) if sample else (), "made the sample clips")


def _of_faces(params: Params) -> Iterator[tuple[str, str]]:
    detector = params.faces.detector
    yield from _each(detectors.WEIGHTS[detector], "finds faces")
    if detector in _OUTSIDE:
        yield f"package {_OUTSIDE[detector]}", "finds faces"
    yield from _each(embedders.WEIGHTS[params.faces.embedder], "tells people apart")


def _of_voices(params: Params) -> Iterator[tuple[str, str]]:
    yield speech.WEIGHTS, "finds speech"
    yield SPEAKERS, "compares the voices of a person"
    if params.voices.active_speaker != "none":
        yield from _each(detectors.WEIGHTS[LIPS_DETECTOR], "sees who speaks")
    if params.voices.active_speaker == LIGHT_ASD:
        yield LIGHT_ASD, "sees who speaks"


def _each(names: Iterable[str], role: str) -> Iterator[tuple[str, str]]:
    return ((name, role) for name in names)


def _named(network: str | None, role: str) -> Iterator[tuple[str, str]]:
    if network:
        yield from _each(embedders.WEIGHTS.get(network, (network,)), role)


def _weights(name: str, role: str) -> Weights:
    entry = catalogue().get(name)
    if entry is not None:
        return Weights(name, entry.about, role, entry.licence, entry.trained_on)
    if name.startswith(PREFIX):
        corpora = PUBLISHED.get(name.removeprefix(PREFIX))
        shown = name if _is_id(name) else f"{PREFIX}(a folder)"
        licence = "not known here: its model card says"
        return Weights(shown, "network of transformers", role, licence, ", ".join(corpora) if corpora else "not known here")
    return Weights(name, "a detector's own weights", role, _licence_of(name.removeprefix("package ")), "not known here")


def _is_id(name: str) -> bool:
    """Whether it is a name on the hub and no place on a machine."""
    return name.removeprefix(PREFIX).count("/") <= 1 and not name.removeprefix(PREFIX).startswith((".", "/", "~"))


def _licence_of(package: str) -> str:
    try:
        about = metadata(package)
    except PackageNotFoundError:
        return "not known: the package is not installed here"
    told = next((about[key] for key in ("License-Expression", "License") if key in about), None)
    return (
        f"{told.splitlines()[0]} (the package's; its weights state none of their own)"
        if told
        else "not known: the package names none"
    )
