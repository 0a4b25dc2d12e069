"""133 points by an ONNX whole-body model with SimCC outputs (RTMW, RTMPose, DWPose), in the box of a body that MediaPipe follows.

The model sees the body's box, widened by a quarter, in its own shape. It gives for each point one row of values along x and one
along y, `SPLIT` values a pixel of its input; a point lies at the two maxima, and the lower of them is its confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import WeightsError
from onscreen.motion import keypoints
from onscreen.motion.main_dancer import MainDancer
from onscreen.motion.mediapipe_poses import BodyEstimator, open_body
from onscreen.motion.precomputed import face_box
from onscreen.motion.seen import Seen

MODEL_FILE = "rtmw.onnx"
SPLIT = 2  # simcc_split_ratio of the published models
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # ImageNet's, RGB 0-255, as the models were trained
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_PADDING = 1.25  # of the box, as the models were trained
_BEYOND = 0.05  # of the body's extent: hair, fingers and soles lie beyond MediaPipe's points


class WholeBody:
    """A SimCC model. Its input's height and width are read from the file."""

    def __init__(self, model: Path) -> None:
        """Raises WeightsError when the file is no ONNX model, or one with other inputs and outputs."""
        self._session = _open(model)
        self.height, self.width = _input_size(self._session, model.name)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        """(133, 3) x px, y px, confidence of the person in the box (x, y, width, height px) of an RGB (H, W, 3) uint8 picture."""
        blob, to_image = self.preprocess(image, box)
        return self.postprocess(self.infer(blob), to_image)

    def preprocess(self, image: np.ndarray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
        """(1, 3, height, width) float32: the widened box in the model's own shape, black beyond the picture; and the (2, 3) map back."""
        import cv2

        x, y, width, height = box
        scale = max(width / self.width, height / self.height) * _PADDING  # px of the picture a px of the input
        corner = np.array([x + width / 2, y + height / 2]) - scale * np.array([self.width, self.height]) / 2
        to_image = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        region = cv2.warpAffine(image, to_image, (self.width, self.height), flags=flags)
        return ((region - _MEAN) / _STD).astype(np.float32).transpose(2, 0, 1)[None], to_image

    def infer(self, blob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(133, 2 x width) and (133, 2 x height): the values along x and along y."""
        along_x, along_y = self._session.run(None, {self._input: blob})[:2]
        return along_x[0], along_y[0]

    def postprocess(self, raw: tuple[np.ndarray, np.ndarray], to_image: np.ndarray) -> np.ndarray:
        """(133, 3) px of the picture and confidence in [0, 1]; 0, 0, 0 for a point without a maximum above 0."""
        along_x, along_y = raw
        places = np.stack([along_x.argmax(axis=1), along_y.argmax(axis=1)], axis=1) / SPLIT
        confidence = np.clip(np.minimum(along_x.max(axis=1), along_y.max(axis=1)), 0, 1)
        points = np.column_stack([places @ to_image[:, :2].T + to_image[:, 2], confidence])
        return np.where(confidence[:, None] > 0, points, 0).astype(np.float32)


class RtmwPoses:
    """The whole body of one dancer. Use it through open_poses."""

    def __init__(self, body: BodyEstimator, whole: WholeBody) -> None:
        self._body, self._whole = body, whole
        self._dancer = MainDancer()

    def __call__(self, image: np.ndarray, time_s: float) -> Seen:
        """All 134 points of the dancer in an RGB uint8 picture. time_s must grow."""
        bodies = [keypoints.assemble(body) for body in self._body.bodies(image, time_s)]
        chosen = self._dancer.choose(bodies, image, time_s)
        if chosen is None:
            return Seen(keypoints.assemble(None), None, 0.0, len(bodies))
        height, width = image.shape[:2]
        found = self._whole(image, box_of(bodies[chosen]))
        points = keypoints.drop_outside(keypoints.from_coco_wholebody(found), width, height)
        box, score = face_box(points)
        return Seen(points, box, score, len(bodies), self._dancer.person)

    def restart(self) -> None:
        """A new shot begins."""
        self._body.restart()
        self._dancer = MainDancer()


def box_of(body: np.ndarray) -> tuple[float, float, float, float]:
    """x, y, width, height px around the seen points of a body (134, 3)."""
    seen = body[body[:, 2] > 0, :2]
    low, high = seen.min(axis=0), seen.max(axis=0)
    beyond = _BEYOND * float((high - low).max())
    low, size = low - beyond, high - low + 2 * beyond
    return float(low[0]), float(low[1]), float(size[0]), float(size[1])


@contextmanager
def open_rtmw(files: Mapping[str, Path], *, people: int = 1) -> Iterator[RtmwPoses]:
    """Load the body's model and the whole-body model. people: how many may be in a picture. Raises WeightsError."""
    whole = WholeBody(files[MODEL_FILE])
    with open_body(files, video=True, people=people) as body:
        yield RtmwPoses(body, whole)


def _open(model: Path) -> Any:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NotThere

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the engine runs a process a core
    options.log_severity_level = 3
    offered = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in offered]
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=providers)
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotThere) as error:
        raise WeightsError(f"ONNX Runtime cannot load {model.name}: {error}") from error


def _input_size(session: Any, name: str) -> tuple[int, int]:
    """Height and width of the input. Raises WeightsError unless the model takes a picture and gives 133 SimCC points of that size."""
    takes, gives = [one.shape for one in session.get_inputs()], [one.shape for one in session.get_outputs()]
    wrong = f"{name} takes {takes} and gives {gives}, not a picture and {{}}"
    if len(takes) != 1 or len(takes[0]) != 4 or takes[0][1] != 3 or not all(isinstance(size, int) for size in takes[0][2:]):
        raise WeightsError(wrong.format("133 points along x and y"))
    height, width = takes[0][2:]
    wanted = [(133, SPLIT * width), (133, SPLIT * height)]
    fits = len(gives) >= 2 and all(
        len(shape) == 3 and all(not isinstance(size, int) or size == want for size, want in zip(shape[1:], sizes, strict=True))
        for shape, sizes in zip(gives, wanted, strict=False)
    )
    if not fits:
        raise WeightsError(wrong.format(f"133 rows of {wanted[0][1]} and of {wanted[1][1]} values"))
    return height, width
