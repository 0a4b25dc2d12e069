"""Face embedders that DeepFace serves on ONNX Runtime: its chips, its models, its published distances.

DeepFace would detect a second time, look for weights in $HOME, fetch them when they are not there and take every core. So its
parts are used without its loader: `extract_face` and `resize_image` make the chip from our box and eyes, the client of each model
runs a session that is opened here. No TensorFlow takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onscreen.errors import Rejected
from onscreen.faces.detectors import Detection
from onscreen.faces.onnx_session import open_session
from onscreen.faces.vectors import unit


@dataclass(frozen=True)
class Network:
    """What DeepFace's client of a model says when it is built: width and height px of the chip, length of the vector."""

    file: str
    width: int
    height: int
    dim: int


NETWORKS = {
    "Facenet": Network("facenet_weights.onnx", 160, 160, 128),
    "Facenet512": Network("facenet512_weights.onnx", 160, 160, 512),
    "VGG-Face": Network("vgg_face_weights.onnx", 224, 224, 4096),
    "OpenFace": Network("openface_weights.onnx", 96, 96, 128),
    "DeepID": Network("deepid_weights.onnx", 47, 55, 160),
    "ArcFace": Network("arcface_weights.onnx", 112, 112, 512),
    "SFace": Network("face_recognition_sface_2021dec.onnx", 112, 112, 128),
}


class DeepFace:
    """One of NETWORKS. Raises WeightsError when its file cannot be loaded or takes something else."""

    def __init__(self, name: str, files: Mapping[str, Path]) -> None:
        network = NETWORKS[name]
        sizes = (3, network.height, network.width) if name == "SFace" else (network.height, network.width, 3)
        self._size = (network.height, network.width)
        self.dim = network.dim
        self._client = _client(name)
        self._client.model = open_session(files[network.file], sizes, network.dim)

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """(height, width, 3) float32 BGR in [0, 1]: the box turned level by the eyes, resized within black bars.

        What DeepFace.represent makes of the same box and eyes with its defaults (normalisation `base`, no expansion).
        Raises Rejected (empty_chip) when the box holds no pixel.
        """
        from deepface.modules.preprocessing import resize_image

        chip = _chip(image, face)
        if not chip.size:
            raise Rejected("empty_chip", "the face's box holds no pixel", {"box_width": face.box[2], "box_height": face.box[3]})
        scaled = chip / 255 if chip.max() > 1 else chip
        return np.asarray(resize_image(scaled, self._size)[0])

    def infer(self, chip: np.ndarray) -> Any:
        return self._client.forward(chip)

    def postprocess(self, raw: Any) -> np.ndarray:
        return unit(np.asarray(raw))


def _client(name: str) -> Any:
    """DeepFace's client of the model, not initialised: its __init__ loads by itself, its forward takes any session."""
    from deepface.modules.modeling import AVAILABLE_MODELS

    sources = AVAILABLE_MODELS["facial_recognition"][name]
    module, _, client = (sources.get("onnx") or sources["any"]).rpartition(".")
    kind = getattr(import_module(module), client)
    return kind.__new__(kind)


def _chip(image: np.ndarray, face: Detection) -> np.ndarray:
    """The face turned by its eyes and cut at its box, (h, w, 3) uint8 BGR; black where the box reaches out of the image."""
    from deepface.models.Detector import FacialAreaRegion
    from deepface.modules.detection import extract_face

    x, y, width, height = (int(value) for value in face.box)
    left, top = max(0, x - width // 2), max(0, y - height // 2)  # extract_face looks half a box around, so no more is copied
    near = np.ascontiguousarray(image[top : max(0, y + height + height // 2), left : max(0, x + width + width // 2), ::-1])
    x, y = x - left, y - top
    border = max(0, -x, -y, x + width - near.shape[1], y + height - near.shape[0])  # it cuts the box at the image
    if not near.size:
        return near
    framed = cv2.copyMakeBorder(near, border, border, border, border, cv2.BORDER_CONSTANT)
    # DeepFace's left eye is the person's own, so at the right in the image
    eyes = face.landmarks[:2] - (left, top) + border
    area = FacialAreaRegion(x + border, y + border, width, height, left_eye=tuple(eyes[1]), right_eye=tuple(eyes[0]))
    return np.asarray(extract_face(area, framed, True, 0, border, border, detector_backend="skip").img)
