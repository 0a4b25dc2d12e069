"""Where a dancer's 134 points come from: one interface, three backends.

mediapipe: found in the pictures (mediapipe_poses.py). rtmw: found by an ONNX whole-body model (rtmw.py). precomputed: read from a
file beside the video (precomputed.py). All follow one person through a shot, the main dancer (main_dancer.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from onscreen import weights
from onscreen.errors import ConfigError, Rejected
from onscreen.motion.mediapipe_poses import open_body, open_mediapipe, visible
from onscreen.motion.precomputed import PrecomputedPoses, keypoints_of
from onscreen.motion.rtmw import open_rtmw
from onscreen.motion.seen import Seen

__all__ = [
    "BODY_WEIGHTS",
    "WEIGHTS_OF",
    "PoseFinder",
    "Seen",
    "keypoints_of",
    "open_body",
    "open_poses",
    "visible",
    "weights_of",
]

BODY_WEIGHTS = ("mediapipe_pose",)
WEIGHTS_OF: Mapping[str, tuple[str, ...]] = {
    "mediapipe": (*BODY_WEIGHTS, "mediapipe_hands", "mediapipe_face_short_range", "dlib_landmarks_68"),
    "rtmw": (*BODY_WEIGHTS, "rtmw"),
    "precomputed": (),
}
"""The models that each backend cannot do without, by their names in weights.toml."""
_BETTER = {"dlib_landmarks_68": "mediapipe_face_landmarker"}  # used in its place where a person has put it


def weights_of(backend: str) -> tuple[str, ...]:
    """The models that the backend uses here: those of WEIGHTS_OF, and the face landmarker in dlib's place where it is present."""
    return tuple(better if (better := _BETTER.get(name)) and weights.is_here(better) else name for name in WEIGHTS_OF[backend])


class PoseFinder(Protocol):
    """Finds one dancer in the frames of a video, in their order."""

    def __call__(self, image: np.ndarray, time_s: float) -> Seen:
        """All 134 points in an RGB (H, W, 3) uint8 picture. time_s: seconds on the source's clock; it must grow."""
        ...

    def restart(self) -> None:
        """A new shot begins: nobody of the last one is looked for any longer."""
        ...


@contextmanager
def open_poses(
    backend: str, files: Mapping[str, Path], *, people: int = 1, keypoints: Path | None = None, video: Path | None = None
) -> Iterator[PoseFinder]:
    """Open a backend for one video.

    files: file name -> path of the model files of weights_of(backend). people: how many may be in a picture; one is the fastest.
    keypoints: what precomputed.keypoints_of(video) gave; it and the video only matter to precomputed.
    Raises ConfigError for an unknown backend, WeightsError for a model that is none, and what precomputed.py says.
    """
    if backend not in WEIGHTS_OF:
        raise ConfigError(f"{backend} is no backend for poses. Known: {', '.join(WEIGHTS_OF)}")
    if backend == "precomputed":
        if keypoints is None or video is None:
            raise Rejected("keypoints_missing", "there is no file of keypoints beside the video")
        yield PrecomputedPoses(keypoints, video)
    else:
        with (open_mediapipe if backend == "mediapipe" else open_rtmw)(files, people=people) as find:
            yield find
