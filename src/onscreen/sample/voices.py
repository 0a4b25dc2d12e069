"""Voices of the eSpeak NG synthesiser that the package espeakng-loader carries, called through its C interface (speak_lib.h)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import ToolError
from onscreen.media.audio import Audio

_RATE_HZ = 44100
_LEVEL = 0.08  # root mean square of the speech, full scale 1: about -22 dB
_NOISE = 0.0005  # root mean square of the room, full scale 1: -66 dB
_SYNCHRONOUS, _UTF8 = 2, 1  # AUDIO_OUTPUT_SYNCHRONOUS, espeakCHARS_UTF8
_SPEED, _PITCH = 1, 3  # espeakRATE, espeakPITCH


@dataclass(frozen=True)
class Voice:
    """variant: a file of espeak-ng-data/voices/!v. pitch: 0-100, 50 is the variant's own. speed: words a minute.

    Variants with breath (f2, f3, f5, sandro, ...) speak other samples in every process; they are no use to a reproducible sample.
    """

    variant: str
    pitch: int
    speed: int


def speak(voice: Voice, sentences: Sequence[str]) -> list[Audio]:
    """What one voice says: mono at 44.1 kHz, one sound a sentence, silence cut off at both ends.

    The library keeps state from one utterance to the next, so that the same samples come only from the same sentences
    in the same order in a fresh process. Raises ToolError when the library refuses the voice or says nothing.
    """
    import soxr

    heard, rate_hz = _synthesise(voice, sentences)
    sounds = []
    for sentence, samples in zip(sentences, heard, strict=True):
        loud = np.flatnonzero(np.abs(samples) > 200)  # of 32768
        if not len(loud):
            raise ToolError(f"the synthesiser's voice {voice.variant} says nothing for: {sentence}")
        speech = soxr.resample(samples[loud[0] : loud[-1] + 1].astype(np.float32) / 32768, rate_hz, _RATE_HZ)
        level = min(_LEVEL / float(np.sqrt((speech**2).mean())), 0.9 / float(np.abs(speech).max()))
        sounds.append(Audio((level * speech).astype(np.float32), _RATE_HZ))
    return sounds


def in_a_room(speech: Audio, before_s: float, duration_s: float, seed: tuple[int, int]) -> Audio:
    """The speech from before_s on, in duration_s of a room's faint noise, drawn from the seed."""
    count = round(duration_s * speech.rate_hz)
    samples = np.random.default_rng(seed).normal(0, _NOISE, count)
    start = round(before_s * speech.rate_hz)
    samples[start : start + len(speech.samples)] += speech.samples
    return Audio(samples.astype(np.float32), speech.rate_hz)


def _synthesise(voice: Voice, sentences: Sequence[str]) -> tuple[list[np.ndarray], int]:
    """int16 samples of each sentence, and their rate."""
    from espeakng_loader import get_data_path, get_library_path

    if not (Path(get_data_path()) / "voices" / "!v" / voice.variant).is_file():  # the library would take its default, silently
        raise ToolError(f"the synthesiser has no voice {voice.variant}. Reinstall the package espeakng-loader.")
    library = ctypes.CDLL(get_library_path())
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(get_data_path()), 0)
    if rate_hz <= 0:
        raise ToolError(f"the synthesiser finds no data in {get_data_path()}. Reinstall the package espeakng-loader.")
    pieces: list[np.ndarray] = []
    callback = _collector(pieces)
    library.espeak_SetSynthCallback(callback)
    try:
        _check(library.espeak_SetVoiceByName(f"en-us+{voice.variant}".encode()), f"refuses the voice {voice.variant}")
        _check(library.espeak_SetParameter(_SPEED, voice.speed, 0), f"refuses the speed {voice.speed}")
        _check(library.espeak_SetParameter(_PITCH, voice.pitch, 0), f"refuses the pitch {voice.pitch}")
        return [_utter(library, pieces, sentence) for sentence in sentences], int(rate_hz)
    finally:
        library.espeak_Terminate()


def _utter(library: Any, pieces: list[np.ndarray], sentence: str) -> np.ndarray:
    pieces.clear()
    text = sentence.encode()
    _check(library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 0, 0, _UTF8, None, None), "cannot speak")
    _check(library.espeak_Synchronize(), "does not finish")
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _collector(pieces: list[np.ndarray]) -> Any:
    """A t_espeak_callback that keeps the samples; the caller must hold on to it as long as the library may call it."""

    def keep(samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(keep)


def _check(status: int, what: str) -> None:
    if status:
        raise ToolError(f"the synthesiser {what} (eSpeak NG status {status}). Reinstall the package espeakng-loader.")
