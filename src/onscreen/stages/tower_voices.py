"""What is measured of a voice for towers of transformers networks: whether it can be heard, and what a frozen network makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from onscreen import hf
from onscreen.cache import Item
from onscreen.voices.waveform import RATE_HZ, Loudness, ShortSpeech, Speech, fill, level, read_speech

if TYPE_CHECKING:
    from onscreen.matching.hf_towers import VoiceTower

LEAST_S = 1.6  # seconds of speech; shorter is repeated, or refused: as much as the packaged voice network hears at once
_AT_ONCE = 4  # windows


@dataclass(frozen=True)
class SpeechTask:
    """Speech to hear. loudness_dbfs, short_speech: see waveform.level, waveform.fill; shorter than LEAST_S is short."""

    speech: Speech
    loudness_dbfs: Loudness
    short_speech: ShortSpeech

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that what is heard depends on."""
        return {"loudness_dbfs": self.loudness_dbfs, "short_speech": self.short_speech}

    def read(self) -> tuple[np.ndarray, bool]:
        """(n,) float32, 16 kHz, and whether short speech was repeated. Raises Rejected as read_speech, level and fill do."""
        return fill(level(read_speech(self.speech), self.loudness_dbfs), round(LEAST_S * RATE_HZ), self.short_speech)


@dataclass(frozen=True)
class VoiceWindows:
    """Speech for a frozen network, in windows of window_s seconds at most."""

    task: SpeechTask
    window_s: float
    network: hf.Frozen


def measure_waveform(task: SpeechTask) -> Item:
    """Whether speech can be heard. meta: speech_s; repeated: whether it was short. Raises Rejected as SpeechTask.read does."""
    samples, repeated = task.read()
    return Item({"speech_s": samples.size / RATE_HZ, "repeated": repeated})


def measure_windows(task: VoiceWindows) -> Item:
    """What a frozen network makes of a voice. arrays: windows (D, W) float32, as the tower gives them. meta: speech_s, repeated.

    The windows are equal, do not overlap and cover the speech but for less than W samples. Raises Rejected as SpeechTask.read
    does, WeightsError as hf.find, hf.voice_settings and hf.load do.
    """
    samples, repeated = task.task.read()
    import torch

    count = ceil(samples.size / round(task.window_s * RATE_HZ))
    size = samples.size // count
    windows = torch.from_numpy(samples[: count * size].reshape(count, 1, size))
    tower = _voice_tower(task.network.name, tuple(sorted(task.network.files.items())))
    with torch.inference_mode():
        parts = [tower(part, torch.full((len(part),), size)) for part in torch.split(windows, _AT_ONCE)]
    meta = {"speech_s": samples.size / RATE_HZ, "repeated": repeated}
    return Item(meta, {"windows": hf.numbers(torch.cat(parts).numpy().T)})


@cache
def _voice_tower(name: str, files: tuple[tuple[str, str], ...]) -> VoiceTower:
    """The network of this process, on one thread."""
    import torch

    from onscreen.matching.hf_towers import VoiceTower

    torch.set_num_threads(1)
    found = hf.find(name, hf.VOICE_TYPES, dict(files))
    return VoiceTower(found.config, hf.voice_settings(found), hf.load(found)).eval()
