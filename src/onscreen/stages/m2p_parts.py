"""How the measurement of a clip holds its parts: a part is a shot of it, or an equal share of a shot that is too long.

One item a clip goes into the cache; `parts_of` gives one item a part. What a part holds (measured without any threshold):

meta: shot (its number in the clip, from 0; parts without a measurement count too), shots (how many the clip has); frames (T);
start_s (of frame 0, seconds on the source's clock); width, height (of the source's picture); window, outside_share (of the sure
points, those that the window cuts off), decodes (how often the part's pictures were decoded); people (most bodies seen in one
frame), several_share (of the frames, those with more than one); pose (backend); body_frame (the one with the surest body);
tempo_bpm, other_tempo_bpm, pulse, key, key_strength, beats_s, silent_s, padded_frames, context_s (see motion/music.py);
views: [{frame, reference_scale (pixels of the reference picture for one of the source) and score and the fields of Quality}], best
first; body_scale: as reference_scale, of the body's picture.
arrays: points (T, 134, 3) float32, pixels of the video; music (T, 4800) float32; video: mp4 bytes; embeddings (V, 128) float32 of
the views; arcface (V, 512) float32, where its weights are here; reference_<v>: JPEG bytes of each view's reference picture;
reference_body: JPEG bytes of body_frame, letterboxed; limbs (T, 12), legs (T, 6): confidence; song (H, 2) int32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.motion.music import CONTEXT, WIDTH

_NOW = 39  # columns that describe one frame alone; the others are those of the frames around it, side by side
_AROUND = (WIDTH - _NOW) // (2 * CONTEXT + 1)


def packed(part: Item) -> Item:
    """A part as join_parts holds it: a minute of music takes 1 MB rather than 28."""
    return Item(part.meta, _packed(part.arrays))


def join_parts(parts: Sequence[Item], lost: Sequence[dict[str, Any]] = ()) -> Item:
    """One item of all parts. lost: parts without a measurement, {shot, shots, start_s, frames, code, detail, numbers} each."""
    arrays = {f"{index}.{name}": array for index, part in enumerate(parts) for name, array in _packed(part.arrays).items()}
    return Item({"parts": [part.meta for part in parts], "lost": list(lost)}, arrays)


def parts_of(item: Item) -> list[Item]:
    """The parts of a clip that could be measured, in order of time; see the module's head."""
    return [part_of(item, index) for index in range(len(item.meta["parts"]))]


def part_of(item: Item, index: int) -> Item:
    """One of parts_of."""
    prefix = f"{index}."
    arrays = {name.removeprefix(prefix): array for name, array in item.arrays.items() if name.startswith(prefix)}
    return Item(item.meta["parts"][index], _unpacked(arrays))


def lost_parts(item: Item) -> list[tuple[int, Rejected]]:
    """The number of the shot and the reason of each part that could not be measured."""
    return [(lost["shot"], Rejected(lost["code"], lost["detail"], lost["numbers"])) for lost in item.meta["lost"]]


def _packed(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Music features without their repetitions: 23 neighbours of each frame are mostly the neighbours of the next one, too."""
    packed = dict(arrays)
    if "music" in packed:
        music = packed.pop("music")
        blocks = music[:, _NOW:].reshape(len(music), 2 * CONTEXT + 1, _AROUND)
        packed["music_now"] = music[:, :_NOW].copy()  # a view would keep all of it
        packed["music_around"] = np.concatenate([blocks[0], blocks[1:, -1]])
    return packed


def _unpacked(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    unpacked = dict(arrays)
    if "music_now" in unpacked:
        now, around = unpacked.pop("music_now"), unpacked.pop("music_around")
        frames = np.arange(len(now))[:, None] + np.arange(2 * CONTEXT + 1)
        unpacked["music"] = np.hstack([now, around[frames].reshape(len(now), -1)])
    return unpacked
