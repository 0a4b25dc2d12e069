"""Log-mel spectrograms in the layout of HQ-VoxCeleb: one (n_mels, frames) float32 array a clip.

The recipe is that of HQ-VoxCeleb's reference code (voice to face, 64 bands at 100 frames a second): pre-emphasis 0.97, Hamming
window, power spectrum of int16-scaled samples, HTK mel bands over 0-8 kHz, natural log with the floor 1e-5, then every band
to mean 0 and deviation 1 over the clip's speech, which takes out level and channel. Unlike there, frames lie wholly inside the
speech and a short clip stays short: nothing is padded or repeated.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.voices.waveform import RATE_HZ, Speech, read_speech

PRE_EMPHASIS = 0.97
FLOOR = 1e-5
INT16 = 32_768.0


@dataclass(frozen=True)
class MelTask:
    """What to measure. n_mels: bands. win_ms, hop_ms: milliseconds."""

    speech: Speech
    n_mels: int
    win_ms: float
    hop_ms: float

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the measurement depends on."""
        return {"n_mels": self.n_mels, "win_ms": self.win_ms, "hop_ms": self.hop_ms}


def measure_mel(task: MelTask) -> Item:
    """The clip's mel spectrogram. arrays: mel (n_mels, frames) float32. meta: speech_s, constant_bands (they are all 0).

    Raises Rejected: those of read_speech, "too_short" (under two frames: a deviation needs two), "silent" (no band ever changes).
    """
    samples = read_speech(task.speech)
    power = mel_power(samples, task)
    logs = np.log(np.maximum(power, FLOOR))
    spread = logs.std(axis=1, keepdims=True)
    constant = int(np.count_nonzero(spread < 1e-6))  # float32 log of one and the same value
    if constant == task.n_mels:
        raise Rejected("silent", "its mel bands never change", {"frames": float(logs.shape[1])})
    normal = (logs - logs.mean(axis=1, keepdims=True)) / (spread + np.finfo(np.float32).eps)
    normal[spread[:, 0] < 1e-6] = 0.0  # it is its own mean; dividing rounding errors would make noise of it
    return Item({"speech_s": samples.size / RATE_HZ, "constant_bands": constant}, {"mel": normal.astype(np.float32)})


def mel_power(samples: np.ndarray, task: MelTask) -> np.ndarray:
    """(n_mels, frames) float64 mel power of (n,) samples in [-1, 1]; frames = 1 + (n - window) // hop."""
    window, hop = round(task.win_ms * RATE_HZ / 1000), max(1, round(task.hop_ms * RATE_HZ / 1000))
    needed = 1 + window + hop
    if samples.size < needed:
        numbers = {"speech_s": samples.size / RATE_HZ, "needed_s": needed / RATE_HZ}
        raise Rejected("too_short", "its speech is shorter than two analysis windows, a hop apart", numbers)
    emphasised = (samples[1:].astype(np.float64) - PRE_EMPHASIS * samples[:-1]) * INT16
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, window)[::hop]
    bands = _filters(window, task.n_mels)
    spectrum = np.abs(np.fft.rfft(frames * np.hamming(window), 2 * (bands.shape[1] - 1))) ** 2
    return np.asarray(bands @ spectrum.T)


def _filters(window: int, n_mels: int) -> np.ndarray:
    """(n_mels, n_fft / 2 + 1): HTK's triangles over the bins of the shortest FFT in which every band holds a bin.

    That is the next power of two from the window up, 512 for the 25 ms and 64 bands of HQ-VoxCeleb; narrower bands fall between
    its bins, and would be 0 in every clip.
    """
    import librosa

    n_fft = 1 << (window - 1).bit_length()
    while True:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of empty filters: the next line sees to them
            filters = librosa.filters.mel(sr=RATE_HZ, n_fft=n_fft, n_mels=n_mels, htk=True)
        if filters.any(axis=1).all():
            return np.asarray(filters)
        n_fft *= 2
