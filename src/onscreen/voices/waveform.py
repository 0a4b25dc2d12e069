"""The speech of a clip as samples: its speech segments cut out of the decoded sound and joined, its level, its length."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from onscreen.errors import Rejected
from onscreen.storage import Stored, StoredFile

RATE_HZ = 16_000
LOUDNESS_DBFS = -30.0  # what GE2E, the packaged voice network, was trained with; the default of voices.loudness_dbfs

Loudness = float | Literal["as_recorded"]
ShortSpeech = Literal["repeat", "refuse"]


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

    Raises Rejected "unreadable_audio", "wrong_rate" (not 16 kHz mono), "no_speech" (the segments hold no sample), "not_finite"
    (a sample is NaN or infinite, as files of floats may hold them).
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
    if broken := joined.size - int(np.count_nonzero(np.isfinite(joined))):
        raise Rejected("not_finite", f"{broken} samples of its speech are no numbers", {"samples": float(broken)})
    return joined


def level(samples: np.ndarray, loudness_dbfs: Loudness) -> np.ndarray:
    """Raise speech whose RMS lies below loudness_dbfs to it; louder speech, and all with "as_recorded", stays as it is.

    samples: (n,) float32, full scale 1. Returns the same shape and type. One gain for all samples, so nothing is clipped or
    compressed: a click in quiet speech may come out above 1, which networks take and a WAV file of integers would not.
    Raises Rejected "silent" when every sample is 0: no gain raises that.
    """
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    if rms == 0:
        raise Rejected("silent", "every sample of its speech is 0", {"rms": 0.0})
    if loudness_dbfs == "as_recorded":
        return samples
    gain = 10 ** (loudness_dbfs / 20) / rms
    return samples * np.float32(max(1.0, gain))


def fill(samples: np.ndarray, needed: int, rule: ShortSpeech) -> tuple[np.ndarray, bool]:
    """Speech of at least `needed` samples, and whether it was repeated for that.

    Longer speech stays as it is. Shorter speech is repeated once and cut to `needed`, or refused; never filled with zeros.
    samples: (n,) of any type. rule: repeat | refuse (voices.short_speech).
    Raises Rejected "too_short": refused, or less than half of `needed`, so that it would have to be repeated twice.
    """
    if samples.size >= needed:
        return samples, False
    if rule == "refuse" or 2 * samples.size < needed:
        least = needed if rule == "refuse" else needed / 2
        numbers = {"speech_s": samples.size / RATE_HZ, "needed_s": least / RATE_HZ}
        detail = "less speech than" + ("" if rule == "refuse" else " half of") + " what the voice network hears at once"
        raise Rejected("too_short", detail, numbers)
    return np.concatenate([samples, samples])[:needed], True
