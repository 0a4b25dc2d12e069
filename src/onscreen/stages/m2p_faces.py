"""The dancer's face in the frames that pass by: the best view of a second each, its embeddings, and pictures for reference."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from onscreen.errors import Rejected
from onscreen.faces import embedders
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import Embedder, embed
from onscreen.faces.embedders_insightface import FILES
from onscreen.faces.landmarks import FaceMesh
from onscreen.faces.quality import measure_quality
from onscreen.motion.keypoints import FACE
from onscreen.motion.seen import Seen
from onscreen.stages.m2p_records import EMBEDDER

ARCFACE = "buffalo_l"
"""The pack whose recognition model writes face_embedding.npy, where its weights are here."""
_BEST_FACES = 5
_FACE_REGION = 6.0  # x the face's box: what is kept of a frame, enough for a turned reference picture
_REFERENCE = 3.4  # x the face's box: the side of a reference picture, head and shoulders
_LOWER = 0.45  # x the face's box: how far below the face's middle that picture's middle lies, towards the chin
_CANDIDATE_PX = 112
_HALF_SHARPNESS = 85.0  # as in faces/quality.py
_NOSE, _JAW = 30, (0, 16)  # of the 68 points
_EYES = (36, 42)  # the first of six points around each, from one corner to the other and back
_OPEN = 0.25  # height by width of an eye
JPEG_QUALITY = 95


@dataclass(frozen=True)
class View:
    """A face in a region cut out of one frame. numbers: its score, and the fields of Quality."""

    frame: int
    region: np.ndarray
    face: Detection
    numbers: dict[str, float]


@dataclass(frozen=True)
class _Candidate:
    rank: float
    frame: int
    region: np.ndarray
    box: tuple[float, float, float, float]
    score: float


@dataclass
class FaceViews:
    """Takes frames in their order, and keeps the best views of the face, one of a second each.

    Only the best-looking candidate of a second is measured: by the face's score, size and sharpness, open eyes, and how far the nose is
    from both sides of the face.
    """

    mesh: FaceMesh
    fps: int
    _second: int = 0
    _best: _Candidate | None = None
    _views: list[tuple[float, int, View]] = field(default_factory=list)

    def add(self, frame: int, image: np.ndarray, seen: Seen) -> None:
        """image: (H, W, 3) uint8 RGB. seen: what it shows."""
        if frame // self.fps != self._second:
            self._settle()
            self._second = frame // self.fps
        if seen.face_box is None or (seen.points[FACE][:, 2] <= 0).any():
            return  # none, or it reaches out of the picture
        rank = _rank(image, seen.face_box, seen.face_score, seen.points[FACE])
        if self._best is None or rank > self._best.rank:
            region, box = _region(image, seen.face_box)
            self._best = _Candidate(rank, frame, region, box, seen.face_score)

    def ranked(self) -> list[View]:
        """The best views, best first."""
        self._settle()
        return [view for _, _, view in sorted(self._views, reverse=True)]

    def _settle(self) -> None:
        if self._best is None:
            return
        best, self._best = self._best, None
        points, presence = self.mesh(best.region, best.box)
        face = Detection(best.box, points, best.score * presence)  # a score means the same as in faces.parquet
        numbers = {"score": face.score, **asdict(measure_quality(best.region, face, 0.0))}
        entry = (numbers["quality"], -best.frame, View(best.frame, best.region, face, numbers))
        heapq.heappush(self._views, entry)
        if len(self._views) > _BEST_FACES:
            heapq.heappop(self._views)


def _rank(image: np.ndarray, box: tuple[float, float, float, float], score: float, points: np.ndarray) -> float:
    x, y, width, height = (int(value) for value in box)
    part = image[max(0, y) : y + height, max(0, x) : x + width]
    if not part.size:
        return 0.0
    grey = cv2.cvtColor(cv2.resize(part, (_CANDIDATE_PX, _CANDIDATE_PX)), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    sides = [float(np.hypot(*(points[_NOSE] - points[jaw])[:2])) for jaw in _JAW]
    size = min(1.0, max(width, height) / (2 * _CANDIDATE_PX))
    eyes = min(1.0, float(np.mean([_openness(points[first : first + 6, :2]) for first in _EYES])) / _OPEN)
    return score * size * sharpness / (sharpness + _HALF_SHARPNESS) * min(sides) / max(max(sides), 1e-6) * eyes


def _openness(eye: np.ndarray) -> float:
    """Height by width of (6, 2) points around an eye."""
    heights = np.linalg.norm(eye[[1, 2]] - eye[[5, 4]], axis=1)
    return float(heights.mean() / max(np.linalg.norm(eye[0] - eye[3]), 1e-6))


def _region(image: np.ndarray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """What is kept around a face as far as the picture goes, and the box in it."""
    x, y, width, height = box
    side = _FACE_REGION * max(width, height)
    left, top = (max(0, int(middle - side / 2)) for middle in (x + width / 2, y + height / 2))
    right, bottom = (max(0, int(middle + side / 2)) for middle in (x + width / 2, y + height / 2))
    return image[top:bottom, left:right].copy(), (x - left, y - top, width, height)


def embedded(views: Iterable[View], files: Mapping[str, Path]) -> tuple[list[View], dict[str, np.ndarray]]:
    """The views that have embeddings, and these: embeddings (V, 128) and, where ArcFace's file is there, arcface (V, 512).

    A view of which a model makes no vector is left out.
    """
    models = _embedders(tuple(sorted(files.items())))
    kept, vectors = list[View](), {name: list[np.ndarray]() for name in models}
    for view in views:
        try:
            found = {name: embed(model, view.region, view.face) for name, model in models.items()}
        except Rejected:
            continue
        kept.append(view)
        for name, vector in found.items():
            vectors[name].append(vector)
    arrays = {name: np.array(rows, np.float32).reshape(len(kept), models[name].dim) for name, rows in vectors.items()}
    return kept, arrays


@cache
def _embedders(files: tuple[tuple[str, Path], ...]) -> dict[str, Embedder]:
    models = {"embeddings": embedders.create(EMBEDDER, dict(files))}
    if FILES[ARCFACE] in dict(files):
        models["arcface"] = embedders.create(ARCFACE, dict(files))
    return models


def reference(view: View, side_px: int) -> tuple[np.ndarray, float]:
    """JPEG bytes of the face with head and shoulders, upright, square, black where the picture ends; its pixels for one of the source."""
    x, y, width, height = view.face.box
    extent = max(width, height)
    across = view.face.landmarks[1] - view.face.landmarks[0]
    right = across / max(float(np.linalg.norm(across)), 1e-6)
    middle = np.array([x + width / 2, y + height / 2]) + _LOWER * extent * np.array([-right[1], right[0]])
    box = (float(middle[0] - extent / 2), float(middle[1] - extent / 2), extent, extent)
    margin = (_REFERENCE - 1) / 2
    picture = aligned_crop(view.region, replace(view.face, box=box), side_px, margin)
    return jpeg(picture), side_px / (_REFERENCE * extent)


def jpeg(image: np.ndarray) -> np.ndarray:
    """(bytes,) uint8 of an RGB picture."""
    return np.asarray(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])
