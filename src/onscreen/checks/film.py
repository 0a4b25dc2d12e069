"""What one decoding of a sample's video.mp4 gives to all checks: some frames whole, all frames small, and its sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onscreen.media.audio import Audio, decode_audio
from onscreen.media.container import decode_from
from onscreen.media.probe import Probe, probe
from onscreen.media.video import open_picture, upright

FRAMES = 5  # that are kept whole, for models to look at; spread evenly
SMALL_PX = 32  # side of the small grey pictures


@dataclass(frozen=True)
class Film:
    """A decoded video.

    times_s: (N,) of all frames that decode, seconds on the file's clock. small: (N, 32, 32) uint8, grey. frames: frame index ->
    (H, W, 3) uint8 RGB of FRAMES of them. pixel_aspect: width over height of a pixel, as the file declares it.
    """

    probe: Probe
    times_s: np.ndarray
    small: np.ndarray
    frames: dict[int, np.ndarray]
    pixel_aspect: float


@dataclass(frozen=True)
class Heard:
    """The soundtrack from 0 to its end on the file's clock, mono."""

    audio: Audio
    probe: Probe


def watch(path: Path) -> Film:
    """Decode a video to its end. Raises Rejected: what probe raises."""
    found = probe(path)
    wanted = {int((index + 0.5) * found.n_frames / FRAMES) for index in range(FRAMES)}
    times, small, frames = list[float](), list[np.ndarray](), dict[int, np.ndarray]()
    with open_picture(path) as (container, stream):
        aspect = float(stream.sample_aspect_ratio or 1)
        for index, (time_s, frame) in enumerate(decode_from(container, stream, 0.0)):
            times.append(time_s)
            small.append(frame.to_ndarray(format="gray", width=SMALL_PX, height=SMALL_PX))
            if index in wanted:
                frames[index] = upright(frame, stream)
    shape = (len(small), SMALL_PX, SMALL_PX)
    return Film(found, np.array(times), np.array(small, np.uint8).reshape(shape), frames, aspect)


def listen(path: Path, rate_hz: int | None = None) -> Heard:
    """Decode the sound of a video from 0 on. Raises Rejected no_audio, and what probe raises."""
    found = probe(path)
    return Heard(decode_audio(path, 0.0, max(found.audio_end_s or 0.0, found.duration_s), rate_hz), found)
