"""Frames of a video of constant rate, by their number: only what leads to the ones that are asked for is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import Rejected
from onscreen.media.container import frames_of, packets
from onscreen.media.video import CLOCK_ERROR_S, open_picture, upright

_EARLIER_S = 2.0


@dataclass(frozen=True)
class FrameClock:
    """Frame i of `frames` is shown from first_s + i / fps, seconds of the file's own timestamps."""

    frames: int
    fps: float
    first_s: float

    def number(self, frame: Any) -> int:
        """Which one an av.VideoFrame is."""
        return round((float(frame.pts * frame.time_base) - self.first_s) * self.fps)


def frame_clock(path: Path) -> FrameClock:
    """When frames are shown, by their packets; none is decoded.

    Raises Rejected: truncated, variable_rate (a frame is more than a millisecond from where a constant rate has it), no_frames, and
    what open_picture raises.
    """
    with open_picture(path) as (container, stream):
        there = [packet for packet in packets(container, stream) if packet.size]
        declared, rate = stream.frames, stream.average_rate
    times = np.sort(
        [float(packet.pts * packet.time_base) for packet in there if packet.pts is not None and not packet.is_discard]
    )
    if len(there) < declared:
        numbers = {"declared": float(declared), "found": float(len(there))}
        raise Rejected("truncated", f"its header tells of {declared} frames, {len(there)} are in it", numbers)
    if not len(times):
        raise Rejected("no_frames", "no frame of it has a time")
    fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else float(rate or 1)
    away_s = float(np.abs(times - times[0] - np.arange(len(times)) / fps).max())
    if away_s > CLOCK_ERROR_S:
        raise Rejected("variable_rate", "its frames are not at a constant rate", {"away_s": away_s, "allowed_s": CLOCK_ERROR_S})
    return FrameClock(len(times), float(Fraction(fps).limit_denominator(1001)), float(times[0]))


def read_frames(path: Path, first: int, count: int, clock: FrameClock) -> np.ndarray:
    """(count, H, W, 3) uint8 RGB, upright: frames first to first + count - 1, with the pixels that decoding the whole file gives.

    Raises Rejected: undecodable (some of these are damaged or missing), and what open_picture raises.
    """
    with open_picture(path) as (container, stream):
        shown = takewhile(lambda frame: clock.number(frame) < first + count, _from(container, stream, clock, first))
        images = [upright(frame, stream) for frame in shown]
    if len(images) != count:
        numbers = {"first": float(first), "count": float(count), "found": float(len(images))}
        raise Rejected("undecodable", f"of frames {first} to {first + count - 1} only {len(images)} can be decoded", numbers)
    return np.stack(images)


def _from(container: Any, stream: Any, clock: FrameClock, first: int) -> Iterator[Any]:
    """Whole frames in order, from the first that is asked for on, decoded from the last keyframe that leads to it."""
    target_s = clock.first_s + first / clock.fps
    while True:
        container.seek(round(max(target_s, clock.first_s) / stream.time_base), stream=stream)
        decoded = (frame for packet in packets(container, stream) for frame in frames_of(packet) or [])
        whole = (frame for frame in decoded if frame.pts is not None and not frame.is_corrupt)
        head = next(whole, None)
        if (head is not None and clock.number(head) <= first) or target_s <= clock.first_s:
            break
        target_s -= _EARLIER_S  # files index the order of decoding, so that a seek may end at a keyframe that is shown later
    found = whole if head is None else chain([head], whole)
    return dropwhile(lambda frame: clock.number(frame) < first, found)
