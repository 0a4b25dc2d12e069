"""Pictures and sounds of any folder as what a model's towers take in, and where it is remembered that they were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onscreen.config import Params
from onscreen.errors import ConfigError, InputError
from onscreen.guide.people import STAGE, Media, MediaFile
from onscreen.matching.folder import read_config
from onscreen.records import Reject
from onscreen.stages.digests import digests
from onscreen.stages.items import FaceFile, FaceInput, Items, VoiceInput, face_items, picture_input, voice_input, voice_items
from onscreen.stages.sounds import hear
from onscreen.storage import StoredFile
from onscreen.weights import home
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class Measured:
    """Items by the names of the files. sha256: of the files that gave one."""

    faces: Items
    voices: Items
    sha256: Mapping[str, str]

    @property
    def rejects(self) -> list[Reject]:
        """The files that gave none."""
        sides = (("face", self.faces), ("voice", self.voices))
        return [
            Reject(name, STAGE, scope, why.code, why.detail, why.numbers)
            for scope, items in sides
            for name, why in sorted(items.lost.items())
        ]


def inputs_of(params: Params) -> tuple[FaceInput, VoiceInput]:
    """How the towers of params.train_face_voice take in pictures and sounds. Raises WeightsError when an hf tower's model is not
    on this machine."""
    train = params.train_face_voice
    face = picture_input(train.face_tower, train.face_frozen_epochs == "all", params.faces)
    return face, voice_input(train, params.voices, params.hq)


def measure(workspace: Workspace, media: Media, face: FaceInput, voice: VoiceInput) -> Measured:
    """Measure every file, or take it from the item cache."""
    faces, voices = measure_faces(workspace, media.faces, face), measure_voices(workspace, media.voices, voice)
    known = {*faces.known, *voices.known}
    return Measured(faces, voices, {name: sha for name, sha in digests_of(workspace, media).items() if name in known})


def digests_of(workspace: Workspace, media: Media) -> dict[str, str]:
    """sha256 of every file that can be read, by name; what cannot is a reject where it is measured."""
    return digests(workspace, {name: file.path for name, file in {**media.faces, **media.voices}.items()})[0]


def measure_faces(workspace: Workspace, files: Mapping[str, MediaFile], how: FaceInput) -> Items:
    """Items of pictures. Raises MixedModelsError for a model that takes embeddings which pictures cannot be given here."""
    known, lost = digests(workspace, {name: file.path for name, file in files.items()})
    found = face_items(workspace, how, {name: FaceFile(StoredFile(files[name].path)) for name in known})
    return replace(found, lost={**found.lost, **lost})


def measure_voices(workspace: Workspace, files: Mapping[str, MediaFile], how: VoiceInput, most_s: float = math.inf) -> Items:
    """Items of sounds: where somebody speaks in them, and that as the tower takes it. most_s: longer ones are rejects."""
    heard = hear(workspace, {name: file.path for name, file in files.items()}, most_s=most_s)
    found = voice_items(workspace, how, heard.speech)
    return replace(found, lost={**found.lost, **heard.lost})


def config_of(option: str, folder: Path) -> dict[str, Any]:
    """config.json of a model's folder. Raises InputError, naming the option, when it holds no model that was trained."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{option} {folder}: holds no model (no config.json). `onscreen train face-voice` writes one.")
    config = read_config(folder)
    if config.get("status") != "ok" or "inputs" not in config:
        raise InputError(f"{option} {folder}: {config.get('status', 'its config.json is not one of a face-voice model')}")
    return config


def hearing_of(option: str, folder: Path, config: Mapping[str, Any]) -> VoiceInput:
    """How a model hears sounds. Raises ConfigError, naming the option, for one that takes the spectrograms of an HQ-VoxCeleb tree."""
    voice = config["inputs"]["voice"]
    if "mel_bands" in voice:
        raise ConfigError(
            f"{option} {folder}: this model takes the spectrograms of an HQ-VoxCeleb tree, not sound. `onscreen hq evaluate` scores it; "
            "`onscreen train face-voice` and models/face_voice hear sound"
        )
    return VoiceInput(**voice)


def workspace_for(model: Path, params: Params) -> Workspace:
    """Where a model is used: the items that its training measured are taken from its own folder, if they are there.

    Else from the checkout that the current folder lies in, or from the user's cache.
    """
    own = model.resolve() / ".onscreen"
    root = own / "workspace" if own.is_dir() else home()
    return Workspace(root, root, params, own / "cache" if own.is_dir() else home() / ".cache" / "onscreen")
