"""Part of the stage voices: which person of a clip a followed face is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onscreen.cache import Item
from onscreen.faces.detectors import overlap
from onscreen.records import View

_LEAST = 0.1  # overlap with a person's box, mean over their views, below which a face is nobody's
_NEAR_S = 1.0  # views count that are so near to the track; where there are none, all of them


@dataclass(frozen=True)
class Tracked:
    """A track of an Item of measure_speaker. number: its place there. first: index of its first frame."""

    number: int
    first: int
    frames: int


def assign(item: Item, views: Sequence[View]) -> dict[int, list[Tracked]]:
    """Tracks by person: 0 is the clip's main one, as in views. A track that overlaps nobody's box is a person of its own, -1, -2, ...

    views: of this clip. A track and a view are compared at the view's time, or at the track's end that is nearer to it.
    """
    found: dict[int, list[Tracked]] = defaultdict(list)
    for number, first in enumerate(item.meta["tracks"]):
        boxes = item.arrays[f"boxes_{number}"]
        times = item.meta["from_s"] + (first + np.arange(len(boxes))) / item.meta["fps"]
        person = _person(boxes, times, views)
        found[-1 - number if person is None else person].append(Tracked(number, first, len(boxes)))
    return dict(found)


def _person(boxes: np.ndarray, times: np.ndarray, views: Sequence[View]) -> int | None:
    near = [view for view in views if times[0] - _NEAR_S <= view.time_s <= times[-1] + _NEAR_S] or list(views)
    shared: dict[int, list[float]] = defaultdict(list)
    for view in near:
        box = boxes[int(np.abs(times - view.time_s).argmin())]
        shared[view.person].append(overlap(tuple(box.tolist()), (view.box[0], view.box[1], view.box[2], view.box[3])))
    means = {person: float(np.mean(values)) for person, values in shared.items()}
    best = max(means, key=means.__getitem__, default=None)
    return best if best is not None and means[best] >= _LEAST else None
