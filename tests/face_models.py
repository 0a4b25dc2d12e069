"""Hand-made model files of face detectors, small and of the right shapes, for the code that loads the real ones.

Each is a detector of red: where the picture shows a patch of pure red (255, 0, 0), the model reports a face with a given score,
box and eyes, in the form that the published file has. So a test knows what must come out, and colours in the wrong order, a
missing mean or a wrong scale show.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_STRIDES = (8, 16, 32)
_STRONG = 10.0  # edges of a patch that were mixed with their surroundings still count


def write_scrfd(path: Path, score: float, box: tuple[float, ...], points: tuple[float, ...]) -> Path:
    """As det_10g.onnx: nine outputs, two anchors a place; it fires at stride 8.

    box: pixels (of the 640 x 640 input) from the place to the left, top, right and bottom edge. points: x, y of five points from
    the place. Input: RGB, (0-255 - 127.5) / 128.
    """
    parts = _Parts("input.1", [1, 3, "height", "width"])
    for name, outputs in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in _STRIDES:
            share = score if stride == 8 else 0.0
            if name == "score":
                found = parts.red(stride, [1.0, -1.0, -1.0], -2.0, [share, 0.0])
            else:
                found = parts.constant(stride, [value / stride for value in (box if name == "bbox" else points)] * 2)
            parts.rows(found, f"{name}_{stride}", [-1, outputs], [f"n{stride}", outputs])
    return parts.save(path)


def write_yunet(path: Path, score: float, box: tuple[float, ...], points: tuple[float, ...]) -> Path:
    """As face_detection_yunet_2023mar.onnx: twelve outputs by name; it fires at stride 8.

    box: x and y of the middle from the place, width, height, pixels. points: x, y of five points from the place. Input: BGR, 0-255.
    """
    parts = _Parts("input", [1, 3, 640, 640])
    left, top, width, height = (value / 8 for value in box)
    decoded = [left, top, np.log(width), np.log(height)]
    for stride in _STRIDES:
        cells = (640 // stride) ** 2
        found = parts.red(stride, [-1 / 255, -1 / 255, 1 / 255], -0.67, [1.0])
        parts.rows(found, f"cls_{stride}", [1, -1, 1], [1, cells, 1])
        parts.rows(
            parts.constant(stride, [score**2 if stride == 8 else 0.0]), f"obj_{stride}", [1, -1, 1], [1, cells, 1]
        )  # the score is the root of cls x obj
        parts.rows(parts.constant(stride, decoded), f"bbox_{stride}", [1, -1, 4], [1, cells, 4])
        parts.rows(parts.constant(stride, [value / 8 for value in points]), f"kps_{stride}", [1, -1, 10], [1, cells, 10])
    return parts.save(path)


class _Parts:
    """An ONNX graph in the making: convolutions with a stride, brought into rows."""

    def __init__(self, name: str, shape: list[int | str]) -> None:
        self._input = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        self._nodes: list[onnx.NodeProto] = []
        self._values: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def red(self, stride: int, weights: list[float], bias: float, gains: list[float]) -> str:
        """A map for each gain: gain where the place's first pixel is red, else 0. weights, bias: > 0 for red alone."""
        kernel = np.array(weights, np.float32).reshape(1, 3, 1, 1) * _STRONG
        raw = self._convolve(self._input.name, kernel, np.array([bias * _STRONG], np.float32), stride)
        clipped = self._node("Clip", [raw, self._value(np.float32(0)), self._value(np.float32(1))])
        gain = np.array(gains, np.float32).reshape(-1, 1, 1, 1)
        return self._convolve(clipped, gain, np.zeros(len(gains), np.float32), 1)

    def constant(self, stride: int, values: list[float]) -> str:
        """A map for each value, of that value everywhere."""
        kernel = np.zeros((len(values), 3, 1, 1), np.float32)
        return self._convolve(self._input.name, kernel, np.array(values, np.float32), stride)

    def rows(self, maps: str, name: str, shape: list[int], declared: list[int | str]) -> None:
        """An output: one row a place and anchor."""
        turned = self._node("Transpose", [maps], perm=[0, 2, 3, 1])
        self._nodes.append(helper.make_node("Reshape", [turned, self._value(np.array(shape, np.int64))], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, declared))

    def save(self, path: Path) -> Path:
        graph = helper.make_graph(self._nodes, "faces", [self._input], self._outputs, self._values)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7), path)
        return path

    def _convolve(self, source: str, kernel: np.ndarray, bias: np.ndarray, stride: int) -> str:
        inputs = [source, self._value(kernel), self._value(bias)]
        return self._node("Conv", inputs, kernel_shape=[1, 1], strides=[stride, stride])

    def _value(self, value: np.ndarray | np.generic) -> str:
        self._values.append(numpy_helper.from_array(np.asarray(value), f"value_{len(self._values)}"))
        return self._values[-1].name

    def _node(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"node_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


_SSD = """
input: "data"
input_shape { dim: 1 dim: 3 dim: 300 dim: 300 }
layer { name: "conf" type: "Convolution" bottom: "data" top: "conf" convolution_param { num_output: 2 kernel_size: 30 stride: 30 } }
layer { name: "conf_last" type: "Permute" bottom: "conf" top: "conf_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf_rows" type: "Reshape" bottom: "conf_last" top: "conf_rows" reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "conf_share" type: "Softmax" bottom: "conf_rows" top: "conf_share" softmax_param { axis: 2 } }
layer { name: "conf_flat" type: "Flatten" bottom: "conf_share" top: "conf_flat" flatten_param { axis: 1 } }
layer { name: "loc" type: "Convolution" bottom: "data" top: "loc" convolution_param { num_output: 4 kernel_size: 30 stride: 30 } }
layer { name: "loc_last" type: "Permute" bottom: "loc" top: "loc_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc_flat" type: "Flatten" bottom: "loc_last" top: "loc_flat" flatten_param { axis: 1 } }
layer { name: "prior" type: "PriorBox" bottom: "conf" bottom: "data" top: "prior" prior_box_param {
  min_size: 60 clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: 30 offset: 0.5 } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "loc_flat" bottom: "conf_flat" bottom: "prior" top: "detection_out"
  detection_output_param { num_classes: 2 share_location: true background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 400 }
  code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01 } }
"""


def write_ssd(folder: Path, score: float, box: tuple[float, ...]) -> dict[str, Path]:
    """As res10_300x300: a Caffe network that ends in DetectionOutput; a place is a cell of 30 x 30 pixels of its input.

    box: x and y of the middle from the cell's, width, height, pixels of the 300 x 300 input. Input: BGR minus (104, 177, 123).
    """
    # The face's logit: that of `score` where a cell is red all over (its B, G, R sum to 255 + 158 after the mean), -6 on black.
    slope = (np.log(score / (1 - score)) + 6) / 255
    weights = np.zeros((2, 3, 30, 30), np.float32)
    weights[1] = np.array([-1, -1, 1], np.float32)[:, None, None] * slope / 900
    x, y, width, height = box
    location = np.array([x / 60 / 0.1, y / 60 / 0.1, np.log(width / 60) / 0.2, np.log(height / 60) / 0.2], np.float32)
    bias = np.array([0, -6 - 158 * slope], np.float32)
    layers = [("conf", [weights, bias]), ("loc", [np.zeros((4, 3, 30, 30), np.float32), location])]
    paths = {name: folder / name for name in ("deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel")}
    paths["deploy.prototxt"].write_text(_SSD, encoding="utf-8")
    paths["res10_300x300_ssd_iter_140000.caffemodel"].write_bytes(b"".join(_caffe_layer(*layer) for layer in layers))
    return paths


def _caffe_layer(name: str, blobs: Iterable[np.ndarray]) -> bytes:
    """NetParameter.layer (100) of caffe.proto: name (1), type (2), blobs (7), each of shape (7) and data (5)."""
    fields = [_field(1, name.encode()), _field(2, b"Convolution")]
    for blob in blobs:
        shape = _field(1, b"".join(map(_varint, blob.shape)))
        fields.append(_field(7, _field(7, shape) + _field(5, struct.pack(f"<{blob.size}f", *blob.ravel()))))
    return _field(100, b"".join(fields))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf's wire format."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
