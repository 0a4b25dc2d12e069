"""ArcFace models of InsightFace's packs, run by InsightFace's own code on a session that is opened here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.faces.detectors import Detection
from onscreen.faces.onnx_session import open_session
from onscreen.faces.vectors import unit

FILES = {"buffalo_l": "w600k_r50.onnx", "buffalo_s": "w600k_mbf.onnx"}
_SIDE_PX = 112


class InsightFace:
    """The recognition model of a pack, 512 values. Raises WeightsError when its file cannot be loaded or takes something else."""

    dim = 512

    def __init__(self, name: str, files: Mapping[str, Path]) -> None:
        from insightface.model_zoo.arcface_onnx import ArcFaceONNX

        path = files[FILES[name]]
        session = open_session(path, (3, _SIDE_PX, _SIDE_PX), self.dim)
        self._model = ArcFaceONNX(str(path), session)

    def preprocess(self, image: np.ndarray, face: Detection) -> np.ndarray:
        """(112, 112, 3) uint8 BGR, InsightFace's colours: the five landmarks on ArcFace's template, by a similarity transform."""
        from insightface.utils.face_align import norm_crop

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it calls scikit-image by a name that is going away
            chip = norm_crop(image, face.landmarks, _SIDE_PX)
        return np.ascontiguousarray(chip[..., ::-1])

    def infer(self, chip: np.ndarray) -> Any:
        return self._model.get_feat(chip)[0]

    def postprocess(self, raw: Any) -> np.ndarray:
        return unit(raw)
