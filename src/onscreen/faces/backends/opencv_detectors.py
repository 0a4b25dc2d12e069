"""OpenCV's three face detectors.

ssd and yunet are called through OpenCV's own classes (cv2.dnn.DetectionModel, cv2.FaceDetectorYN), not through DeepFace's clients:
those read and, where it is missing, download the weights from a folder of their own; drop what is below 0.9 (faces.min_score
could not ask for less); round to whole pixels; and SSD's leaves out the mean that the network was trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.faces.backends.candidates import FLOOR, Candidate, shrunk

_HAAR_SMALLEST_PX = 28  # the first window is then 29 px, eyes 11 to 13 px apart; 30 cost a face of 36 px its neighbours
_YUNET_LONGEST_PX = 640  # what it was trained on; on larger images it misses large faces (opencv_zoo)


class OpenCvHaar:
    """OpenCV's Haar cascade (haarcascade_frontalface_default), 1.1 and 10 neighbours as in DeepFace. It only says yes or no."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        import cv2

        self._model = cv2.CascadeClassifier(str(files["haarcascade_frontalface_default.xml"]))

    def preprocess(self, image: np.ndarray) -> Any:
        import cv2

        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)

    def infer(self, prepared: Any) -> Any:
        smallest = (_HAAR_SMALLEST_PX, _HAAR_SMALLEST_PX)
        return self._model.detectMultiScale(prepared, scaleFactor=1.1, minNeighbors=10, minSize=smallest)

    def postprocess(self, raw: Any) -> list[Candidate]:
        return [Candidate((float(x), float(y), float(width), float(height)), 1.0) for x, y, width, height in raw]

    def close(self) -> None:
        """Nothing is held outside of Python."""


class OpenCvSsd:
    """OpenCV's SSD on a ResNet-10 (res10_300x300). Probability: the model's own.

    As published: BGR minus (104, 177, 123), and the whole image squeezed into 300 x 300, whatever its shape.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        import cv2

        weights, layers = (str(files[name]) for name in ("res10_300x300_ssd_iter_140000.caffemodel", "deploy.prototxt"))
        self._model = cv2.dnn.DetectionModel(weights, layers)
        self._model.setInputParams(size=(300, 300), mean=(104, 177, 123))

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[..., ::-1])

    def infer(self, prepared: np.ndarray) -> Any:
        return self._model.detect(prepared, confThreshold=FLOOR)

    def postprocess(self, raw: Any) -> list[Candidate]:
        kinds, probabilities, boxes = raw
        found = zip(np.ravel(kinds), np.ravel(probabilities), np.reshape(boxes, (-1, 4)), strict=True)
        faces = ((probability, box.tolist()) for kind, probability, box in found if kind == 1)
        return [Candidate((x, y, width, height), float(probability)) for probability, (x, y, width, height) in faces]

    def close(self) -> None:
        """Nothing is held outside of Python."""


class OpenCvYuNet:
    """YuNet (face_detection_yunet_2023mar), faces of 10 px and more in an image of 640. Probability: the model's own."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        import cv2

        model = str(files["face_detection_yunet_2023mar.onnx"])
        self._model = cv2.FaceDetectorYN.create(model, "", (320, 320), score_threshold=FLOOR)

    def preprocess(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        return shrunk(image[..., ::-1], _YUNET_LONGEST_PX)

    def infer(self, prepared: tuple[np.ndarray, float]) -> tuple[np.ndarray, float]:
        image, factor = prepared
        self._model.setInputSize(image.shape[1::-1])
        found = self._model.detect(image)[1]
        return (np.empty((0, 15), np.float32) if found is None else found), factor

    def postprocess(self, raw: tuple[np.ndarray, float]) -> list[Candidate]:
        """Rows: box (4), eye, eye, nose tip, mouth corner, mouth corner, pairs from left to right in the image (10), score."""
        found, factor = raw
        rows = [((row[:8] * factor).tolist(), float(row[14])) for row in found]
        return [Candidate((row[0], row[1], row[2], row[3]), score, ((row[4], row[5]), (row[6], row[7]))) for row, score in rows]

    def close(self) -> None:
        """Nothing is held outside of Python."""
