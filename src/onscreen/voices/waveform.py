"""The speech of a clip as samples: its speech segments cut out of the decoded sound and joined."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from onscreen.errors import Rejected
from onscreen.storage import Stored, StoredFile

RATE_HZ = 16_000


@dataclass(frozen=True)
class Speech:
    """Where the speech of one clip is. wav: 16 kHz mono file. start_s, end_s: segments, seconds from its start, sorted."""

    wav: StoredFile
    start_s: tuple[float, ...]
    end_s: tuple[float, ...]

    def inputs(self, sha256: str) -> list[str]:
        """What a measurement of this speech depends on, for its cache key: the file's bytes (their sha256) and the segments."""
        return [sha256, repr(self.start_s), repr(self.end_s)]


class Spoken(Protocol):
    """What a Clip says of its speech. Not records.Clip: a column more there would measure every voice again."""

    @property
    def audio(self) -> str | None: ...
    @property
    def speech_start_s(self) -> tuple[float, ...]: ...
    @property
    def speech_end_s(self) -> tuple[float, ...]: ...


def speech_of(prepared: Stored, clip: Spoken) -> Speech:
    """Where a clip's speech lies on disk. prepared: data/prepared. The clip has audio (pairs only name such).

    Raises InputError when its file is not there.
    """
    return Speech(prepared.file(str(clip.audio)), clip.speech_start_s, clip.speech_end_s)


def read_speech(speech: Speech) -> np.ndarray:
    """(n,) float32 in [-1, 1] at 16 kHz, the segments joined.

    Raises Rejected "unreadable_audio", "wrong_rate" (not 16 kHz mono), "no_speech" (the segments hold no sample).
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(speech.wav.read()), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise Rejected("unreadable_audio", f"{speech.wav.name} cannot be read: {error.error_string}") from error
    if rate != RATE_HZ or samples.ndim != 1:
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        detail = f"{speech.wav.name} has {channels} channels at {rate} Hz; 1 at {RATE_HZ} Hz is needed"
        raise Rejected("wrong_rate", detail, {"rate_hz": float(rate), "channels": float(channels)})
    bounds = zip(speech.start_s, speech.end_s, strict=True)
    parts = [samples[round(start * RATE_HZ) : round(end * RATE_HZ)] for start, end in bounds]
    joined = np.concatenate(parts) if parts else samples[:0]
    if not joined.size:
        raise Rejected("no_speech", "its speech segments hold no sample", {"speech_s": 0.0})
    return joined
