"""Where somebody speaks: Silero VAD (packaged, ONNX) gives a probability every 32 ms; a threshold turns them into segments.

measure_video stores the probabilities, the sound and what the file is, so that a changed threshold decodes nothing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.media.audio import Audio, decode_audio, to_int16
from onscreen.media.probe import Probe, probe
from onscreen.store import as_json
from onscreen.voices.waveform import RATE_HZ
from onscreen.weights import path_of

WINDOW = 512  # samples the network judges at a time: 32 ms
WEIGHTS = "silero_vad"  # name in weights.toml
MODEL_FILE = "silero_vad_16k_sequence.onnx"
LIBRARIES = ("av", "onnxruntime", "silero-vad", "soxr")  # their versions belong to the key of a measurement
_CONTEXT = 64  # samples before a window that the network sees too
_BLOCK = 512  # windows a call, 16 s: bounds the memory of long files
# A pause of up to two windows is the closure of a consonant inside speech; a run under eight (Silero's 250 ms) is a click or a cough.
# No padding and no second, lower threshold: both count pauses as speech (up to 10 % more of it on real clips).
_BRIDGED_WINDOWS, _SHORTEST_WINDOWS = 2, 8
SHORTEST_S = _SHORTEST_WINDOWS * WINDOW / RATE_HZ  # seconds; no sound that is shorter can hold what counts as speech


def speech_probability(samples: np.ndarray) -> np.ndarray:
    """Probability of speech in each window of 512 samples.

    samples: (n,) float32, 16 kHz mono, full scale 1. Returns (ceil(n / 512),) float32, 0-1; the last window is filled with zeros.
    Raises WeightsError when the package's model file is missing or another one.
    """
    windows = np.zeros((-(-len(samples) // WINDOW), WINDOW), np.float32)
    windows.reshape(-1)[: len(samples)] = samples
    before = np.zeros((len(windows), _CONTEXT), np.float32)
    before[1:] = windows[:-1, -_CONTEXT:]
    inputs = np.concatenate([before, windows], axis=1)
    hidden = cell = np.zeros((1, 1, 128), np.float32)
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(inputs), _BLOCK):
        feed = {"input": inputs[start : start + _BLOCK], "h": hidden, "c": cell}
        values, hidden, cell = _session().run(["speech_probs", "hn", "cn"], feed)
        found.append(values.reshape(-1))
    return np.concatenate(found)


@cache
def _session() -> Any:
    """Silero VAD 6, 16 kHz, sequence form (same probabilities as the streaming form); one thread, once per process."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(path_of(WEIGHTS, MODEL_FILE)), sess_options=options, providers=["CPUExecutionProvider"]
    )


def speech_segments(probability: np.ndarray, threshold: float, duration_s: float) -> list[tuple[float, float]]:
    """Segments of speech, (start_s, end_s), sorted, disjoint, within 0 and duration_s.

    probability: of each window, as speech_probability gives it. A window at or above threshold is speech.
    """
    spoken = np.concatenate([[False], probability >= threshold, [False]])
    starts = np.flatnonzero(spoken[1:] & ~spoken[:-1])
    ends = np.flatnonzero(~spoken[1:] & spoken[:-1])
    apart = starts[1:] - ends[:-1] > _BRIDGED_WINDOWS
    starts, ends = starts[np.concatenate([[True], apart])[: len(starts)]], ends[np.concatenate([apart, [True]])[: len(ends)]]
    long_enough = ends - starts >= _SHORTEST_WINDOWS
    window_s = WINDOW / RATE_HZ
    pairs = zip((starts[long_enough] * window_s).tolist(), (ends[long_enough] * window_s).tolist(), strict=True)
    return [(start, min(end, duration_s)) for start, end in pairs if start < duration_s]


def measure_video(path: str) -> Item:
    """What a video file is and what is heard in it.

    meta: "probe" (a Probe's fields), "missing_start_s", "missing_end_s" (seconds without sound, null without any), "sound_gaps_s"
    ([start, end] of what is missing between the two, on the file's clock), "no_sound" (null, or code and detail of why). arrays: "sound" (n,) int16, 16 kHz mono, sample 0 at 0 s of the file's clock,
    "speech" float32 probabilities of its windows; both empty without sound.
    Raises Rejected as probe does, and OSError for a file that can no longer be read: a passing trouble, not to be remembered.
    """
    try:
        found = probe(Path(path))
    except Rejected as rejected:
        if rejected.code == "unreadable":
            raise OSError(rejected.detail) from rejected
        raise
    sound, why = _sound(Path(path), found)
    samples = sound.samples if sound else np.zeros(0, np.float32)
    missing: dict[str, Any] = {"missing_start_s": sound and sound.missing_start_s, "missing_end_s": sound and sound.missing_end_s}
    missing["sound_gaps_s"] = sound.gaps_s if sound else ()
    arrays = {"sound": to_int16(samples), "speech": speech_probability(samples)}
    return Item({"probe": as_json(found), "no_sound": why, **missing}, arrays)


def _sound(path: Path, found: Probe) -> tuple[Audio | None, dict[str, str] | None]:
    if not found.has_audio:
        return None, {"code": "no_audio", "detail": "the file holds no soundtrack"}
    try:
        return decode_audio(path, 0.0, found.duration_s, RATE_HZ), None
    except Rejected as rejected:
        return None, {"code": rejected.code, "detail": rejected.detail}
