"""What one clip's faces are, measured once: every face of the sampled frames, with its numbers, its embedding and its crop.

No threshold is applied here, so that changing one decodes nothing (stages/extract_faces.py decides).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.faces import detectors, embedders
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.embedders import Embedder, embed
from onscreen.faces.quality import measure_quality
from onscreen.media.sampling import Mode, sample_frames
from onscreen.media.video import Frame

_JPEG_QUALITY = 95
_Row = dict[str, Any]  # JSON data


@dataclass(frozen=True)
class ClipFaces:
    """What to measure: a clip of a file, and with which models. files: model file name -> path."""

    path: Path
    start_s: float
    end_s: float
    detector: str
    embedder: str
    frames: Mode
    frames_per_clip: int
    crop_px: int
    crop_margin: float
    files: Mapping[str, Path]
    level_crop: bool = True  # False: crops are not turned onto the eyes


def measure_faces(clip: ClipFaces) -> Item:
    """All faces of a clip's sampled frames.

    meta: frames: their times in s. faces: one entry a face, in order of frame and score: frame (index), box (4), landmarks (10),
    score, and the fields of Quality. lost: faces that the embedder gave no vector for: frame, box, score, and code, detail and numbers
    of the reason.
    arrays: embeddings (N, D) float32, L2 = 1; crop_<i>: the i-th face's aligned crop, JPEG bytes.
    Raises Rejected when no frame decodes.
    """
    return measure_frames(clip, sample_frames(clip.path, clip.start_s, clip.end_s, clip.frames_per_clip, clip.frames))


def measure_frames(
    clip: ClipFaces, frames: Sequence[Frame], look: Callable[[Detector, np.ndarray], list[Detection]] = Detector.__call__
) -> Item:
    """measure_faces, of frames that are decoded already. look: how the detector is shown a frame."""
    detect, embedder = _models(clip.detector, clip.embedder, tuple(sorted(clip.files.items())))
    found = [(index, frame.image, face) for index, frame in enumerate(frames) for face in look(detect, frame.image)]
    faces, lost, vectors, arrays = list[_Row](), list[_Row](), list[np.ndarray](), dict[str, np.ndarray]()
    for index, image, face in found:
        try:
            vectors.append(embed(embedder, image, face))
        except Rejected as reason:
            lost.append(_place(index, face) | {"code": reason.code, "detail": reason.detail, "numbers": reason.numbers})
            continue
        arrays[f"crop_{len(faces)}"] = _crop(clip, image, face)
        faces.append(_numbers(clip, index, image, face))
    arrays["embeddings"] = np.array(vectors, np.float32).reshape(len(faces), embedder.dim)
    return Item({"frames": [frame.time_s for frame in frames], "faces": faces, "lost": lost}, arrays)


@cache
def _models(detector: str, embedder: str, files: tuple[tuple[str, Path], ...]) -> tuple[Detector, Embedder]:
    """Loaded once per worker process, one thread each: the engine runs one process a core."""
    cv2.setNumThreads(1)
    return detectors.create(detector, dict(files)), embedders.create(embedder, dict(files))


def _crop(clip: ClipFaces, image: np.ndarray, face: Detection) -> np.ndarray:
    crop = aligned_crop(image, face, clip.crop_px, clip.crop_margin, level=clip.level_crop)
    return np.asarray(cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _numbers(clip: ClipFaces, frame: int, image: np.ndarray, face: Detection) -> _Row:
    landmarks = {"landmarks": face.landmarks.ravel().tolist()}
    return _place(frame, face) | landmarks | asdict(measure_quality(image, face, clip.crop_margin))


def _place(frame: int, face: Detection) -> _Row:
    return {"frame": frame, "box": [float(value) for value in face.box], "score": face.score}
