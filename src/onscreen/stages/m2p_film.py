"""One pass over the frames of a clip: poses, the film, views of the face, and the shots that divide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from onscreen.faces.landmarks import FaceMesh
from onscreen.media.cropping import Cropper
from onscreen.media.film import Film
from onscreen.media.shots import shot_starts
from onscreen.media.video import Decoded, decoded_at_rate
from onscreen.motion.framing import Window, fit_window, suits, whole_window
from onscreen.motion.keypoints import INDEX
from onscreen.motion.main_dancer import keep_main, most_followed
from onscreen.motion.poses import open_poses
from onscreen.motion.seen import Seen
from onscreen.stages.m2p_faces import FaceViews, View
from onscreen.tasks_models import silent_native_log

SEEN = 0.5  # visibility from which MediaPipe's own tools call a point seen
LIMBS = [
    INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
]
LEGS = [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in ("hip", "knee", "ankle")]
UPPER = [LIMBS.index(INDEX[f"{side}_{joint}"]) for side in ("left", "right") for joint in ("shoulder", "elbow")]
"""Which of LIMBS show an upper body. Wrists are none: of a picture that ends at the hips, hanging hands are outside."""


@dataclass(frozen=True)
class Shooting:
    """How a clip is filmed. window: the square that its dancer is expected in; None films the whole picture.

    people: how many bodies may be in a picture. max_clip_s: no part is longer. keypoints: of the precomputed backend.
    """

    path: Path
    start_s: float
    fps: int
    resolution: int
    framing: Literal["crop", "letterbox"]
    window: tuple[int, int, int] | None
    pose: str
    people: int
    max_clip_s: float
    keypoints: Path | None
    files: Mapping[str, Path]


@dataclass
class Take:
    """A part of a clip as it is filmed: first, in frames of the clip; size: height and width of the source's picture."""

    first: int
    size: tuple[int, int]
    window: Window
    film: Film
    cropper: Cropper
    faces: FaceViews
    body: Decoded
    decodes: int = 1
    people: int = 0
    several: int = 0
    body_frame: int = 0
    _surest: float = -1.0
    _person: int = -1
    _points: list[np.ndarray] = field(default_factory=list)
    _persons: list[int] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self._points)

    @property
    def points(self) -> np.ndarray:
        """(T, 134, 3) float32, source px: of who was followed in most frames."""
        return keep_main(np.array(self._points), self._persons)

    @property
    def body_image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the frame with the surest body."""
        return self.body.image

    @property
    def views(self) -> list[View]:
        dancer = most_followed(self._persons)
        return [view for view in self.faces.ranked() if self._persons[view.frame] == dancer]

    def add(self, decoded: Decoded, seen: Seen) -> None:
        self.film.add(self.cropper(decoded))
        self.faces.add(self.frames, decoded.image, seen)
        if seen.person not in (-1, self._person):
            self._surest, self._person = -1.0, seen.person  # another person, the heavier one, is followed from here on
        sure = float(seen.points[LIMBS, 2].mean())
        if sure > self._surest:
            self._surest, self.body_frame, self.body = sure, self.frames, decoded
        self.people = max(self.people, seen.people)
        self.several += seen.people > 1
        self._points.append(seen.points)
        self._persons.append(seen.person)


def takes(shooting: Shooting, frames: int, folder: Path) -> Iterator[Take]:
    """The parts of the clip's first `frames` frames, each when its last frame was seen. folder: for their films.

    Raises Rejected as the media functions and the pose backend do.
    """
    end_s = shooting.start_s + frames / shooting.fps
    mesh = FaceMesh(shooting.files["face_landmark.tflite"])
    decoded = decoded_at_rate(shooting.path, shooting.start_s, end_s, shooting.fps)
    with (
        silent_native_log(),
        open_poses(
            shooting.pose, shooting.files, people=shooting.people, keypoints=shooting.keypoints, video=shooting.path
        ) as find,
    ):
        take, last = None, 0
        for index, (time_s, picture, starts) in enumerate(shot_starts(decoded, shooting.fps)):
            if take is None or starts or index == last:
                if take is not None:
                    yield take
                    find.restart()
                take = _begin(shooting, index, picture, mesh, folder)
                last = index + _length(frames - index, int(shooting.max_clip_s * shooting.fps))
            take.add(picture, find(picture.image, shooting.start_s + time_s))
        if take is not None:
            yield take


def _length(frames: int, most: int) -> int:
    """Frames of the next of as few equal parts as can be."""
    parts = -(-frames // max(most, 1))
    return -(-frames // parts)


def _begin(shooting: Shooting, index: int, picture: Decoded, mesh: FaceMesh, folder: Path) -> Take:
    height, width = picture.image.shape[:2]
    window = Window(*shooting.window) if shooting.window else whole_window(width, height)
    film, cropper = _camera(shooting, window, folder / f"{index}.mp4")
    return Take(index, (height, width), window, film, cropper, FaceViews(mesh, shooting.fps), picture)


def _camera(shooting: Shooting, window: Window, path: Path) -> tuple[Film, Cropper]:
    return Film(path, shooting.fps), Cropper(window.x, window.y, window.side, shooting.resolution)


def reframe(shooting: Shooting, take: Take, folder: Path) -> None:
    """Film a take once more where its window, chosen beforehand, does not suit the dancer: through the one that does."""
    height, width = take.size
    if shooting.framing == "letterbox" or suits(take.window, take.points, width, height, shooting.resolution):
        return
    take.window = fit_window(take.points, width, height, shooting.resolution)
    take.film, take.cropper = _camera(shooting, take.window, folder / f"{take.first}_again.mp4")
    start_s = shooting.start_s + take.first / shooting.fps
    for _, decoded in decoded_at_rate(shooting.path, start_s, start_s + take.frames / shooting.fps, shooting.fps):
        take.film.add(take.cropper(decoded))
    take.decodes += 1


def expected_window(points: np.ndarray, width: int, height: int, resolution: int, margin: float) -> tuple[int, int, int] | None:
    """The window for (N, 134, 3) points of some frames; None where no body is seen in them."""
    if not (points[..., 2] > 0).any():
        return None
    window = fit_window(points, width, height, resolution, margin)
    return window.x, window.y, window.side
