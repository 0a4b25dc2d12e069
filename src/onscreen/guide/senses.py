"""How a registered model takes in pictures and sounds: by its config.json and what it brought (tracking.serving_files)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onscreen.errors import MixedModelsError
from onscreen.guide.measuring import measure_faces, measure_voices
from onscreen.guide.people import MediaFile
from onscreen.hf import PREFIX
from onscreen.media.audio import Audio, wav_bytes
from onscreen.stages.hq_items import EMBEDDER
from onscreen.stages.hq_raw import masked_faces
from onscreen.stages.items import FaceFile, FaceInput, Items, VoiceInput, face_items, voice_items
from onscreen.stages.tower_faces import Framing
from onscreen.storage import StoredFile
from onscreen.voices.waveform import RATE_HZ, Speech
from onscreen.workspace import Workspace

_BUZZ_HZ, _BUZZ_S = 120, 2.0


@dataclass(frozen=True)
class Senses:
    """masked: of a model of masked faces, how the crop is cut that the background is taken out of."""

    face: FaceInput
    voice: VoiceInput
    masked: Framing | None = None

    def see(self, desk: Workspace, pictures: Mapping[str, MediaFile]) -> Items:
        """What the face tower takes of these pictures."""
        if self.masked is None:
            return measure_faces(desk, pictures, self.face)
        found = masked_faces(
            desk, self.masked, {name: StoredFile(file.path) for name, file in pictures.items()}, desk.root / "masked"
        )
        items = face_items(desk, self.face, {name: FaceFile(file) for name, file in found.files.items()})
        return replace(items, lost={**items.lost, **found.lost}, faces=found.faces)

    def hear(self, desk: Workspace, sounds: Mapping[str, MediaFile], most_s: float) -> Items:
        """What the voice tower takes of these sounds. most_s: longer ones are rejects."""
        return measure_voices(desk, sounds, self.voice, most_s)

    def warm_up(self, desk: Workspace) -> None:
        """Load all that looks and listens, with a grey picture and a buzz; nothing of them is kept."""
        picture, sound = desk.root / "grey.png", desk.root / "buzz.wav"
        picture.write_bytes(cv2.imencode(".png", np.full((256, 256, 3), 128, np.uint8))[1].tobytes())
        buzz = np.arange(round(_BUZZ_S * RATE_HZ)) * _BUZZ_HZ / RATE_HZ % 1 - 0.5
        sound.write_bytes(wav_bytes(Audio(buzz.astype(np.float32), RATE_HZ)))
        self.see(desk, {"grey": MediaFile("grey", picture, "", "grey")})
        self.hear(desk, {"buzz": MediaFile("buzz", sound, "", "buzz")}, _BUZZ_S)
        voice_items(desk, self.voice, {"buzz": Speech(StoredFile(sound), (0.0,), (_BUZZ_S,))})


def senses_of(inputs: Mapping[str, Any], about: Mapping[str, Any], brought: Path) -> Senses:
    """inputs: of config.json. about: brought.json. Frozen networks are those that were brought.

    Raises MixedModelsError for a model of faces that were embedded by another model than pictures are embedded with here.
    """
    face = FaceInput(**inputs["face"])
    if face.tower == "embedding" and face.embedder != EMBEDDER:
        raise MixedModelsError(
            f"this model takes faces as {face.embedder} embeds them in videos; pictures are embedded with {EMBEDDER}. Train with "
            f"faces.embedder: {EMBEDDER}, or with face_tower: hf:<id or path>, to serve it"
        )
    if face.frozen:
        face = replace(face, tower=_brought(brought, "face"))
    if mel := about.get("hq"):
        rates = {"n_mels": mel["n_mels"], "win_ms": mel["win_ms"], "hop_ms": mel["hop_ms"]}
        whole = VoiceInput(inputs["voice"]["tower"], None, window_s=0.0, **rates)  # a spectrogram is heard as long as it is
        return Senses(face, whole, Framing(mel["crop_px"], mel["crop_margin"]))
    voice = VoiceInput(**inputs["voice"])
    if voice.frozen:
        voice = replace(voice, tower=_brought(brought, "voice"))
    elif voice.tower == "embedding" and str(voice.embedder).startswith(PREFIX):
        voice = replace(voice, embedder=_brought(brought, "voice"))
    return Senses(face, voice)


def _brought(brought: Path, tower: str) -> str:
    return f"{PREFIX}{brought / 'networks' / tower}"
