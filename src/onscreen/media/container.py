"""Opens media files, and says which streams count and where their common clock starts. Nothing is decoded on import.

The clock of a file: 0 is where a player starts, the earliest of the picture's and the sound's first timestamp. All times in
onscreen are seconds on it. In nearly every file the first frame is at 0; in a file that was cut without re-encoding the sound
often starts first and the picture at its next keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onscreen.errors import Rejected

# Containers that hold one video in one file. Playlists (HLS, concat, DASH) stay out: they would open other files or the network.
_FORMATS = "mov,mp4,matroska,webm,avi,asf,mpeg,mpegvideo,mpegts,flv,ogg"
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
_SEEK_EARLIER_S = 0.5  # audio decoders need some packets before they give what was encoded


@contextmanager
def open_media(path: Path) -> Iterator[Any]:
    """An av.InputContainer, closed at the end of the block.

    Raises Rejected with code empty_file, unreadable, truncated (a video file without its index) or not_a_video.
    """
    import av

    head = _read_head(path)
    try:
        container = av.open(str(path.absolute()), options=_OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise _why_not_opened(path, head, error) from error
    with container:
        yield container


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Rejected("unreadable", f"the file cannot be read: {error.strerror}") from error
    if not head:
        raise Rejected("empty_file", "the file has 0 bytes", {"bytes": 0.0})
    return head


def _why_not_opened(path: Path, head: bytes, error: Any) -> Rejected:
    reason = error.strerror  # str(error) would bring the absolute path into tables and into what is remembered about these bytes
    size = float(path.stat().st_size)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return Rejected(
            "truncated", f"it begins as an mp4 or mov file, and its index (moov) is missing or cut off: {reason}", {"bytes": size}
        )
    if head[:4] in (b"\x1a\x45\xdf\xa3", b"RIFF", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba", b"FLV\x01"):
        return Rejected("truncated", f"it begins as a video file and cannot be opened: {reason}", {"bytes": size})
    return Rejected("not_a_video", f"its bytes are of no video format: {reason}", {"bytes": size})


def picture_stream(container: Any) -> Any | None:
    """The first video stream that is no cover image, or None."""
    from av.stream import Disposition

    moving = (s for s in container.streams.video if s.codec_context and not s.disposition & Disposition.attached_pic)
    return next(moving, None)


def sound_stream(container: Any) -> Any | None:
    """The first audio stream that has a decoder, or None."""
    return next((s for s in container.streams.audio if s.codec_context and s.codec_context.sample_rate), None)


def clock_start(container: Any) -> float:
    """Timestamp, in seconds, of the clock's 0."""
    streams = [s for s in (picture_stream(container), sound_stream(container)) if s is not None and s.start_time is not None]
    return min((float(s.start_time * s.time_base) for s in streams), default=0.0)


def decode_from(container: Any, stream: Any, start_s: float, broken_s: list[float] | None = None) -> Iterator[tuple[float, Any]]:
    """Yield (time_s on the clock, frame) of one stream, in order, from a frame at or before start_s to the end.

    What a broken packet holds is missing; the others are decoded. Frames without a timestamp are left out.
    broken_s: grows by the times of what is damaged: packets that the demuxer marks or the decoder refuses, frames marked corrupt.
    """
    broken_s = [] if broken_s is None else broken_s
    zero = clock_start(container)
    if start_s > _SEEK_EARLIER_S and _seek(container, stream, zero + start_s - _SEEK_EARLIER_S):
        frames = _decode(container, stream, zero, broken_s)
        first = next(frames, None)
        if first is not None and first[0] <= start_s:
            yield first
            yield from frames
            return
    if start_s > _SEEK_EARLIER_S:  # the seek went too far, as it may in files without an index: from the beginning, then
        _seek(container, stream, zero - 1)
    yield from _decode(container, stream, zero, broken_s)


def _seek(container: Any, stream: Any, time_s: float) -> bool:
    import av

    try:
        container.seek(round(time_s / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def tells_no_times(container: Any, stream: Any) -> bool:
    """Whether packets do not tell when their pictures are shown: AVI holds no such times, and B-frames come out in another order."""
    return container.format.name == "avi" and stream.type == "video" and bool(stream.codec_context.has_b_frames)


def _decode(container: Any, stream: Any, zero: float, broken_s: list[float]) -> Iterator[tuple[float, Any]]:
    clock = _OutputOrder() if tells_no_times(container, stream) else None
    for packet in packets(container, stream):
        frames = frames_of(packet)
        if clock is not None:
            clock.set(packet, frames or [])
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None and (packet.is_corrupt or frames is None):
            broken_s.append(float(stamp * packet.time_base) - zero)
        for frame in frames or []:
            if frame.pts is not None:
                time_s = float(frame.pts * frame.time_base) - zero
                broken_s += [time_s] if frame.is_corrupt else []
                yield time_s, frame


class _OutputOrder:
    """Times of frames by the order in which the decoder gives them: that of the packet fed then, less what the decoder holds back."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._delay: int | None = None
        self._next = 0

    def set(self, packet: Any, frames: list[Any]) -> None:
        """Give these frames, which came out when this packet was fed (empty at the end), their times."""
        self._first = packet.dts if self._first is None else self._first
        for frame in frames:
            if packet.dts is not None and self._first is not None:
                self._delay = packet.dts - self._first if self._delay is None else self._delay
                frame.pts = max(self._next, packet.dts - self._delay) if self._next else packet.dts - self._delay
            else:
                frame.pts = self._next
            self._next = frame.pts + 1  # AVI counts in frames


def packets_from(container: Any, stream: Any, start_s: float) -> Iterator[Any]:
    """Packets of one stream in the order of decoding, from one at or before start_s (seconds on the clock) to the end."""
    zero = clock_start(container)
    if start_s > _SEEK_EARLIER_S and _seek(container, stream, zero + start_s - _SEEK_EARLIER_S):
        found = packets(container, stream)
        first = next(found, None)
        if first is not None and first.pts is not None and float(first.pts * first.time_base) - zero <= start_s:
            yield first
            yield from found
            return
    _seek(container, stream, zero - 1)
    yield from packets(container, stream)


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """Packets of the streams up to the file's end, or up to where it breaks off; then one empty packet that flushes each."""
    import av

    try:
        yield from container.demux(*streams)
    except av.error.FFmpegError:
        for stream in streams:
            flush = av.Packet()
            flush.stream = stream
            yield flush


def frames_of(packet: Any) -> list[Any] | None:
    """Frames that the decoder gives for a packet; None where it refuses it."""
    import av

    try:
        return list(packet.decode())
    except av.error.FFmpegError:
        return None


def quarter_turns(frame: Any) -> int:
    """Turns by 90 degrees, counterclockwise, that the display matrix asks for: -1, 0, 1 or 2. Other angles round to these."""
    return (round(int(frame.rotation) / 90) + 1) % 4 - 1


def display_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height, before rotation, with square pixels. Ratios within 1 % of square are rounding errors of encoders."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return (frame.width if abs(ratio - 1) < 0.01 else max(1, round(frame.width * ratio))), frame.height
