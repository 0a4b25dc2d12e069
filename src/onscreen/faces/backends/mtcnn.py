"""MTCNN, by DeepFace's client for the package mtcnn, which carries its weights and runs on TensorFlow: an extra of onscreen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import ConfigError
from onscreen.faces.backends.candidates import Candidate, Eyes


class Mtcnn:
    """Three networks after each other. Probability: the last one's, 0.8 and more, because each drops what it is unsure of.

    Raises ConfigError without its packages.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        require_mtcnn()
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow loads: its greeting is no one's concern
        from deepface.models.face_detection.MtCnn import MtCnnClient
        from tensorflow import config  # type: ignore[import-not-found, import-untyped, unused-ignore]  # an extra, and without stubs

        config.threading.set_intra_op_parallelism_threads(1)
        config.threading.set_inter_op_parallelism_threads(1)
        self._model: Any = MtCnnClient()

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[..., ::-1])

    def infer(self, prepared: np.ndarray) -> Any:
        return self._model.detect_faces(prepared)

    def postprocess(self, raw: Any) -> list[Candidate]:
        """DeepFace names eyes as the person does: her right eye is the left one in the image."""
        return [Candidate((face.x, face.y, face.w, face.h), float(face.confidence), _eyes(face)) for face in raw]

    def close(self) -> None:
        self._model = None


def _eyes(face: Any) -> Eyes:
    (left, top), (right, bottom) = face.right_eye, face.left_eye
    return (float(left), float(top)), (float(right), float(bottom))


def require_mtcnn() -> None:
    """Raises ConfigError when mtcnn or TensorFlow is not installed. Loads neither.

    The packages are named, not the extra: of that, pip would also install the OpenCV wheels that overrides.txt keeps out.
    """
    missing = [package for package in ("mtcnn", "tensorflow") if find_spec(package) is None]
    if missing:
        raise ConfigError(
            f"faces.detector = mtcnn: {' and '.join(missing)} cannot be imported. "
            "Run `pip install -c constraints.txt mtcnn tensorflow-cpu` in onscreen's checkout, or take another detector."
        )
