"""What a check of a music-to-pose dataset says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["pass", "warn", "fail", "unproven"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check of one sample, or of the whole set.

    sample: folder relative to the dataset's root, as "train/vid_1"; "" for the whole set. check: as "music_features.shape".
    status: pass: measured, and right. warn: usable, and below a recommendation. fail: wrong. unproven: could not be measured, and
    detail says why; it is never passed off as right. numbers: what was measured, and the limits.
    """

    sample: str
    check: str
    status: Status
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)
