"""What the parts of the m2p stage hand each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from onscreen.records import Clip

STAGE = "m2p"
EMBEDDER = "Dlib"
"""The face embedder that tells dancers apart: its weights come inside a package, so it is always there."""


@dataclass(frozen=True)
class Remark:
    """What is below a recommendation and no reason to leave a dance out. code: as "longer_than_recommended"."""

    code: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Dance:
    """What decides about a dance that is good enough; small, so that all of a set are in memory at once.

    dance_id: clip_id, or clip_id-d000, -d001, ... of a clip that holds several shots. part: which of its clip's measurement.
    start_s: of its frame 0, seconds on the source's clock. frames: of video.mp4.
    embedding: (128,) float32 of EMBEDDER, L2 = 1, the mean over `views` views, or None where no view of the face is good enough.
    reference: index of the view that the reference picture shows, best first; None where none is good enough. good_views: indices
    of all that are, which the embedding pools.
    body_share, upper_share: share of frames with a whole body, and with an upper body (m2p_gate). song: (H, 2) int32 of motion.songs.fingerprint.
    """

    dance_id: str
    clip: Clip
    part: int
    start_s: float
    frames: int
    embedding: np.ndarray | None
    views: int
    reference: int | None
    body_share: float
    upper_share: float
    song: np.ndarray
    warnings: tuple[Remark, ...] = ()
    good_views: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dancer:
    """Whose sample it is.

    identity_id: of data/identities, or source:<sha256> where no face tells. side: train or validation. known_by: face (this dancer's
    own) or source (the video, and who else is known in it).
    """

    identity_id: str
    side: str
    known_by: str


@dataclass(frozen=True)
class Sample:
    """An accepted dance, and whose it is.

    song: equal names are one song. group: equal names are dances that no split may part, because a dancer, a video or a song joins
    them, directly or through others. labels: what labels.csv says of the video.
    """

    dance: Dance
    dancer: Dancer
    song: str = ""
    group: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
