"""What one clip's faces are, measured once: every face of the sampled frames, with its numbers, its embedding and its crop.

No threshold is applied here, so that changing one decodes nothing (stages/extract_faces.py decides).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.faces import detectors, embedders
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.embedders import Embedder, embed
from onscreen.faces.quality import measure_quality
from onscreen.media.sampling import Mode, sample_frames
from onscreen.media.video import Frame

_JPEG_QUALITY = 95


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
    score, and the fields of Quality.
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
    embeddings = [embed(embedder, image, face) for _, image, face in found]
    arrays = {f"crop_{number}": _crop(clip, image, face) for number, (_, image, face) in enumerate(found)}
    arrays["embeddings"] = np.array(embeddings, np.float32).reshape(len(found), embedder.dim)
    faces = [_numbers(clip, index, image, face) for index, image, face in found]
    return Item({"frames": [frame.time_s for frame in frames], "faces": faces}, arrays)


@cache
def _models(detector: str, embedder: str, files: tuple[tuple[str, Path], ...]) -> tuple[Detector, Embedder]:
    """Loaded once per worker process, one thread each: the engine runs one process a core."""
    cv2.setNumThreads(1)
    return detectors.create(detector, dict(files)), embedders.create(embedder, dict(files))


def _crop(clip: ClipFaces, image: np.ndarray, face: Detection) -> np.ndarray:
    crop = aligned_crop(image, face, clip.crop_px, clip.crop_margin, level=clip.level_crop)
    return np.asarray(cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _numbers(clip: ClipFaces, frame: int, image: np.ndarray, face: Detection) -> dict[str, object]:
    place = {"frame": frame, "box": [float(value) for value in face.box], "landmarks": face.landmarks.ravel().tolist()}
    return {**place, "score": face.score, **asdict(measure_quality(image, face, clip.crop_margin))}
