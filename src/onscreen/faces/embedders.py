"""Face embedders: an image and a detection in, one L2-normalised vector out. Distances of two models never mix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from onscreen.faces.detectors import Detection
from onscreen.faces.dlib_resnet import DlibResNet

WEIGHTS = {"Dlib": ("dlib_resnet",)}
"""Names in weights.toml of the model files that each embedder needs."""


class Embedder(Protocol):
    """dim: length of the vectors."""

    dim: int

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """The aligned chip that the model takes."""

    def infer(self, chip: np.ndarray) -> Any:
        """Run the model."""

    def postprocess(self, raw: Any) -> np.ndarray:
        """(dim,) float32, L2 = 1."""


class Dlib:
    """dlib's ResNet, 128 values; cosine distances of single photos of one person: DeepFace publishes 0.07.

    Its chip is dlib's own: 150 px, 0.25 padding, placed by dlib's five points (eye corners and the base of the nose). They are
    taken from the mesh: on LFW10 and johns that separates people better than dlib's 5-point model does (d' of means of five
    photos 5.02 against 4.95), and it does not depend on which detector found the box. The network runs on ONNX Runtime (dlib_resnet),
    one chip at a time: five at once cost 0.9 of the time of five single ones, too little to be worth an order of frames.
    """

    dim = 128
    _POINTS = (263, 362, 33, 133, 2)  # in the mesh: dlib's five, in its order

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._model = DlibResNet(files["dlib_face_recognition_resnet_model_v1.dat"])

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        import dlib

        points = [dlib.point(round(float(x)), round(float(y))) for x, y in face.mesh[list(self._POINTS)]]
        shape = dlib.full_object_detection(dlib.rectangle(), points)  # the chip is placed by the points alone
        return np.asarray(dlib.get_face_chip(np.ascontiguousarray(image), shape, size=150, padding=0.25))

    def infer(self, chip: np.ndarray) -> Any:
        return self._model(chip[None])[0]

    def postprocess(self, raw: Any) -> np.ndarray:
        vector = np.asarray(raw, np.float32)
        return vector / np.float32(np.linalg.norm(vector))


_EMBEDDERS: dict[str, Any] = {"Dlib": Dlib}


def create(name: str, files: Mapping[str, Path]) -> Embedder:
    """The embedder of that name (see WEIGHTS). files: file name -> path of its model files."""
    embedder: Embedder = _EMBEDDERS[name](files)
    return embedder


def embed(embedder: Embedder, image: np.ndarray, face: Detection) -> np.ndarray:
    """(D,) float32, L2 = 1, of one face. image: (H, W, 3) uint8 RGB."""
    return embedder.postprocess(embedder.infer(embedder.preprocess(image, face)))


def pool(embeddings: np.ndarray) -> np.ndarray:
    """The mean of a person's L2-normalised vectors (N, D), normalised again: (D,) float32."""
    mean = embeddings.astype(np.float64).mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
