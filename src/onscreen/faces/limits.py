"""The thresholds of params.yaml on what was measured of a face: which there are, and which views of a person keep them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onscreen.config import Faces
from onscreen.errors import Rejected
from onscreen.records import View


@dataclass(frozen=True)
class Limit:
    """A threshold. param: its key under `faces` of params.yaml. measure: the column of records.View that it limits.

    least: whether the measure must reach it; else it must not go beyond it, to either side of 0. code, detail: of the reject where
    it leaves a person too few views. median: it limits the median over the person's views, and so all of them or none.
    """

    param: str
    measure: str
    code: str
    detail: str
    least: bool = True
    median: bool = False

    def met(self, value: float, asked: float) -> bool:
        """Whether a measured value keeps the threshold. asked: what params say."""
        return value >= asked if self.least else abs(value) <= asked

    def decisive(self, values: Sequence[float], needed: int) -> float:
        """The value that decides over a person: the median, or that of the needed-th best view (the worst where there are fewer)."""
        if self.median:
            return float(np.median(values))
        ranked = sorted(values, reverse=True) if self.least else sorted(values, key=abs)
        return ranked[min(needed, len(ranked)) - 1]


LIMITS = (
    Limit("min_score", "score", "low_score", "the detector is not sure enough"),
    Limit("min_interocular_px", "interocular_px", "face_too_small", "the eyes are too few pixels apart"),
    Limit("min_sharpness", "sharpness", "too_blurred", "the face is not sharp enough"),
    Limit("min_exposure", "exposure", "too_dark", "the face is too dark"),
    Limit("max_exposure", "exposure", "too_bright", "the face is too bright", least=False),
    Limit("min_dynamic_range", "dynamic_range", "too_flat", "the face has too little contrast"),
    Limit("max_yaw", "yaw", "turned_away", "the face is turned too far to the side", least=False),
    Limit("max_pitch", "pitch", "turned_up_or_down", "the face looks too far up or down", least=False),
    Limit("max_roll", "roll", "tilted", "the head leans too far to one side", least=False),
    Limit("min_completeness", "completeness", "cut_off", "too much of the face's crop lies outside of the picture"),
    Limit(
        "min_mouth_width",
        "mouth_width",
        "not_lifelike",
        "no person's mouth is so narrow: a drawing, a doll or a mask",
        median=True,
    ),
)
"""All thresholds on views, in the order in which they are applied. A person is rejected by the first that leaves too few views."""


def views_needed(params: Faces, frames: int) -> int:
    """In how many of the sampled frames a person must be. frames: how many were sampled."""
    return max(1, math.ceil(params.min_presence * frames))


def choose_views(params: Faces, views: Sequence[View], frames: int) -> list[int]:
    """The views of a person, as indices, that are good enough to pool. frames: how many were sampled.

    Raises Rejected when they are fewer than min_presence asks for: the code of the limit that left too few, with the value that
    decided and the limit as numbers; or seen_too_briefly, where the person is not in enough frames to begin with.
    """
    needed = views_needed(params, frames)
    numbers = {"frames": float(frames), "found_in": float(len(views)), "needed": float(needed)}
    left = list(range(len(views)))
    for limit in LIMITS:
        asked = float(getattr(params, limit.param))
        values = [float(getattr(views[view], limit.measure)) for view in left]
        if limit.median:
            passed = left if limit.met(limit.decisive(values, needed), asked) else []
        else:
            passed = [view for view, value in zip(left, values, strict=True) if limit.met(value, asked)]
        if 0 < len(passed) < needed and len(left) < needed:
            raise Rejected("seen_too_briefly", "the face is there in too few of the sampled frames", numbers)
        if len(passed) < needed:
            told = {limit.measure: limit.decisive(values, needed), limit.param: asked}
            raise Rejected(limit.code, limit.detail, {**numbers, **told})
        left = passed
    return left
