"""Face detectors behind one protocol: an RGB image in, boxes with landmarks and a score out.

A backend (faces/backends) only says where faces may be (`preprocess`, `infer`, `postprocess`). The landmark model then looks at
each place and says how sure it is that a face is there. So a score means the same for all of them: the probability of a face,
which is the backend's own (a margin as dlib's, Haar's yes or no are no probabilities and count as 1) times the landmark model's
presence. Nothing is detected twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from onscreen.faces.backends.blazeface import MediaPipe
from onscreen.faces.backends.candidates import FLOOR, Backend, Box, Candidate
from onscreen.faces.backends.dlib_detectors import DlibCnn, DlibHog
from onscreen.faces.backends.mtcnn import Mtcnn, require_mtcnn
from onscreen.faces.backends.opencv_detectors import OpenCvHaar, OpenCvSsd, OpenCvYuNet
from onscreen.faces.backends.scrfd import Scrfd
from onscreen.faces.landmarks import FaceMesh, five_points

__all__ = ["LIBRARIES", "WEIGHTS", "Backend", "Candidate", "Detection", "Detector", "create", "overlap", "require"]

WEIGHTS = {
    "mediapipe": ("mediapipe_face_full_range", "mediapipe_face_mesh"),
    "dlib": ("mediapipe_face_mesh",),
    "dlib_cnn": ("dlib_mmod", "mediapipe_face_mesh"),
    "opencv": ("opencv_haar", "mediapipe_face_mesh"),
    "ssd": ("opencv_ssd", "mediapipe_face_mesh"),
    "yunet": ("opencv_yunet", "mediapipe_face_mesh"),
    "mtcnn": ("mediapipe_face_mesh",),
    "retinaface": ("buffalo_l", "mediapipe_face_mesh"),
    "retinaface_s": ("buffalo_s", "mediapipe_face_mesh"),
}
"""Names in weights.toml of the model files that each detector needs."""

LIBRARIES = {
    "mediapipe": ("mediapipe",),
    "dlib": ("dlib-bin",),
    "dlib_cnn": ("dlib-bin",),
    "opencv": (),
    "ssd": (),
    "yunet": (),
    "mtcnn": ("deepface", "keras", "mtcnn"),
    "retinaface": ("insightface", "onnxruntime"),
    "retinaface_s": ("insightface", "onnxruntime"),
}
"""Distributions whose version a detector's answer depends on, beside OpenCV and numpy, which all of them use."""

_BACKENDS: dict[str, Callable[[Mapping[str, Path]], Backend]] = {
    "mediapipe": MediaPipe,
    "dlib": DlibHog,
    "dlib_cnn": DlibCnn,
    "opencv": OpenCvHaar,
    "ssd": OpenCvSsd,
    "yunet": OpenCvYuNet,
    "mtcnn": Mtcnn,
    "retinaface": partial(Scrfd, file="det_10g.onnx"),
    "retinaface_s": partial(Scrfd, file="det_500m.onnx"),
}
_SMALLEST_PX = 16  # of an image's shorter side: no detector finds a face in less, and some crash
_LONGEST_STRIP = 40  # times its width: an image that is longer has no side left once it is shrunk for a model


@dataclass(frozen=True)
class Detection:
    """A face. box: x, y, width, height px, may reach out of the image. mesh: (468, 2) float32 px, see FaceMesh. score: 0-1."""

    box: Box
    mesh: np.ndarray
    score: float

    @cached_property
    def landmarks(self) -> np.ndarray:
        """(5, 2) float32 px: eye, eye, nose tip, mouth corner, mouth corner, from left to right in the image."""
        return five_points(self.mesh)


class Detector:
    """A backend and the landmark model."""

    def __init__(self, backend: Backend, mesh: FaceMesh) -> None:
        self._backend = backend
        self._mesh = mesh

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """All faces of an image, the surest first; none in an image too small or too narrow to hold one.

        image: (H, W, 3) uint8 RGB, upright. A grey image has three equal channels.
        """
        shorter, longer = sorted(image.shape[:2])
        if shorter < _SMALLEST_PX or longer > _LONGEST_STRIP * shorter:
            return []
        candidates = self._backend.postprocess(self._backend.infer(self._backend.preprocess(image)))
        found = [self._with_landmarks(image, candidate) for candidate in candidates]
        sure = [face for face in found if face.score >= FLOOR]
        return _without_doubles(sorted(sure, key=lambda face: (-face.score, face.box)))

    def close(self) -> None:
        """Free the backend's model."""
        self._backend.close()

    def _with_landmarks(self, image: np.ndarray, candidate: Candidate) -> Detection:
        mesh, presence = self._mesh(image, candidate.box, candidate.eyes)
        return Detection(candidate.box, mesh, candidate.probability * presence)


def require(name: str) -> None:
    """Raises ConfigError, with the command that installs it, when the detector needs a package that is not here. Loads nothing."""
    if name == "mtcnn":
        require_mtcnn()


def create(name: str, files: Mapping[str, Path]) -> Detector:
    """The detector of that name (see WEIGHTS). files: file name -> path of its model files.

    Raises ConfigError when it needs a package that is not here (see require).
    """
    return Detector(_BACKENDS[name](files), FaceMesh(files["face_landmark.tflite"]))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def _without_doubles(faces: list[Detection]) -> list[Detection]:
    """Each face once. faces: the surest first; one whose middle lies in the box of a surer one is the same face."""
    kept: list[Detection] = []
    for face in faces:
        if not any(_holds(surer.box, face.landmarks.mean(0)) for surer in kept):
            kept.append(face)
    return kept


def _holds(box: Box, point: np.ndarray) -> bool:
    x, y, width, height = box
    return bool(x <= point[0] <= x + width and y <= point[1] <= y + height)
