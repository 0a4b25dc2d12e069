"""InsightFace's face detectors, SCRFD, without its FaceAnalysis: that one would also look for landmarks, age and gender.

InsightFace names them by the pack they come in (`buffalo_l`, `buffalo_s`); its `get_model` makes an SCRFD of every ONNX file with
five outputs or more. These have nine: score, box and five points at strides 8, 16 and 32. Its RetinaFace class is for older files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.faces.backends.candidates import FLOOR, Candidate

_INPUT = (640, 640)  # what the published accuracy was measured at; the image is fitted into it, smaller ones are enlarged


class Scrfd:
    """Probability: the model's own. file: which of `files`, det_10g.onnx (buffalo_l) or det_500m.onnx (buffalo_s); both are there
    when the embedder comes from the other pack."""

    def __init__(self, files: Mapping[str, Path], file: str) -> None:
        from insightface.model_zoo import get_model

        self._model: Any = get_model(str(files[file]), sess_options=_one_thread(), providers=_providers())

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[..., ::-1])

    def infer(self, prepared: np.ndarray) -> Any:
        return self._model.detect(prepared, input_size=_INPUT, det_thresh=FLOOR)

    def postprocess(self, raw: Any) -> list[Candidate]:
        """raw: (N, 5) left, top, right, bottom, score; (N, 5, 2) points, pairs from left to right in the image."""
        boxes, points = (np.asarray(part).tolist() for part in raw)
        return [
            Candidate((left, top, right - left, bottom - top), score, (tuple(eyes[0]), tuple(eyes[1])))
            for (left, top, right, bottom, score), eyes in zip(boxes, points, strict=True)
        ]

    def close(self) -> None:
        self._model = None


def _one_thread() -> Any:
    from onnxruntime import SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return options


def _providers() -> list[str]:
    """The GPU where the installed ONNX Runtime has one."""
    from onnxruntime import get_available_providers

    return [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in get_available_providers()]
