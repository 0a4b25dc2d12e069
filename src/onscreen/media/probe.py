"""What a video file is, by its bytes: one pass over its packets, one over its keyframes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from onscreen.errors import Rejected
from onscreen.media.container import (
    clock_start,
    decode_from,
    display_size,
    open_media,
    packets,
    picture_stream,
    quarter_turns,
    sound_stream,
)

_CUT_OFF_S = 1.0  # a file is truncated when more than this, and
_CUT_OFF_SHARE = 0.05  # more than this share, of the length that its header declares is not in it
_STILL_S, _STILL_INTERVALS = 0.5, 5  # a picture that stays longer than both stands still


@dataclass(frozen=True)
class Probe:
    """A video file. Times are seconds on the file's clock (media/container.py): 0 is where a player starts.

    duration_s: end of the picture. video_start_s: when the picture starts; 0 unless the sound starts first.
    declared_duration_s: the picture's end by the header, None where there is none. truncated: the file ends long before it.
    n_frames: video packets. fps: mean rate. width, height: of the upright picture with square pixels.
    rotation_deg: turn, counterclockwise, that the metadata asks for and that Frame.image has had: -90, 0, 90 or 180.
    audio_rate_hz, audio_channels: 0 without audio. audio_start_offset_s: the sound's start minus the picture's, negative when the
    sound leads; audio_end_s: end of the sound; both None without audio.
    still_s: (start, end) of each picture that stays on screen for more than 0.5 s and 5 mean intervals: what a file of variable rate
    means, or what is lost. broken_s: times of damaged video packets, as far as a decoder that skips all but keyframes notices.
    """

    duration_s: float
    video_start_s: float
    declared_duration_s: float | None
    truncated: bool
    n_frames: int
    fps: float
    width: int
    height: int
    rotation_deg: int
    video_codec: str
    container: str
    has_audio: bool
    audio_codec: str | None
    audio_rate_hz: int
    audio_channels: int
    audio_start_offset_s: float | None
    audio_end_s: float | None
    still_s: tuple[tuple[float, float], ...] = ()
    broken_s: tuple[float, ...] = ()

    @property
    def missing_s(self) -> float:
        """Seconds that the header declares and the file does not hold; 0 where it declares nothing."""
        return max(0.0, (self.declared_duration_s or 0.0) - self.duration_s)


def probe(path: Path) -> Probe:
    """Measure a file.

    Raises Rejected: empty_file, unreadable, not_a_video, no_video_stream, truncated (nothing in it can be decoded because it breaks
    off), undecodable (nothing in it can be decoded for another reason).
    """
    with open_media(path) as container:
        picture, sound = _streams(container)
        zero = clock_start(container)
        spans = _spans(container, picture, sound)
        video, audio = spans.get(picture.index), spans.get(sound.index) if sound is not None else None
        declared_s = _declared_end(container, picture, zero)
        missing_s = (declared_s or 0.0) - (video.end_s - zero if video else 0.0)
        truncated = missing_s > max(_CUT_OFF_S, _CUT_OFF_SHARE * (declared_s or 0.0))
        width, height, rotation = _first_picture(path, truncated)
        if video is None:
            raise Rejected("no_timestamps", "its frames carry no times, so that picture and sound cannot be brought together")
        return Probe(
            duration_s=video.end_s - zero,
            video_start_s=video.start_s - zero,
            declared_duration_s=declared_s,
            truncated=truncated,
            n_frames=video.count,
            fps=float(picture.average_rate or video.count / (video.end_s - video.start_s)),
            width=width,
            height=height,
            rotation_deg=rotation,
            video_codec=picture.codec_context.name,
            container=container.format.name,
            has_audio=audio is not None,
            audio_codec=sound.codec_context.name if audio and sound else None,
            audio_rate_hz=sound.codec_context.sample_rate if audio and sound else 0,
            audio_channels=sound.codec_context.channels if audio and sound else 0,
            audio_start_offset_s=audio.start_s - video.start_s if audio else None,
            audio_end_s=audio.end_s - zero if audio else None,
            still_s=tuple((start_s - zero, end_s - zero) for start_s, end_s in video.stills()),
            broken_s=_broken(path),
        )


def _streams(container: Any) -> tuple[Any, Any | None]:
    picture, sound = picture_stream(container), sound_stream(container)
    if picture is None and sound is None:
        raise Rejected("not_a_video", f"it holds neither picture nor sound (format {container.format.name})")
    if picture is None:
        raise Rejected("no_video_stream", f"it holds sound and no moving picture (format {container.format.name})")
    return picture, sound


@dataclass
class _Span:
    """Where a stream's packets lie, in seconds of its own timestamps. A last packet without duration gets the mean one."""

    start_s: float = float("inf")
    end_s: float = float("-inf")
    last_s: float = float("-inf")
    count: int = 0
    starts_s: list[float] = field(default_factory=list)

    def add(self, start_s: float, duration_s: float) -> None:
        self.start_s = min(self.start_s, start_s)
        self.last_s = max(self.last_s, start_s)
        mean_s = (self.last_s - self.start_s) / self.count if self.count else 0.0
        self.end_s = max(self.end_s, start_s + (duration_s or mean_s))
        self.count += 1
        self.starts_s.append(start_s)

    def stills(self) -> list[tuple[float, float]]:
        """Where the next packet is far, by the times that packets are shown at."""
        longest_s = max(_STILL_S, _STILL_INTERVALS * (self.last_s - self.start_s) / max(1, self.count - 1))
        return [(start_s, next_s) for start_s, next_s in pairwise(sorted(self.starts_s)) if next_s - start_s > longest_s]


def _spans(container: Any, *streams: Any | None) -> dict[int, _Span]:
    """Spans by stream index; a stream whose packets all lack timestamps or are marked to be thrown away has none."""
    spans: dict[int, _Span] = {}
    for packet in packets(container, *(stream for stream in streams if stream is not None)):
        if packet.size and packet.pts is not None and not packet.is_discard:
            span = spans.setdefault(packet.stream_index, _Span())
            span.add(float(packet.pts * packet.time_base), float((packet.duration or 0) * packet.time_base))
    return spans


def _declared_end(container: Any, picture: Any, zero: float) -> float | None:
    """The picture's end on the clock by the header: the stream's own, or else the container's (its longest stream)."""
    if picture.start_time is not None and picture.duration:
        return float((picture.start_time + picture.duration) * picture.time_base) - zero
    return container.duration / 1e6 if container.duration else None


def _first_picture(path: Path, truncated: bool) -> tuple[int, int, int]:
    """Width, height of the upright picture, and the turn that made it upright."""
    with open_media(path) as container:
        picture = picture_stream(container)
        _, frame = next(decode_from(container, picture, 0.0), (0.0, None))
        if frame is None:
            raise Rejected("truncated" if truncated else "undecodable", "no frame of it can be decoded")
        turns = quarter_turns(frame)
        width, height = display_size(frame, picture)
    return (height, width, turns * 90) if turns % 2 else (width, height, turns * 90)


def _broken(path: Path) -> tuple[float, ...]:
    with open_media(path) as container:
        picture: Any = picture_stream(container)
        picture.codec_context.thread_count = 1  # with more, an error is told with a later packet
        picture.codec_context.skip_frame = "NONKEY"  # a twentieth of the time, and most damage is seen all the same
        broken_s: list[float] = []
        for _ in decode_from(container, picture, 0.0, broken_s):
            pass
    return tuple(sorted(set(broken_s)))
