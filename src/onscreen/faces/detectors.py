"""Face detectors behind one protocol: an RGB image in, boxes with landmarks and a score out.

A backend only says where faces may be (`preprocess`, `infer`, `postprocess`). The landmark model then looks at each place and
says how sure it is that a face is there. So a score means the same for all of them: the probability of a face, which is the
backend's own (MediaPipe has one; the HOG's margin and Haar's yes or no are no probabilities and count as 1) times the landmark
model's presence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from onscreen.faces.landmarks import Box, FaceMesh, five_points
from onscreen.tasks_models import silent_native_log

WEIGHTS = {
    "mediapipe": ("mediapipe_face_full_range", "mediapipe_face_mesh"),
    "dlib": ("mediapipe_face_mesh",),
    "opencv": ("opencv_haar", "mediapipe_face_mesh"),
}
"""Names in weights.toml of the model files that each detector needs."""

_FLOOR = 0.1  # scores below are not even candidates; on clips without a person MediaPipe gives up to 0.25, on faces 0.49 and more


@dataclass(frozen=True)
class Candidate:
    """A place that may be a face. box: x, y, width, height px. probability: the backend's own, 1 where it has none."""

    box: Box
    probability: float


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


class Backend(Protocol):
    """Finds places that may be faces."""

    def preprocess(self, image: np.ndarray) -> Any:
        """image: (H, W, 3) uint8 RGB -> what the model takes."""

    def infer(self, prepared: Any) -> Any:
        """Run the model."""

    def postprocess(self, raw: Any) -> list[Candidate]:
        """The model's answer in pixels of the image."""

    def close(self) -> None:
        """Free the model. MediaPipe's own clean-up complains when it is left to the end of the interpreter."""


class MediaPipe:
    """BlazeFace, full range (faces within 5 m), 192 x 192 input, the sparse weights. Probability: the model's own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import FaceDetector, FaceDetectorOptions

        model = BaseOptions(model_asset_buffer=files["face_detection_full_range_sparse.tflite"].read_bytes())
        with silent_native_log():
            self._model = FaceDetector.create_from_options(FaceDetectorOptions(model, min_detection_confidence=_FLOOR))
            self._model.detect(self.preprocess(np.zeros((192, 192, 3), np.uint8)))  # the first call logs too

    def preprocess(self, image: np.ndarray) -> Any:
        from mediapipe import Image, ImageFormat

        return Image(ImageFormat.SRGB, np.ascontiguousarray(image))

    def infer(self, prepared: Any) -> Any:
        return self._model.detect(prepared).detections

    def postprocess(self, raw: Any) -> list[Candidate]:
        boxes = [(found.bounding_box, found.categories[0].score) for found in raw]
        return [Candidate((box.origin_x, box.origin_y, box.width, box.height), score) for box, score in boxes]

    def close(self) -> None:
        self._model.close()


class DlibHog:
    """dlib's frontal face detector: HOG and a linear SVM, faces of 80 px and more (no upsampling), within about 30 degrees."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        import dlib

        self._model = dlib.get_frontal_face_detector()

    def preprocess(self, image: np.ndarray) -> Any:
        return np.ascontiguousarray(image)

    def infer(self, prepared: Any) -> Any:
        return self._model(prepared, 0)

    def postprocess(self, raw: Any) -> list[Candidate]:
        return [Candidate((box.left(), box.top(), box.width(), box.height()), 1.0) for box in raw]

    def close(self) -> None:
        """Nothing is held outside of Python."""


class OpenCvHaar:
    """OpenCV's Haar cascade (haarcascade_frontalface_default), with the settings that DeepFace uses: 1.1 and 10 neighbours."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        import cv2

        self._model = cv2.CascadeClassifier(str(files["haarcascade_frontalface_default.xml"]))

    def preprocess(self, image: np.ndarray) -> Any:
        import cv2

        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)

    def infer(self, prepared: Any) -> Any:
        return self._model.detectMultiScale(prepared, scaleFactor=1.1, minNeighbors=10)

    def postprocess(self, raw: Any) -> list[Candidate]:
        return [Candidate((float(x), float(y), float(width), float(height)), 1.0) for x, y, width, height in raw]

    def close(self) -> None:
        """Nothing is held outside of Python."""


_BACKENDS: dict[str, Any] = {"mediapipe": MediaPipe, "dlib": DlibHog, "opencv": OpenCvHaar}


class Detector:
    """A backend and the landmark model."""

    def __init__(self, backend: Backend, mesh: FaceMesh) -> None:
        self._backend = backend
        self._mesh = mesh

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """All faces of an image, the surest first. image: (H, W, 3) uint8 RGB, upright."""
        candidates = self._backend.postprocess(self._backend.infer(self._backend.preprocess(image)))
        found = [self._with_landmarks(image, candidate) for candidate in candidates]
        sure = [face for face in found if face.score >= _FLOOR]
        return _without_doubles(sorted(sure, key=lambda face: (-face.score, face.box)))

    def close(self) -> None:
        """Free the backend's model."""
        self._backend.close()

    def _with_landmarks(self, image: np.ndarray, candidate: Candidate) -> Detection:
        mesh, presence = self._mesh(image, candidate.box)
        return Detection(candidate.box, mesh, candidate.probability * presence)


def create(name: str, files: Mapping[str, Path]) -> Detector:
    """The detector of that name (see WEIGHTS). files: file name -> path of its model files."""
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
