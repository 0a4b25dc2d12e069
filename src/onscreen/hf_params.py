"""Which params name transformers models, and which of these are not on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from onscreen import hf
from onscreen.config import Params
from onscreen.errors import WeightsError


def missing(params: Params) -> Iterator[tuple[str, WeightsError]]:
    """The keys of params.yaml whose hf: model is not here or cannot serve, and why. Loads no library of networks."""
    named = (
        ("voices.embedder", params.voices.embedder, hf.VOICE_TYPES),
        ("train_face_voice.face_tower", params.train_face_voice.face_tower, hf.FACE_TYPES),
        ("train_face_voice.voice_tower", params.train_face_voice.voice_tower, hf.VOICE_TYPES),
        ("train_hq.face_tower", params.train_hq.face_tower, hf.FACE_TYPES),
    )
    for key, value, types in named:
        if value.startswith(hf.PREFIX):
            try:
                hf.require(value, types)
            except WeightsError as error:
                yield key, error
