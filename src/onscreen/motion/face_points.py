"""68 points of the face on a body's head, in iBUG's order: by MediaPipe's face landmarker where its file is here, else by dlib.

Both start from the same detection in a crop around the head; its score is the confidence of all 68.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.motion.pictures import as_picture, crop_around

Found = tuple[np.ndarray | None, tuple[float, float, float, float] | None, float]
_EYES, _MOUTH, _HEAD = [2, 5], [9, 10], list(range(11))  # MediaPipe's pose landmarks


class FaceFinder:
    """Finds the face of a body."""

    def __init__(self, detector: Any, shape: Any) -> None:
        self._detector, self._shape = detector, shape

    def __call__(self, image: np.ndarray, body: np.ndarray) -> Found:
        """(68, 3) points, the box and the score of the face on this body's head; None, None, 0 when it shows no face."""
        import dlib

        height = np.hypot(*(body[_EYES].mean(axis=0) - body[_MOUTH].mean(axis=0))[:2])
        side = max(6 * height, 2.5 * np.hypot(*(body[7] - body[8])[:2]), 24)
        crop, corner = crop_around(image, body[_HEAD].mean(axis=0)[:2], side)
        found = self._detector.detect(as_picture(crop)).detections if crop.size else []
        if not found:
            return None, None, 0.0
        best = max(found, key=lambda detection: float(detection.categories[0].score))
        box, score = best.bounding_box, float(best.categories[0].score)
        area = dlib.rectangle(box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
        parts = self._shape(crop, area).parts()
        points = np.array([(part.x + corner[0], part.y + corner[1], score) for part in parts], np.float32)
        return points, (box.origin_x + corner[0], box.origin_y + corner[1], float(box.width), float(box.height)), score


@contextmanager
def open_faces(files: Mapping[str, Path]) -> Iterator[FaceFinder]:
    """Load the face detector and what finds the 68 points."""
    import dlib
    from mediapipe.tasks.python import BaseOptions, vision

    model = files["face_detection_short_range.tflite"].read_bytes()
    options = vision.FaceDetectorOptions(BaseOptions(model_asset_buffer=model))
    with vision.FaceDetector.create_from_options(options) as detector:
        yield FaceFinder(detector, dlib.shape_predictor(str(files["shape_predictor_68_face_landmarks.dat"])))
