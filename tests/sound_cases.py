"""Small real sound files, made by the tests that read them."""

from functools import cache
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from onscreen.sample.voices import Voice, speak

SPEECH_HZ = 44_100


@cache
def speech() -> np.ndarray:
    """(n,) float32 at 44.1 kHz, three sentences and some 6 s, of a synthesised voice that Silero VAD takes for one."""
    sentences = ["The boat was rocking on the lake.", "Nobody had seen the old man leave.", "They were waiting for the morning."]
    return np.concatenate([sound.samples for sound in speak(Voice("m3", 50, 150), sentences)])


def sound_file(
    path: Path, rate_hz: int = SPEECH_HZ, channels: int = 1, samples: np.ndarray | None = None, **settings: str
) -> Path:
    """Speech (or these samples, at 44.1 kHz) in a file of the kind that the ending says. settings: of soundfile, as subtype."""
    samples = speech() if samples is None else samples
    samples = soxr.resample(samples, SPEECH_HZ, rate_hz) if rate_hz != SPEECH_HZ else samples
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".m4a":
        return _aac(path, samples, rate_hz, channels)
    soundfile.write(path, samples if channels == 1 else np.stack([samples] * channels, axis=1), rate_hz, **settings)
    return path


def _aac(path: Path, samples: np.ndarray, rate_hz: int, channels: int) -> Path:
    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.stack([samples] * channels), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return path
