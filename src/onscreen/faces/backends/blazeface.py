"""MediaPipe's face detector."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

from onscreen.faces.backends.candidates import FLOOR, Candidate, Eyes
from onscreen.tasks_models import silent_native_log


class MediaPipe:
    """BlazeFace, full range (faces within 5 m), 192 x 192 input, the sparse weights. Probability: the model's own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import FaceDetector, FaceDetectorOptions

        model = BaseOptions(model_asset_buffer=files["face_detection_full_range_sparse.tflite"].read_bytes())
        with silent_native_log():
            self._model = FaceDetector.create_from_options(FaceDetectorOptions(model, min_detection_confidence=FLOOR))
            _open.add(self)
            self._model.detect(self.preprocess(np.zeros((192, 192, 3), np.uint8)))  # the first call logs too

    def preprocess(self, image: np.ndarray) -> Any:
        from mediapipe import Image, ImageFormat

        return Image(ImageFormat.SRGB, np.ascontiguousarray(image))

    def infer(self, prepared: Any) -> Any:
        return self._model.detect(prepared).detections, (prepared.width, prepared.height)

    def postprocess(self, raw: Any) -> list[Candidate]:
        detections, size = raw
        boxes = [(found.bounding_box, found.categories[0].score, found.keypoints) for found in detections]
        return [
            Candidate((box.origin_x, box.origin_y, box.width, box.height), score, _eyes(points, size))
            for box, score, points in boxes
        ]

    def close(self) -> None:
        self._model.close()


_open: WeakSet[MediaPipe] = WeakSet()


@atexit.register  # before MediaPipe is imported, so called after its own: from then on closing a model needs no thread
def _close_open() -> None:
    """Close models that live as long as the process. Left to the end of the interpreter, MediaPipe prints a trace for each."""
    for backend in _open:
        with suppress(RuntimeError):  # MediaPipe was imported first, and threads have ended
            backend.close()


def _eyes(points: Any, size: tuple[int, int]) -> Eyes:
    """The first two of BlazeFace's six points, which are fractions of the image."""
    first, second = ((point.x * size[0], point.y * size[1]) for point in points[:2])
    return first, second
