"""Speaker embeddings: 256 values of Resemblyzer's GE2E network over the speech of a clip.

The network (three LSTM layers, a linear one) is built here and its packaged weights are loaded as plain tensors. Resemblyzer's
own `embed_utterance` fills the last 1.6 s of a clip with zeros; here every stretch that the network hears is speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.voices.waveform import RATE_HZ, Speech, read_speech
from onscreen.weights import path_of

if TYPE_CHECKING:
    from torch import nn

DIM = 256
HOP = 160  # samples, 10 ms
PARTIAL = 160  # frames that the network hears at once, 1.6 s, as it was trained
STEP = 77  # frames between partials: Resemblyzer's 1.3 partials a second
LOUDNESS_DBFS = -30.0  # quieter speech is raised to this, as in its training


@dataclass(frozen=True)
class VoiceTask:
    """What to measure. window_s: seconds of speech that one window holds; a clip's windows are averaged."""

    speech: Speech
    embedder: str
    window_s: float

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the measurement depends on."""
        return {"embedder": self.embedder, "window_s": self.window_s}


def measure_voice(task: VoiceTask) -> Item:
    """The speaker embedding of a clip.

    arrays: embedding (256,) float32, L2 = 1, the mean over windows; windows (W, 256) float32, each L2 = 1.
    meta: speech_s; repeated: whether speech under 1.6 s was repeated once to fill what the network hears.
    Raises Rejected: those of read_speech, "too_short" (under 0.8 s: it would have to be repeated twice), "silent".
    """
    samples = _raise_level(read_speech(task.speech))
    speech_s = samples.size / RATE_HZ
    heard, repeated = _at_least_a_partial(samples)
    length = max(round(task.window_s * RATE_HZ), PARTIAL * HOP)
    windows = np.stack([_embed(heard[start : start + length]) for start in _starts(heard.size, length, length)])
    return Item({"speech_s": speech_s, "repeated": repeated}, {"embedding": _unit(windows.mean(axis=0)), "windows": windows})


def _raise_level(samples: np.ndarray) -> np.ndarray:
    """Raise speech below -30 dBFS to it; the network's mel power is not logarithmic, so level matters to it."""
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    if rms == 0:
        raise Rejected("silent", "every sample of its speech is 0", {"rms": 0.0})
    gain = 10 ** (LOUDNESS_DBFS / 20) / rms
    return samples * np.float32(max(1.0, gain))


def _at_least_a_partial(samples: np.ndarray) -> tuple[np.ndarray, bool]:
    """Speech of 0.8 to 1.6 s is repeated once and cut to 1.6 s; longer speech stays as it is."""
    needed = PARTIAL * HOP
    if samples.size >= needed:
        return samples, False
    if 2 * samples.size < needed:
        numbers = {"speech_s": samples.size / RATE_HZ, "needed_s": needed / 2 / RATE_HZ}
        raise Rejected("too_short", "less speech than half of what the voice network hears at once", numbers)
    return np.concatenate([samples, samples])[:needed], True


def _starts(size: int, length: int, step: int) -> list[int]:
    """Starts of windows that cover `size`, each wholly inside it: every step, and one that ends at the end."""
    last = max(0, size - length)
    return sorted({*range(0, last + 1, step), last})


def _embed(samples: np.ndarray) -> np.ndarray:
    """(256,) float32, L2 = 1: mean over the partials of (n,) samples, n >= 1.6 s."""
    import librosa
    import torch

    frames = librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, n_fft=400, hop_length=HOP, n_mels=40)
    mel = frames.T[: samples.size // HOP].astype(np.float32)  # librosa centres one more on the end: half of it is no sound
    partials = np.stack([mel[start : start + PARTIAL] for start in _starts(len(mel), PARTIAL, STEP)])
    with torch.inference_mode():
        return _unit(_network()(torch.from_numpy(partials)).numpy().mean(axis=0))


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@cache
def _network() -> nn.Module:
    """The GE2E network of this process, on one thread."""
    import torch
    from torch import nn

    class SpeakerEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(40, DIM, 3, batch_first=True)
            self.linear = nn.Linear(DIM, DIM)

        def forward(self, mels: torch.Tensor) -> torch.Tensor:
            """mels: (B, 160, 40) mel power. Returns (B, 256), L2 = 1, none below 0."""
            _, (hidden, _) = self.lstm(mels)
            return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)

    torch.set_num_threads(1)  # a worker process is one of many, and the network is small
    state = torch.load(path_of("resemblyzer", "pretrained.pt"), map_location="cpu", weights_only=True)["model_state"]
    network = SpeakerEncoder()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network.eval()
