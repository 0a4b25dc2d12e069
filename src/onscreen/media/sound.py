"""Sound files: a whole one decoded to one channel at one rate. (The soundtrack of a video lies on its clock: media/audio.py.)"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.container import frames_of, packets, sound_stream

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
# Containers that hold sound in one file; playlists would open other files or the network.
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": "wav,w64,flac,mp3,ogg,mov,mp4,m4a,aac,aiff"}


@dataclass(frozen=True)
class Sound:
    """Sound of a file. samples: (n,) float32 within [-1, 1], the mean of its channels, at the rate that was asked for.

    source_hz, channels, codec: of the file. gain: what all samples were multiplied by, below 1 where a file of floats goes beyond
    full scale, else 1.
    """

    samples: np.ndarray
    source_hz: int
    channels: int
    codec: str
    gain: float


def decode_sound(path: Path, rate_hz: int, most_s: float = math.inf) -> Sound:
    """Decode a file's first sound stream. Packets that are broken are missing, nothing stands for them.

    most_s: seconds; a file of more is not decoded further, whatever its header says of its length.
    Raises Rejected: empty_file, unreadable, not_a_sound (of no sound format, or without sound), undecodable (nothing in it can be
    decoded), too_long, audio_changes_rate (or its channels, on the way), not_finite (a sample is NaN or infinite; how many of the piece of the file where it was noticed).
    """
    import av

    _check_readable(path)
    try:
        container = av.open(str(path.absolute()), options=_OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        detail = f"it cannot be opened as a sound file: {error.strerror}"
        raise Rejected("not_a_sound", detail, {"bytes": float(path.stat().st_size)}) from error
    with container:
        stream = sound_stream(container)
        if stream is None:
            raise Rejected("not_a_sound", f"it holds no sound (format {container.format.name})")
        samples, source_hz, channels = _decode(container, stream, rate_hz, most_s)
        peak = float(np.abs(samples).max(initial=0.0))
        gain = 1 / max(1.0, peak)
        return Sound(samples * np.float32(gain), source_hz, channels, stream.codec_context.name, gain)


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(1)
    except OSError as error:
        raise Rejected("unreadable", f"the file cannot be read: {error.strerror}") from error
    if not head:
        raise Rejected("empty_file", "the file has 0 bytes", {"bytes": 0.0})


def _decode(container: Any, stream: Any, rate_hz: int, most_s: float) -> tuple[np.ndarray, int, int]:
    """Samples at rate_hz; the file's rate and channels."""
    import av
    import soxr

    to_float = av.AudioResampler(format="flt")  # of any sample format; rate and channels stay as they are
    kind: tuple[int, int] | None = None
    parts, samples = list[np.ndarray](), 0
    for packet in packets(container, stream):
        for frame in frames_of(packet) or []:
            found = (frame.sample_rate, frame.layout.nb_channels)
            if kind is None:
                kind, to_rate = found, soxr.ResampleStream(found[0], rate_hz, 1, dtype="float32")
            if found != kind:
                raise Rejected("audio_changes_rate", "its sample rate or its channels change on the way")
            samples += frame.samples
            if samples > most_s * kind[0]:
                raise Rejected("too_long", f"more than {most_s:g} s of sound", {"max_s": most_s})
            parts += [to_rate.resample_chunk(_mono(piece, kind[1])) for piece in to_float.resample(frame)]
    if kind is None:
        raise Rejected("undecodable", "nothing of its sound can be decoded")
    parts.append(to_rate.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts), *kind


def _mono(frame: Any, channels: int) -> np.ndarray:
    """A packed av.AudioFrame of floats as (n,) float32: the mean of its channels."""
    samples = frame.to_ndarray().reshape(-1, channels)
    if broken := int(np.count_nonzero(~np.isfinite(samples))):
        raise Rejected("not_finite", "it holds samples that are no numbers", {"samples": float(broken)})
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float64), np.float32)
