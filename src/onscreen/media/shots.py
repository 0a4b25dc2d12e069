"""Where one shot of a video ends and another begins, found while its frames pass by.

PySceneDetect's AdaptiveDetector says where a picture differs much more from the one before than its neighbours do, which fast
movement alone does not make. Whether that is another shot, or the same one in another light (strobes, flashes, a blackout), is told by
what does not depend on the light: where the edges are. A frame that shows nothing, black or white, begins no shot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from onscreen.media.video import Decoded

Timed = TypeVar("Timed")
_LONGER_SIDE_PX = 96
_LOOK_AHEAD = 2  # frames: AdaptiveDetector's window
_SAME = 0.25  # correlation of two pictures' edges; at most 0.23 (0.13 in 95 of 100) between 12 real clips
_SHOWS = 1.0  # grey levels, standard deviation of a picture's edges, below which it shows nothing


class ShotCuts:
    """Takes small pictures one by one, and tells the first frame of each new shot."""

    def __init__(self, fps: float) -> None:
        from scenedetect import AdaptiveDetector

        self._detector = AdaptiveDetector(min_scene_len=1, window_width=_LOOK_AHEAD)
        self._fps, self._fed, self._frames = float(fps), 0, 0
        self._edges = deque[np.ndarray](maxlen=_LOOK_AHEAD + 1)
        self._last: np.ndarray | None = None  # edges of the shot's last frame that showed something
        self._picture: np.ndarray | None = None

    def add(self, picture: np.ndarray) -> bool | None:
        """Whether the frame two before begins a shot; None before there is one. picture: (h, w, 3) uint8 BGR, some 100 px."""
        if self._picture is None:
            for _ in range(_LOOK_AHEAD):  # so that the first frames, too, have neighbours on both sides
                self._feed(picture)
        self._picture = picture
        cut = self._feed(picture)
        self._edges.append(_edges(picture))
        self._frames += 1
        return self._judge(cut, self._edges[0]) if self._frames > _LOOK_AHEAD else None

    def end(self) -> Iterator[bool]:
        """Whether each of the last frames begins a shot."""
        if self._picture is None:
            return
        last = min(_LOOK_AHEAD, self._frames)
        for index in range(last):
            cut = self._feed(self._picture)
            yield self._judge(cut, self._edges[index - last])

    def _feed(self, picture: np.ndarray) -> bool:
        from scenedetect import FrameTimecode

        self._fed += 1
        return bool(self._detector.process_frame(FrameTimecode(self._fed, self._fps), picture))

    def _judge(self, cut: bool, edges: np.ndarray) -> bool:
        if not edges.std() > _SHOWS:
            return False
        new = cut and self._last is not None and _correlation(self._last, edges) < _SAME
        self._last = edges
        return new


def shot_starts(frames: Iterable[tuple[Timed, Decoded]], fps: float) -> Iterator[tuple[Timed, Decoded, bool]]:
    """Each frame, and whether it begins another shot than the frame before. Two frames are held back."""
    from av.video.reformatter import VideoReformatter

    cuts, scale = ShotCuts(fps), VideoReformatter()
    waiting = deque[tuple[Timed, Decoded]]()
    for frame in frames:
        waiting.append(frame)
        starts = cuts.add(_small(frame[1].frame, scale))
        if starts is not None:
            yield (*waiting.popleft(), starts)
    for starts in cuts.end():
        yield (*waiting.popleft(), starts)


def _small(frame: Any, scale: Any) -> np.ndarray:
    ratio = _LONGER_SIDE_PX / max(frame.width, frame.height)
    width, height = (max(8, round(length * ratio)) for length in (frame.width, frame.height))
    return np.ascontiguousarray(
        scale.reformat(frame, width, height, format="bgr24", interpolation="AREA", threads=1).to_ndarray()
    )


def _edges(picture: np.ndarray) -> np.ndarray:
    """(h, w) float32: grey without its slow changes, so that light that comes or goes leaves it alike but for its scale."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return cv2.GaussianBlur(grey, (0, 0), 1.0) - cv2.GaussianBlur(grey, (0, 0), 4.0)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if first.shape != second.shape:
        return 0.0
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))
