"""Face embedders: an image and a detection in, one L2-normalised vector out. Distances of two models never mix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from onscreen.errors import ConfigError
from onscreen.faces.detectors import Detection
from onscreen.faces.dlib_resnet import DlibResNet
from onscreen.faces.embedders_deepface import NETWORKS, DeepFace
from onscreen.faces.embedders_insightface import FILES, InsightFace
from onscreen.faces.vectors import unit

WEIGHTS = {
    "Dlib": ("dlib_resnet",),
    "Facenet": ("facenet",),
    "Facenet512": ("facenet512",),
    "VGG-Face": ("vgg_face",),
    "OpenFace": ("openface",),
    "DeepID": ("deepid",),
    "ArcFace": ("arcface",),
    "SFace": ("opencv_sface",),
    "buffalo_l": ("buffalo_l",),
    "buffalo_s": ("buffalo_s",),
}
"""Names in weights.toml of the model files that each embedder needs."""


class Embedder(Protocol):
    """dim: length of the vectors."""

    dim: int

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """The aligned chip that the model takes."""

    def infer(self, chip: np.ndarray) -> Any:
        """Run the model."""

    def postprocess(self, raw: Any) -> np.ndarray:
        """(dim,) float32, L2 = 1. Raises Rejected (bad_embedding)."""


class Dlib:
    """dlib's ResNet, 128 values.

    Its chip is dlib's own: 150 px, 0.25 padding, placed by dlib's five points (eye corners and the base of the nose). They are
    taken from the mesh: on LFW10 and johns that separates people better than dlib's 5-point model does (d' of means of five
    photos 5.02 against 4.95), and it does not depend on which detector found the box. The network runs on ONNX Runtime (dlib_resnet),
    one chip at a time: five at once take 0.85 of the time of five single ones, some 4 ms a clip.
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
        return unit(raw)


def create(name: str, files: Mapping[str, Path]) -> Embedder:
    """The embedder of that name (see WEIGHTS). files: file name -> path of its model files.

    Raises WeightsError when a file cannot be loaded or holds another model, ConfigError for a name that is not in WEIGHTS.
    """
    if name in NETWORKS:
        return DeepFace(name, files)
    if name in FILES:
        return InsightFace(name, files)
    if name == "Dlib":
        return Dlib(files)
    raise ConfigError(f"faces.embedder = {name} is not an embedder. Known: {', '.join(WEIGHTS)}")


def embed(embedder: Embedder, image: np.ndarray, face: Detection) -> np.ndarray:
    """(D,) float32, L2 = 1, of one face. image: (H, W, 3) uint8 RGB.

    Raises Rejected (bad_embedding) when the model gives no direction: zeros, or values that are not finite.
    """
    return embedder.postprocess(embedder.infer(embedder.preprocess(image, face)))


def pool(embeddings: np.ndarray) -> np.ndarray:
    """The mean of a person's L2-normalised vectors (N, D), normalised again: (D,) float32."""
    return unit(embeddings.astype(np.float64).mean(0))
