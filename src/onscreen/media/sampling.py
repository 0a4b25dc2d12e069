"""Frames sampled from a clip, decoding no more of it than they need.

What is decoded is chosen before anything is: packets tell when their frame is on screen and which of them are keyframes, and a
frame needs the packets from its keyframe on. So a keyframe costs one frame, and one that comes a second later costs that second.
Every frame of sample_frames has the pixels that decoding the whole clip gives it. Only where packets do not tell (no timestamps,
damage) is the whole clip decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.container import clock_start, decode_from, frames_of, packets_from, tells_no_times
from onscreen.media.video import CLOCK_ERROR_S, Frame, open_picture, upright

Mode: TypeAlias = Literal["keyframes", "uniform", "first"]
Kind = TypeVar("Kind")
_Timed: TypeAlias = tuple[float, Kind]  # seconds on the file's clock, and what is on screen then

FILL_S = 1.0
"""How far beyond a keyframe frames are decoded where a clip has too few keyframes."""


@dataclass(frozen=True)
class _Packet:
    """A frame as its packet announces it. from_pts, from_s: the keyframe that decoding it starts with."""

    pts: int
    from_pts: int
    from_s: float


def sample_frames(path: Path, start_s: float, end_s: float, count: int, mode: Mode) -> list[Frame]:
    """Up to count frames that start within the clip (start_s to end_s, seconds on the file's clock), in order of time.

    Every clip gives `count` frames unless it has fewer, in every mode but "first": the first frame that decodes, and no other.
    "keyframes": keyframes spread evenly. A clip with fewer is filled up from the second (FILL_S) after each of them, with what is
    farthest in time from all that is taken. "uniform": spread evenly in time, at the cost of decoding from the keyframe before each.
    Raises Rejected: no_frames when none decodes between the two times, and what open_picture raises.
    """
    if mode == "first":
        found = _whole(path, start_s, end_s, lambda frames: list(islice(frames, 1)))
    else:
        found, there = _planned(path, start_s, end_s, count, mode)
        if len(found) < min(count, there):
            times = [time_s for time_s, _ in found]
            found += _whole(path, start_s, end_s, lambda frames: _farthest(_thinned(frames, 4 * count), times, count))
    if not found:
        raise Rejected("no_frames", "no frame can be decoded between the two times", {"start_s": start_s, "end_s": end_s})
    return [Frame(max(0.0, time_s - start_s), image) for time_s, image in sorted(found, key=itemgetter(0))]


def glance(path: Path, start_s: float, end_s: float, count: int) -> list[Frame]:
    """count frames as cheap as can be, from all over the clip: one of each of count equal parts of its time, in order.

    For models that look for something as large as a body. Frames that no other is made from are passed over, and edges of blocks are
    not smoothed: that takes a third of the time of "uniform", and pixels differ a little from its. Where so
    few frames are that two parts would share one, sample_frames gives "uniform" ones. Raises Rejected as it does.
    """
    with open_picture(path) as (container, stream):
        known = _announced(container, stream, start_s, end_s) or []
        found = _glimpses(container, stream, start_s, _cheapest(known, count))
        frames = {time_s: upright(frame, stream) for time_s, frame in found if time_s < end_s - CLOCK_ERROR_S}
    if len(frames) < count:
        return sample_frames(path, start_s, end_s, count, "uniform")
    return [Frame(max(0.0, time_s - start_s), frames[time_s]) for time_s in sorted(frames)]


def _cheapest(known: list[_Timed[_Packet]], count: int) -> list[_Timed[_Packet]]:
    """Of each of count equal parts of the clip, the frame nearest behind its keyframe."""
    if not known:
        return []
    first, last = known[0][0], known[-1][0]
    parts: dict[int, list[_Timed[_Packet]]] = {}
    for time_s, packet in known:
        part = min(count - 1, int((time_s - first) / max(last - first, CLOCK_ERROR_S) * count))
        parts.setdefault(part, []).append((time_s, packet))
    return [min(part, key=lambda timed: timed[0] - timed[1].from_s) for part in parts.values()]


def _glimpses(container: Any, stream: Any, start_s: float, chosen: list[_Timed[_Packet]]) -> Iterator[_Timed[Any]]:
    """For each chosen frame the first one at or behind it, up to the next keyframe, that others are made from."""
    stream.codec_context.skip_frame = "NONREF"
    stream.codec_context.options = {"skip_loop_filter": "all"}
    behind: dict[int, list[int]] = {}
    for _, packet in chosen:
        behind.setdefault(packet.from_pts, []).append(packet.pts)
    left, zero = deque[int](), clock_start(container)
    for packet in packets_from(container, stream, start_s):
        if packet.is_keyframe:
            yield from _reached(_held(stream) if left else [], left, zero)
            left = deque(sorted(behind.pop(packet.pts, [])))
        if left:
            yield from _reached(frames_of(packet) or [], left, zero)
            if not left:
                stream.codec_context.flush_buffers()
        elif not behind:
            return


def _reached(frames: Iterable[Any], left: deque[int], zero: float) -> Iterator[_Timed[Any]]:
    """Those of the frames that are at or behind the first of `left`, which loses what they stand for."""
    for frame in frames:
        if left and frame.pts is not None and frame.pts >= left[0]:
            yield float(frame.pts * frame.time_base) - zero, frame
            while left and left[0] <= frame.pts:
                left.popleft()


def _planned(path: Path, start_s: float, end_s: float, count: int, mode: Mode) -> tuple[list[_Timed[np.ndarray]], int]:
    """The frames that packets let one choose, and how many frames there seem to be: at least count where that is unknown."""
    with open_picture(path) as (container, stream):
        known = _announced(container, stream, start_s, end_s)
        if known is None:
            return [], count
        chosen = _uniform(known, count) if mode == "uniform" else _keyframes(known, count)
        return [(time_s, upright(frame, stream)) for time_s, frame in _decoded(container, stream, start_s, chosen)], len(known)


def _announced(container: Any, stream: Any, start_s: float, end_s: float) -> list[_Timed[_Packet]] | None:
    """The clip's frames by time, those left out that no keyframe of the file leads to; None where a packet tells no time."""
    if tells_no_times(container, stream):
        return None
    zero, found = clock_start(container), list[_Timed[_Packet]]()
    key: _Packet | None = None
    for packet in packets_from(container, stream, start_s):
        if not packet.size:
            continue
        if packet.pts is None:
            return None
        time_s = float(packet.pts * packet.time_base) - zero
        if packet.is_keyframe:
            key = _Packet(packet.pts, packet.pts, time_s)
        if packet.dts is not None and float(packet.dts * packet.time_base) - zero >= end_s:
            break
        within = start_s - CLOCK_ERROR_S <= time_s < end_s - CLOCK_ERROR_S
        if within and key is not None and packet.pts >= key.pts and not packet.is_discard:
            found.append((time_s, _Packet(packet.pts, key.pts, key.from_s)))
    return sorted(found, key=itemgetter(0))


def _keyframes(known: list[_Timed[_Packet]], count: int) -> list[_Timed[_Packet]]:
    keys = [(time_s, packet) for time_s, packet in known if packet.pts == packet.from_pts]
    chosen = _evenly(_thinned(keys, 2 * count), count)
    near = [(time_s, packet) for time_s, packet in known if time_s - packet.from_s <= FILL_S]
    return chosen + _farthest(near, [time_s for time_s, _ in chosen], count)


def _uniform(known: list[_Timed[_Packet]], count: int) -> list[_Timed[_Packet]]:
    """Those nearest to the middles of count equal parts of the clip; where two parts have one nearest, others fill up."""
    if not known:
        return []
    times = np.array([time_s for time_s, _ in known])
    wanted = times[0] + (np.arange(count) + 0.5) * (times[-1] - times[0]) / count
    chosen = [known[index] for index in sorted({int(np.abs(times - time_s).argmin()) for time_s in wanted})]
    return chosen + _farthest(known, [time_s for time_s, _ in chosen], count)


def _decoded(container: Any, stream: Any, start_s: float, chosen: list[_Timed[_Packet]]) -> Iterator[_Timed[Any]]:
    """Decode the chosen frames: the packets from the keyframe of each to the last that is chosen behind it, and no others."""
    wanted = {packet.pts: time_s for time_s, packet in chosen}
    behind: dict[int, set[int]] = {}
    for _, packet in chosen:
        behind.setdefault(packet.from_pts, set()).add(packet.pts)
    left: set[int] = set()
    for packet in packets_from(container, stream, start_s):
        if not left:
            left = behind.pop(packet.pts, set())
        if not left:
            continue
        frames = frames_of(packet) or []
        left.discard(packet.pts)
        if not left:  # what the decoder still holds comes out; then it starts anew
            frames += _held(stream)
        yield from ((wanted[frame.pts], frame) for frame in frames if frame.pts in wanted)
        if not left and not behind:
            return


def _held(stream: Any) -> list[Any]:
    """The frames that the decoder still holds; after that it starts anew."""
    import av

    flush = av.Packet()
    flush.stream = stream
    frames = frames_of(flush) or []
    stream.codec_context.flush_buffers()
    return frames


def _whole(
    path: Path, start_s: float, end_s: float, choose: Callable[[Iterator[_Timed[Any]]], list[_Timed[Any]]]
) -> list[_Timed[np.ndarray]]:
    """One pass over the frames that start within the clip; those that choose returns become images."""
    with open_picture(path) as (container, stream):
        frames, first_s = decode_from(container, stream, start_s), start_s - CLOCK_ERROR_S
        within = takewhile(lambda timed: timed[0] < end_s - CLOCK_ERROR_S, dropwhile(lambda timed: timed[0] < first_s, frames))
        return [(time_s, upright(frame, stream)) for time_s, frame in choose(within)]


def _thinned(frames: Iterable[_Timed[Kind]], limit: int) -> list[_Timed[Kind]]:
    """Every n-th frame, n the smallest power of two that leaves fewer than limit: memory stays bounded, whatever the length."""
    kept: list[_Timed[Kind]] = []
    stride = 1
    for index, timed in enumerate(frames):
        if index % stride == 0:
            kept.append(timed)
        if len(kept) == limit:
            kept, stride = kept[::2], 2 * stride
    return kept


def _evenly(frames: list[_Timed[Kind]], count: int) -> list[_Timed[Kind]]:
    """count of the frames, spread evenly over their order; all where there are no more."""
    if len(frames) <= count:
        return frames
    return [frames[int((index + 0.5) * len(frames) / count)] for index in range(count)]


def _farthest(frames: list[_Timed[Kind]], taken: list[float], count: int) -> list[_Timed[Kind]]:
    """One by one, the frame farthest in time from all taken ones, until there are count; none that is taken."""
    times = np.array([time_s for time_s, _ in frames])
    ends = [times[0], times[-1]] if len(times) else []
    distances = np.full(len(times), np.inf)
    for time_s in taken:
        distances = np.minimum(distances, np.abs(times - time_s))
    chosen: list[_Timed[Kind]] = []
    while len(taken) + len(chosen) < count and (distances > CLOCK_ERROR_S).any():
        index = int(distances.argmax()) if np.isfinite(distances).all() else int(np.abs(times - np.mean(ends)).argmin())
        chosen.append(frames[index])
        distances = np.minimum(distances, np.abs(times - times[index]))
    return chosen
