"""Speaker embeddings over the speech of a clip: 256 values of Resemblyzer's GE2E network, or what a network of transformers gives.

GE2E (three LSTM layers, a linear one) is built here and its packaged weights are loaded as plain tensors. Resemblyzer's own
`embed_utterance` fills the last 1.6 s of a clip with zeros; here every stretch that the network hears is speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.errors import Rejected
from onscreen.hf import PREFIX
from onscreen.voices import hf_embedders
from onscreen.voices.waveform import LOUDNESS_DBFS, RATE_HZ, Loudness, ShortSpeech, Speech, fill, level, read_speech
from onscreen.weights import digest_of, path_of

if TYPE_CHECKING:
    from torch import nn

DIM = 256
HOP = 160  # samples, 10 ms
PARTIAL = 160  # frames that GE2E hears at once, 1.6 s, as it was trained; networks of transformers are given no less either
STEP = 77  # frames between partials: Resemblyzer's 1.3 partials a second


@dataclass(frozen=True)
class VoiceTask:
    """What to measure. window_s: seconds of speech that one window holds; a clip's windows are averaged.

    embedder: resemblyzer | hf:<id or path>. loudness_dbfs, short_speech: see waveform.level, waveform.fill. files: of an hf model,
    name -> sha256, as they must be; None: as they are here.
    """

    speech: Speech
    embedder: str
    window_s: float
    loudness_dbfs: Loudness = LOUDNESS_DBFS
    short_speech: ShortSpeech = "repeat"
    files: Mapping[str, str] | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the measurement depends on; of an hf model its files count, not where they lie."""
        kind = PREFIX if self.embedder.startswith(PREFIX) else self.embedder
        names = ("window_s", "loudness_dbfs", "short_speech")
        return {"embedder": kind, **{name: getattr(self, name) for name in names}}


def voice_key(task: VoiceTask, sha256: str) -> str:
    """The key of measure_voice in the item cache. sha256: of the WAV's bytes.

    Raises WeightsError when an hf model whose files the task does not name is not on this machine.
    """
    if task.embedder.startswith(PREFIX):
        libraries = ["numpy", "soundfile", "torch", "transformers"]
        files = hf_embedders.files_of(task.embedder) if task.files is None else task.files
        weights = [f"{name} {digest}" for name, digest in sorted(files.items())]
    else:
        libraries, weights = ["librosa", "numpy", "soundfile", "torch"], [digest_of(task.embedder)]
    code = code_digest("onscreen.voices.embedders", *libraries)
    return item_key(inputs=task.speech.inputs(sha256), code=code, params=task.params, weights=weights)


def measure_voice(task: VoiceTask) -> Item:
    """The speaker embedding of a clip.

    arrays: embedding (D,) float32, L2 = 1, the mean over windows; windows (W, D) float32, each L2 = 1, in the order of time. D is
    256 of resemblyzer. meta: speech_s; repeated: whether speech under 1.6 s was repeated once.
    Raises Rejected: those of read_speech, level ("silent") and fill ("too_short": under 0.8 s, or under 1.6 s where that is
    refused), "no_embedding" (the network gives no numbers for it). Raises WeightsError as hf.find does.
    """
    samples = level(read_speech(task.speech), task.loudness_dbfs)
    speech_s = samples.size / RATE_HZ
    heard, repeated = fill(samples, PARTIAL * HOP, task.short_speech)
    length = max(round(task.window_s * RATE_HZ), PARTIAL * HOP)
    embed = _embedder(task)
    windows = np.stack([embed(heard[start : start + length]) for start in _starts(heard.size, length, length)])
    if not np.isfinite(windows).all():
        raise Rejected("no_embedding", f"{task.embedder} gives no numbers for its speech", {"speech_s": speech_s})
    return Item({"speech_s": speech_s, "repeated": repeated}, {"embedding": _unit(windows.mean(axis=0)), "windows": windows})


def _embedder(task: VoiceTask) -> Callable[[np.ndarray], np.ndarray]:
    if not task.embedder.startswith(PREFIX):
        return _embed
    return hf_embedders.embedder(task.embedder, None if task.files is None else tuple(sorted(task.files.items())))


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
