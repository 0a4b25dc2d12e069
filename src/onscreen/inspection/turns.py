"""The smallest change of a threshold that would change a verdict: found by asking the stage's own decision, not by a copy of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from onscreen.config import Faces
from onscreen.errors import Rejected
from onscreen.faces.limits import LIMITS, choose_views
from onscreen.records import View


@dataclass(frozen=True)
class Turn:
    """Setting `param` from `now` to `then` turns the verdict. relative: size of the change, as a share of the larger of both values.

    then: of 4 digits at most, and a value that params.yaml may hold, so that it can be written there as it is shown.
    """

    param: str
    now: float
    then: float

    @property
    def relative(self) -> float:
        return abs(self.then - self.now) / max(abs(self.now), abs(self.then), 1e-9)


def verdict(params: Faces, views: Sequence[View], frames: int) -> str:
    """The reason code for which a person is rejected, or "" for one who is kept. views: all of the person's. frames: sampled."""
    try:
        choose_views(params, views, frames)
    except Rejected as rejected:
        return rejected.code
    return ""


def face_turns(params: Faces, views: Sequence[View], frames: int) -> list[Turn]:
    """For every threshold that alone can turn the verdict, the nearest value that does; the smallest change first."""
    kept = not verdict(params, views, frames)

    def turned(param: str, value: float) -> bool:
        return (not verdict(params.model_copy(update={param: value}), views, frames)) != kept

    shares = [(count / frames) for count in range(frames + 1)]
    asked = [(limit.param, limit.measure) for limit in LIMITS]
    turns = [_nearest(params, param, [getattr(view, measure) for view in views], turned) for param, measure in asked]
    turns.append(_nearest(params, "min_presence", shares, turned))
    return sorted((turn for turn in turns if turn is not None), key=lambda turn: turn.relative)


def _nearest(params: Faces, param: str, measured: Iterable[float], turned: Callable[[str, float], bool]) -> Turn | None:
    now = float(getattr(params, param))
    values = sorted({abs(value) if param.startswith("max_") else value for value in measured})
    beside = [float(np.nextafter(value, side)) for value in values for side in (-np.inf, np.inf)]
    between = [(low + high) / 2 for low, high in itertools.pairwise(values)]  # a median may lie between two
    for value in sorted([*values, *beside, *between], key=lambda value: abs(value - now)):
        then = _away_from(now, value)
        if _allowed(params, param, then) and turned(param, then):
            return Turn(param, now, then)
    return None


def _away_from(now: float, value: float) -> float:
    """The value of 4 digits that is nearest to `value` and not nearer to `now`."""
    if abs(value) < 1e-9:  # 0, and the floats beside it
        return 0.0
    unit = 10.0 ** (3 - math.floor(math.log10(abs(value))))
    return (math.ceil if value > now else math.floor)(value * unit) / unit


def _allowed(params: Faces, param: str, value: float) -> bool:
    try:
        Faces.model_validate(params.model_dump() | {param: value})
    except ValidationError:
        return False
    return True
