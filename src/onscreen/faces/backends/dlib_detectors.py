"""dlib's two face detectors. Both give a margin, not a probability: a face has 0.3 as well as 3, and what they report counts as 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.faces.backends.candidates import Candidate, shrunk

_CNN_LONGEST_PX = 800  # it takes 1 GB and 7.5 s a megapixel: 450 MB for 800 x 554, 2 GB would be needed for 1920 x 1080


class DlibHog:
    """dlib's frontal face detector: HOG and a linear SVM, faces of 80 px and more (no upsampling), within about 30 degrees.

    It looks at the grey image: on three channels it takes each pixel's strongest gradient, which finds the same faces more slowly.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        import dlib

        self._model = dlib.get_frontal_face_detector()

    def preprocess(self, image: np.ndarray) -> Any:
        import cv2

        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)

    def infer(self, prepared: Any) -> Any:
        return self._model(prepared, 0)

    def postprocess(self, raw: Any) -> list[Candidate]:
        return [Candidate((box.left(), box.top(), box.width(), box.height()), 1.0) for box in raw]

    def close(self) -> None:
        """Nothing is held outside of Python."""


class DlibCnn:
    """dlib's max-margin detector (mmod_human_face_detector): a small network on an image pyramid, faces of 80 px and more, any pose.

    Frames are shrunk to 800 px on their longer side, which bounds time and memory. So in a frame of 1920 px it finds faces of
    190 px and more.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        import dlib

        self._model = dlib.cnn_face_detection_model_v1(str(files["mmod_human_face_detector.dat"]))

    def preprocess(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        return shrunk(image, _CNN_LONGEST_PX)

    def infer(self, prepared: tuple[np.ndarray, float]) -> tuple[Any, float]:
        image, factor = prepared
        return self._model(image, 0), factor

    def postprocess(self, raw: tuple[Any, float]) -> list[Candidate]:
        found, factor = raw
        boxes = [(each.rect.left(), each.rect.top(), each.rect.width(), each.rect.height()) for each in found]
        return [Candidate((x * factor, y * factor, w * factor, h * factor), 1.0) for x, y, w, h in boxes]

    def close(self) -> None:
        """Nothing is held outside of Python."""
