"""Pictures: one upright frame, frames re-timed to a constant rate, and video files written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.audio import Audio
from onscreen.media.container import decode_from, display_size, open_media, picture_stream, quarter_turns
from onscreen.store import atomic_path

# A picture may stand for one or two lost ones, as players show it; beyond the longer of these it would be made up.
_HELD_S, _HELD_INTERVALS = 0.2, 3
CLOCK_ERROR_S = 0.001  # containers that count in milliseconds put a frame up to half of one beside its time
PICTURE_OPTIONS = {"crf": "18", "threads": "1", "x264-params": "mbtree=0"}
"""x264's macroblock tree was seen to give other bytes for the same frames at widths of 320, 352 and 360."""
_AAC_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_Timed: TypeAlias = tuple[float, Any]  # seconds on the file's clock, av.VideoFrame
_CODEC_DELAY_S = 2048 / 44100  # Windows Media files show the picture later by what their sound's encoder needs


@dataclass(frozen=True)
class Frame:
    """One picture. time_s: seconds from the clip's start. image: (H, W, 3) uint8 RGB, upright, square pixels."""

    time_s: float
    image: np.ndarray


@dataclass(frozen=True)
class Decoded:
    """What the decoder gave. frame: an av.VideoFrame. width, height: px, square, before the rotation that the frame asks for.

    It outlives the file that it comes from.
    """

    frame: Any
    width: int
    height: int

    @cached_property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright, square pixels."""
        # Threads would be started anew for each picture, which takes as long as the colours do.
        image = self.frame.to_ndarray(format="rgb24", width=self.width, height=self.height, threads=1)
        return np.ascontiguousarray(np.rot90(image, quarter_turns(self.frame)))


def constant_rate_frames(path: Path, start_s: float, end_s: float, fps: float) -> Iterator[Frame]:
    """Yield floor((end_s - start_s) * fps) frames; frame i is what is on screen at start_s + i / fps.

    Raises Rejected as decoded_at_rate does.
    """
    for time_s, decoded in decoded_at_rate(path, start_s, end_s, fps):
        yield Frame(time_s, decoded.image)


def decoded_at_rate(path: Path, start_s: float, end_s: float, fps: float) -> Iterator[tuple[float, Decoded]]:
    """Yield (seconds from start_s, what is on screen then) at floor((end_s - start_s) * fps) times, i / fps each.

    A picture that starts late by no more than one frame, or than codecs make it, counts from the start, as players show it. Files of
    variable rate may stand still for as long as they say; where packets are broken, the picture before them does not stand in for what
    they held.
    Raises Rejected: no_frames, picture_starts_late, picture_has_gap, picture_ends_early (with the numbers).
    """
    count, wanted, broken_s = int((end_s - start_s) * fps + 1e-6), 0, list[float]()
    with open_picture(path) as (container, stream):
        frames = _on_screen(decode_from(container, stream, start_s, broken_s), start_s)
        first = next(frames, None)
        if first is None:
            raise Rejected("no_frames", "no frame can be decoded between the two times", {"start_s": start_s, "end_s": end_s})
        interval_s = 1 / float(stream.average_rate or fps)
        late_s = first[0] - start_s
        if late_s > max(interval_s, 1 / fps, _CODEC_DELAY_S) + CLOCK_ERROR_S:
            raise Rejected("picture_starts_late", "the picture starts after the clip", {"late_s": late_s})
        for (time_s, frame), (next_s, _) in pairwise(chain([first], frames, [(float("inf"), None)])):
            until_s = next_s if next_s < float("inf") else time_s + max(_duration(frame), interval_s) + interval_s
            shown = range(wanted, min(count, _first_at(until_s - start_s, fps)))
            if shown:
                _refuse_gap(time_s, min(next_s, end_s), next_s, broken_s, max(_HELD_S, _HELD_INTERVALS * interval_s))
                decoded = Decoded(frame, *display_size(frame, stream))
                yield from ((index / fps, decoded) for index in shown)
            wanted = max(wanted, shown.stop)
            if wanted == count:
                return
        raise Rejected("picture_ends_early", "the picture ends before the clip", {"missing_s": (count - wanted) / fps})


def _refuse_gap(time_s: float, held_to_s: float, next_s: float, broken_s: list[float], limit_s: float) -> None:
    """Raises Rejected when a picture is held longer than the limit because of what is broken between it and the next."""
    held_s = held_to_s - time_s
    if held_s > limit_s and any(time_s - limit_s <= broken <= next_s + limit_s for broken in broken_s):  # times are not exact
        numbers = {"at_s": time_s, "held_s": held_s, "allowed_s": limit_s}
        raise Rejected("picture_has_gap", "broken packets leave no picture for a part of the clip", numbers)


def _first_at(time_s: float, fps: float) -> int:
    """Index of the first constant-rate frame that shows what comes on screen at time_s."""
    return max(0, int(np.ceil((time_s - CLOCK_ERROR_S) * fps)))


@contextmanager
def open_picture(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its picture stream, decoded by one thread: the engine runs a process per core.

    Raises Rejected: no_video_stream, and what open_media raises.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise Rejected("no_video_stream", "it holds no moving picture")
        stream.codec_context.thread_count = 1
        yield container, stream


def _on_screen(frames: Iterator[_Timed], start_s: float) -> Iterator[_Timed]:
    """Frames from the one that is on screen at start_s."""
    before = None
    for timed in frames:
        if before is not None and timed[0] > start_s + CLOCK_ERROR_S:
            yield before
        before = timed if timed[0] <= start_s + CLOCK_ERROR_S else None
        if before is None:
            yield timed
    if before is not None:
        yield before


def _duration(frame: Any) -> float:
    return float((frame.duration or 0) * frame.time_base)


def upright(frame: Any, stream: Any) -> np.ndarray:
    """An av.VideoFrame as (H, W, 3) uint8 RGB, rotation metadata and the shape of its pixels honoured."""
    return Decoded(frame, *display_size(frame, stream)).image


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: int | Fraction,
    audio: Audio | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an mp4, atomically: H.264 yuv420p (crf 18, one thread: the same frames give the same bytes) and AAC, index first.

    frames: (H, W, 3) uint8 RGB, all of one even size; frame i is on screen at i / fps. audio: sample 0 is heard with frame 0.
    metadata: any keys; they are read back by container.metadata. Raises ValueError for no frames, or frames of another shape.
    """
    import av

    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("a video needs a frame")
    with atomic_path(path) as temporary:
        flags = {"movflags": "+faststart+use_metadata_tags"}
        with av.open(str(temporary.absolute()), "w", format="mp4", options=flags) as container:
            container.metadata.update(metadata or {})
            picture = _add_picture(container, first, fps)
            sound = add_soundtrack(container, audio) if audio is not None else None
            for index, image in enumerate(chain([first], frames)):
                container.mux(picture.encode(_as_frame(image, first.shape, index, fps)))
                if sound is not None:
                    container.mux(sound.until((index + 1) / fps))
            container.mux(picture.encode(None))
            if sound is not None:
                container.mux(sound.rest())


def _add_picture(container: Any, first: np.ndarray, fps: int | Fraction) -> Any:
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"H.264 yuv420p needs even sides, got {width}x{height}")
    stream = container.add_stream("libx264", rate=fps, options=PICTURE_OPTIONS)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, fps)
    return stream


def _as_frame(image: np.ndarray, shape: tuple[int, ...], index: int, fps: int | Fraction) -> Any:
    import av

    if image.shape != shape or image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(f"frame {index} is {image.dtype} {image.shape}, expected uint8 {shape}")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    frame.pts, frame.time_base = index, Fraction(1, fps)
    return frame


def add_soundtrack(container: Any, audio: Audio) -> Soundtrack:
    """A new AAC stream of an output container. Raises ValueError for more than two channels."""
    import soxr

    rate_hz = audio.rate_hz if audio.rate_hz in _AAC_RATES_HZ else 48000
    samples = audio.samples if audio.samples.ndim == 2 else audio.samples[:, None]
    if samples.shape[1] > 2:
        raise ValueError(f"sound of one or two channels, got {samples.shape[1]}")
    samples = samples if rate_hz == audio.rate_hz else soxr.resample(samples, audio.rate_hz, rate_hz)
    stream = container.add_stream("aac", rate=rate_hz, layout="mono" if samples.shape[1] == 1 else "stereo")
    stream.bit_rate = 96000 * samples.shape[1]
    return Soundtrack(stream, np.clip(samples, -1, 1).astype(np.float32), rate_hz)


@dataclass
class Soundtrack:
    """Feeds sound to its encoder in step with the picture, so that the two lie side by side in the file."""

    stream: Any
    samples: np.ndarray
    rate_hz: int
    position: int = 0

    def until(self, time_s: float | Fraction) -> list[Any]:
        """Packets of the sound up to a time."""
        stop = min(len(self.samples), round(time_s * self.rate_hz))
        return self._encode(stop)

    def rest(self) -> list[Any]:
        return self._encode(len(self.samples)) + list(self.stream.encode(None))

    def _encode(self, stop: int) -> list[Any]:
        import av

        if stop <= self.position:
            return []
        part = np.ascontiguousarray(self.samples[self.position : stop].T)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=self.stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = self.rate_hz, self.position, Fraction(1, self.rate_hz)
        self.position = stop
        return list(self.stream.encode(frame))
