"""68 points of the face on a body's head, in iBUG's order: by MediaPipe's face landmarker where its file is here, else by dlib.

Both start from the same detection in a crop around the head; its score is the confidence of all 68.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.motion.pictures import as_picture, crop_around

LANDMARKER_FILE = "face_landmarker.task"
Box = tuple[float, float, float, float]
Found = tuple[np.ndarray | None, Box | None, float]
_EYES, _MOUTH, _HEAD = [2, 5], [9, 10], list(range(11))  # MediaPipe's pose landmarks

# Which of MediaPipe's mesh each of iBUG's 68 points is; where it lies between two, their middle. The same corners and edges by name;
# along the jaw and the bows of the lips, where there are none, the nearest to dlib's over 100 faces of LFW. There both sources differ by
# 5 % of the distance between the eyes in the median (jaw 9 %, brows 8 %, nose, eyes and lips 4 %).
_JAW = (127, 234, 93, (132, 58), 172, 136, 149, (176, 148), 152, (400, 377), 378, 365, 397, (361, 288), 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 240, 97, 2, 326, 460)
_EYE_LIDS = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_LIPS_OUTER = (61, (39, 40), 37, 0, 267, (269, 270), 291, (405, 321), 314, 17, 84, (181, 91))
_LIPS_INNER = (78, 82, 13, 312, 308, 317, 14, 87)
_ENTRIES = (*_JAW, *_BROWS, *_NOSE, *_EYE_LIDS, *_LIPS_OUTER, *_LIPS_INNER)
MESH_OF_IBUG = np.array([entry if isinstance(entry, tuple) else (entry, entry) for entry in _ENTRIES])
"""(68, 2) mesh indices; a point is the mean of its two."""


class FaceFinder:
    """Finds the face of a body. Use it through open_faces."""

    def __init__(self, detector: Any, shape: Callable[[np.ndarray, Any], np.ndarray | None]) -> None:
        """shape: (crop, detected box) -> (68, 2) px of the crop, or None."""
        self._detector, self._shape = detector, shape

    def __call__(self, image: np.ndarray, body: np.ndarray) -> Found:
        """(68, 3) points, the box and the score of the face on this body's head; None, None, 0 when it shows no face.

        image: (H, W, 3) uint8 RGB. body: (33, 3) MediaPipe's.
        """
        height = np.hypot(*(body[_EYES].mean(axis=0) - body[_MOUTH].mean(axis=0))[:2])
        side = max(6 * height, 2.5 * np.hypot(*(body[7] - body[8])[:2]), 24)
        crop, corner = crop_around(image, body[_HEAD].mean(axis=0)[:2], side)
        found = self._detector.detect(as_picture(crop)).detections if crop.size else []
        if not found:
            return None, None, 0.0
        best = max(found, key=lambda detection: float(detection.categories[0].score))
        box, score = best.bounding_box, float(best.categories[0].score)
        places = self._shape(crop, box)
        if places is None:
            return None, None, 0.0
        points = np.column_stack([places + corner, np.full(68, score)]).astype(np.float32)
        return points, (box.origin_x + corner[0], box.origin_y + corner[1], float(box.width), float(box.height)), score


@contextmanager
def open_faces(files: Mapping[str, Path]) -> Iterator[FaceFinder]:
    """Load the face detector and what finds the 68 points: the landmarker if it is among the files, else dlib's."""
    from mediapipe.tasks.python import BaseOptions, vision

    model = files["face_detection_short_range.tflite"].read_bytes()
    options = vision.FaceDetectorOptions(BaseOptions(model_asset_buffer=model))
    with ExitStack() as opened:
        detector = opened.enter_context(vision.FaceDetector.create_from_options(options))
        if LANDMARKER_FILE in files:
            mesh_options = vision.FaceLandmarkerOptions(BaseOptions(model_asset_buffer=files[LANDMARKER_FILE].read_bytes()))
            landmarker = opened.enter_context(vision.FaceLandmarker.create_from_options(mesh_options))
            yield FaceFinder(detector, lambda crop, _: _by_mesh(landmarker, crop))
        else:
            yield FaceFinder(detector, _dlib_shape(files["shape_predictor_68_face_landmarks.dat"]))


def _by_mesh(landmarker: Any, crop: np.ndarray) -> np.ndarray | None:
    found = landmarker.detect(as_picture(crop)).face_landmarks
    if not found:
        return None
    height, width = crop.shape[:2]
    return from_mesh(np.array([(mark.x * width, mark.y * height) for mark in found[0]]))


def from_mesh(mesh: np.ndarray) -> np.ndarray:
    """(68, 2) iBUG's points of a face from MediaPipe's (468 or more, 2)."""
    return np.asarray(mesh[MESH_OF_IBUG].mean(axis=1))


@cache  # a hundred megabytes, the same for every clip of a worker
def _dlib_shape(model: Path) -> Callable[[np.ndarray, Any], np.ndarray]:
    import dlib

    predictor = dlib.shape_predictor(str(model))

    def shape(crop: np.ndarray, box: Any) -> np.ndarray:
        area = dlib.rectangle(box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
        return np.array([(part.x, part.y) for part in predictor(crop, area).parts()], np.float64)

    return shape
