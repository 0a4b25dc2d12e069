"""Sound: decoded onto the clock of the video, read and written as WAV, measured for loudness (ITU-R BS.1770-4)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import InputError, Rejected
from onscreen.media.container import decode_from, open_media, sound_stream

# Timestamps this close to where the samples before ended are rounding; following them would cut holes of a sample.
_JITTER_S = 0.02
_HALF_POWER = 0.5**0.5
_USUAL_ORDER = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
_STEREO = {
    **{"FL": (1.0, 0.0), "FR": (0.0, 1.0), "FC": (_HALF_POWER, _HALF_POWER), "LFE": (0.0, 0.0)},
    **dict.fromkeys(("BL", "SL", "FLC"), (_HALF_POWER, 0.0)),
    **dict.fromkeys(("BR", "SR", "FRC"), (0.0, _HALF_POWER)),
}
_BLOCK_S, _STEP_S = 0.4, 0.1  # BS.1770-4: gating blocks of 400 ms that overlap by 75 %
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0


@dataclass(frozen=True)
class Audio:
    """Sound.

    samples: (n,) mono or (n, channels) float32, full scale 1. rate_hz: samples a second.
    missing_start_s, missing_end_s: seconds at the start and at the end for which the file holds no sound; zeros stand there.
    gaps_s: (start, end), seconds from sample 0, of what is missing between the two; zeros stand there too.
    """

    samples: np.ndarray
    rate_hz: int
    missing_start_s: float = 0.0
    missing_end_s: float = 0.0
    gaps_s: tuple[tuple[float, float], ...] = ()

    @property
    def missing_inside_s(self) -> float:
        """Seconds, in all, for which no sound could be decoded between the first and the last that could."""
        return sum(end_s - start_s for start_s, end_s in self.gaps_s)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


def decode_audio(
    path: Path, start_s: float, end_s: float, rate_hz: int | None = None, mono: bool = True, at_most_stereo: bool = False
) -> Audio:
    """Decode a file's first soundtrack from start_s to end_s, seconds on the file's clock (media/container.py).

    Sample 0 is what is heard at start_s; round((end_s - start_s) * rate) samples come back. Where the soundtrack starts later, ends
    earlier or has gaps, as broken packets leave them, zeros stand, and Audio says where. rate_hz: None keeps the
    file's.
    mono: the mean of the channels. at_most_stereo: more than two become two (ITU-R BS.775, never louder than full scale).
    Raises Rejected: no_audio, and what open_media raises.
    """
    with open_media(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise Rejected("no_audio", "the file holds no soundtrack")
        frames = decode_from(container, stream, start_s)
        time_s, frame = next(frames, (0.0, None))
        if frame is None:
            raise Rejected("no_audio", "nothing of the soundtrack can be decoded", {"start_s": start_s})
        timeline = _Timeline(start_s, end_s, frame.sample_rate, rate_hz or frame.sample_rate)
        timeline.add(time_s, _as_float(frame, mono, at_most_stereo))
        for time_s, frame in frames:
            if time_s >= end_s:
                break
            if frame.sample_rate != timeline.source_hz:
                raise Rejected("audio_changes_rate", "the soundtrack changes its sample rate on the way", {"time_s": time_s})
            timeline.add(time_s, _as_float(frame, mono, at_most_stereo))
    return timeline.finish()


class _Timeline:
    """Puts decoded pieces where their timestamps say, fills what is missing with zeros, cuts what lies outside, resamples."""

    def __init__(self, start_s: float, end_s: float, source_hz: int, rate_hz: int) -> None:
        self.source_hz, self._rate_hz = source_hz, rate_hz
        self._start_s, self._total = start_s, round((end_s - start_s) * source_hz)
        self._exact = round((end_s - start_s) * rate_hz)
        self._first: int | None = None  # position of the first sample that the file holds
        self._next: int | None = None  # position that follows the last piece, before 0 too
        self._filled = 0
        self._gaps: list[tuple[float, float]] = []
        self._parts: list[np.ndarray] = []
        self._resampler: Any = None

    def add(self, time_s: float, samples: np.ndarray) -> None:
        """samples: (n,) or (n, channels) float32, heard at time_s."""
        position = round((time_s - self._start_s) * self.source_hz)
        if self._next is not None and abs(position - self._next) <= _JITTER_S * self.source_hz:
            position = self._next
        self._next = position + len(samples)
        skip = max(0, self._filled - position)
        kept = samples[skip : max(skip, self._total - position)]
        if len(kept):
            start = position + skip
            if self._first is None:
                self._first = start
            elif start > self._filled:
                self._gaps.append((self._filled / self.source_hz, start / self.source_hz))
            self._feed(np.concatenate([_silence(start - self._filled, kept), kept]))
            self._filled = start + len(kept)

    def finish(self) -> Audio:
        """Raises Rejected no_audio when the file holds no sound between the two times."""
        if self._first is None:
            numbers = {"start_s": self._start_s, "end_s": self._start_s + self._total / self.source_hz}
            raise Rejected("no_audio", "the soundtrack holds no sound between the two times", numbers)
        missing = self._total - self._filled
        self._feed(_silence(missing, self._parts[0]), last=True)
        samples = np.concatenate(self._parts)
        lacking = _silence(max(0, self._exact - len(samples)), samples)  # the resampler rounds its length, by a sample at most
        samples = np.concatenate([samples, lacking])[: self._exact]
        return Audio(samples, self._rate_hz, self._first / self.source_hz, missing / self.source_hz, tuple(self._gaps))

    def _feed(self, samples: np.ndarray, last: bool = False) -> None:
        import soxr

        if self._rate_hz == self.source_hz:
            self._parts.append(samples)
            return
        if self._resampler is None:
            channels = 1 if samples.ndim == 1 else samples.shape[1]
            self._resampler = soxr.ResampleStream(self.source_hz, self._rate_hz, channels, dtype="float32")
        self._parts.append(self._resampler.resample_chunk(samples, last=last))


def _silence(n: int, like: np.ndarray) -> np.ndarray:
    return np.zeros((n, *like.shape[1:]), np.float32)


def _as_float(frame: Any, mono: bool, at_most_stereo: bool) -> np.ndarray:
    """An av.AudioFrame as (n,) or (n, channels) float32, full scale 1."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    if samples.dtype.kind != "f":
        middle = 128 if samples.dtype == np.uint8 else 0
        samples = (samples.astype(np.float64) - middle) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    if mono:
        return np.ascontiguousarray(samples.mean(axis=1), np.float32)
    if at_most_stereo and samples.shape[1] > 2:
        samples = samples @ _to_stereo([channel.name for channel in frame.layout.channels])
    return np.ascontiguousarray(samples, np.float32)


def _to_stereo(channels: Sequence[str]) -> np.ndarray:
    """(channels, 2) ITU-R BS.775's weights: what is in the middle or behind 3 dB down, no LFE; then scaled so that nothing can clip."""
    names = channels if set(channels) & set(_STEREO) else _USUAL_ORDER  # some files tell how many channels, and not which
    rows = [_STEREO.get(name, (_HALF_POWER, _HALF_POWER)) for name, _ in zip_longest(names[: len(channels)], channels)]
    weights = np.array(rows)
    return np.asarray(weights / weights.sum(axis=0).max())


def read_wav(path: Path) -> Audio:
    """Read a sound file; (n,) for one channel. Raises InputError when it is missing or is no sound file."""
    import soundfile

    try:
        samples, rate_hz = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"{path} cannot be read as sound: {error}. Run `dvc repro` (or `dvc pull`) to make it.") from error
    return Audio(samples, rate_hz)


def wav_bytes(audio: Audio) -> bytes:
    """A 16-bit PCM WAV file. Samples beyond full scale are clipped to it."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, to_int16(audio.samples), audio.rate_hz, subtype="PCM_16", format="WAV")
    return file.getvalue()


def to_int16(samples: np.ndarray) -> np.ndarray:
    """float32, full scale 1, to int16; samples beyond full scale are clipped to it."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def from_int16(samples: np.ndarray) -> np.ndarray:
    """int16 to float32, full scale 1."""
    return samples.astype(np.float32) / np.float32(32768)


def loudness_lufs(audio: Audio) -> float | None:
    """Integrated loudness by ITU-R BS.1770-4: K-weighting, 400 ms blocks, gates at -70 LUFS and 10 LU below the mean.

    Channels of 5.1 sound weigh L, R, C 1, LFE 0, surrounds 1.41; all others 1. Sound shorter than a block is one block.
    None where no block is louder than -70 LUFS.
    """
    samples = audio.samples if audio.samples.ndim == 2 else audio.samples[:, None]
    if not len(samples):
        return None
    power = _block_power(_k_weighted(samples, audio.rate_hz), audio.rate_hz) @ _channel_weights(samples.shape[1])
    power = power[power > _power_at(_ABSOLUTE_GATE_LUFS)]
    if not len(power):
        return None
    gate_lufs = _lufs(float(power.mean())) + _RELATIVE_GATE_LU
    return _lufs(float(power[power > _power_at(gate_lufs)].mean()))


def frame_power(samples: np.ndarray, rate_hz: int, hop: int) -> np.ndarray:
    """(N // hop,) K-weighted mean square of each hop of (N,) mono samples; SILENT_POWER is BS.1770-4's absolute gate, -70 LUFS."""
    whole = len(samples) // hop * hop
    return np.asarray((_k_weighted(samples[:whole, None], rate_hz) ** 2).reshape(-1, hop).mean(axis=1))


def _k_weighted(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """BS.1770's two filters (head shelf, low cut), their analogue prototypes brought to this rate; at 48 kHz they are the standard's.

    Constants: the prototypes as derived by libebur128 from the standard's 48 kHz coefficients.
    """
    from scipy.signal import lfilter

    k, q = np.tan(np.pi * 1681.974450955533 / rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf_b = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    shelf_a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    k, q = np.tan(np.pi * 38.13547087602444 / rate_hz), 0.5003270373238773
    cut_a = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    cut_b = np.array([1.0, -2.0, 1.0]) * cut_a[0]  # the standard leaves this filter's gain at 1 -2 1, after division by a0
    weighted = lfilter(shelf_b, shelf_a, samples.astype(np.float64), axis=0)
    return np.asarray(lfilter(cut_b, cut_a, weighted, axis=0))


def _block_power(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean square of each block and channel: (blocks, channels)."""
    size, step = min(len(samples), round(_BLOCK_S * rate_hz)), round(_STEP_S * rate_hz)
    total = np.concatenate([np.zeros((1, samples.shape[1])), np.cumsum(samples**2, axis=0)])
    starts = np.arange(0, len(samples) - size + 1, step)
    return np.asarray((total[starts + size] - total[starts]) / size)


def _channel_weights(channels: int) -> np.ndarray:
    return np.array([1, 1, 1, 0, 1.41, 1.41]) if channels == 6 else np.ones(channels)


def _lufs(power: float) -> float:
    return float(-0.691 + 10 * np.log10(power))


def _power_at(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


SILENT_POWER = _power_at(_ABSOLUTE_GATE_LUFS)
