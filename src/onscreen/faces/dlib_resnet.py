"""dlib's face recognition network (ResNet, 128 values) on ONNX Runtime.

dlib's Python wheel is built without a fast BLAS, and its network was most of the pipeline's time. The weights and the arithmetic
are dlib's, so that its vectors, thresholds and calibration stand (benchmarks/dlib_resnet.py compares both).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import WeightsError
from onscreen.faces.dlib_file import DIM, SIDE_PX, Layer, Network, read_network
from onscreen.faces.onnx_session import open_session

_OPSET = 17

Shape = tuple[int, int, int]


class DlibResNet:
    """The network, ready to run. Raises WeightsError when the file is not dlib's face recognition network."""

    def __init__(self, path: Path) -> None:
        try:
            self._session = open_session(_graph(read_network(path)), (SIDE_PX, SIDE_PX, 3), DIM)
        except ValueError as error:
            raise WeightsError(f"{path} is not dlib's face recognition network: {error}") from error

    def __call__(self, chips: np.ndarray) -> np.ndarray:
        """chips: (N, 150, 150, 3) uint8 RGB, as dlib.get_face_chip makes them. Returns (N, 128) float32, not normalised."""
        return np.asarray(self._session.run(None, {"chips": chips})[0])


def _graph(network: Network) -> bytes:
    """An ONNX model: chips (N, 150, 150, 3) uint8 RGB in, vectors (N, 128) float32 out. ValueError where shapes do not fit."""
    from onnx import TensorProto, helper

    build = _Builder()
    build.normalise(network.average)
    for layer in network.layers:
        build.layer(layer)
    inputs = [helper.make_tensor_value_info("chips", TensorProto.UINT8, ["N", SIDE_PX, SIDE_PX, 3])]
    outputs = [helper.make_tensor_value_info(build.last, TensorProto.FLOAT, ["N", DIM])]
    graph = helper.make_graph(build.nodes, "dlib_resnet", inputs, outputs, build.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    return bytes(model.SerializeToString())


class _Builder:
    """The nodes of an ONNX graph as the layers come. shape: channels, height, width of the last output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.last = "chips"
        self.shape: Shape = (3, SIDE_PX, SIDE_PX)
        self._marks: dict[str, tuple[str, Shape]] = {}

    def normalise(self, average: tuple[float, float, float]) -> None:
        """(value - average) / 256, and from pixels to planes."""
        self._add("Cast", self.last, to=1)
        self._add("Transpose", self.last, perm=[0, 3, 1, 2])
        self._add("Sub", self.last, np.array(average, np.float32).reshape(3, 1, 1))
        self._add("Mul", self.last, np.array(1 / 256, np.float32))

    def layer(self, layer: Layer) -> None:
        """Add what the layer computes."""
        if layer.kind.startswith("tag"):
            self._marks[layer.kind[-1]] = (self.last, self.shape)
        elif layer.kind.startswith("skip"):
            self.last, self.shape = self._marks[layer.kind[-1]]
        elif layer.kind.startswith("add_prev"):
            self._add_prev(*self._marks[layer.kind[-1]])
        else:
            {"con": self._con, "affine": self._affine, "relu": self._relu, "fc": self._fc}.get(layer.kind, self._pool)(layer)

    def _con(self, layer: Layer) -> None:
        """Correlation, as in ONNX. dlib pads both sides alike."""
        filters, bias = _filled(layer)
        if filters.shape[1] != self.shape[0]:
            raise ValueError(f"filters for {filters.shape[1]} channels where there are {self.shape[0]}")
        (top, left), strides = layer.padding, list(layer.stride)
        self._add("Conv", self.last, filters, bias, strides=strides, pads=[top, left, top, left])
        self.shape = (len(filters), *_windows(self.shape, layer))

    def _affine(self, layer: Layer) -> None:
        """channel x weight + bias; ONNX Runtime folds it into the convolution before it."""
        gamma, beta = _filled(layer)
        if len(gamma) != self.shape[0]:
            raise ValueError(f"an affine layer for {len(gamma)} channels where there are {self.shape[0]}")
        zeros = np.zeros_like(gamma)
        self._add("BatchNormalization", self.last, gamma, beta, zeros, np.ones_like(gamma), epsilon=0.0)

    def _relu(self, layer: Layer) -> None:
        self._add("Relu", self.last)

    def _pool(self, layer: Layer) -> None:
        """Windows that do not fit are left out, in dlib as in ONNX; a window of 0 is the whole plane."""
        if layer.window == (0, 0):
            self._add("GlobalAveragePool", self.last)
            self.shape = (self.shape[0], 1, 1)
            return
        if layer.padding != (0, 0):
            raise ValueError("pooling with padding, which dlib's face recognition network has not")
        operator = "MaxPool" if layer.kind == "max_pool" else "AveragePool"
        self._add(operator, self.last, kernel_shape=list(layer.window), strides=list(layer.stride))
        self.shape = (self.shape[0], *_windows(self.shape, layer))

    def _add_prev(self, other: str, shape: Shape) -> None:
        """The sum with a tagged output. dlib fills the smaller of both with zeros: channels behind, rows below, columns right."""
        full: Shape = (max(self.shape[0], shape[0]), max(self.shape[1], shape[1]), max(self.shape[2], shape[2]))
        last = self._filled_up(self.last, self.shape, full)
        self._add("Add", last, self._filled_up(other, shape, full))
        self.shape = full

    def _filled_up(self, name: str, shape: Shape, full: Shape) -> str:
        if shape == full:
            return name
        missing = [want - have for want, have in zip(full, shape, strict=True)]
        return self._add("Pad", name, np.array([0, 0, 0, 0, 0, *missing], np.int64))

    def _fc(self, layer: Layer) -> None:
        matrix = _filled(layer)[0]
        if matrix.shape[0] != self.shape[0] * self.shape[1] * self.shape[2]:
            raise ValueError(f"a fully connected layer for {matrix.shape[0]} values where there are {self.shape}")
        self._add("Flatten", self.last)
        self._add("MatMul", self.last, matrix)
        self.shape = (matrix.shape[1], 1, 1)

    def _add(self, operator: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        """One more node; arrays become weights. Returns the name of its output, which is now the last."""
        from onnx import helper

        names = [name if isinstance(name, str) else self._weight(name) for name in inputs]
        self.last = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [self.last], **attributes))
        return self.last

    def _weight(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _filled(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias; zeros for a bias that a layer does not have."""
    if layer.weights is None:
        raise ValueError(f"{layer.kind} without weights")
    return layer.weights, np.zeros(len(layer.weights), np.float32) if layer.bias is None else layer.bias


def _windows(shape: Shape, layer: Layer) -> tuple[int, int]:
    """How many windows fit, by row and column. ValueError when not one does."""
    sides = zip(shape[1:], layer.window, layer.stride, layer.padding, strict=True)
    height, width = ((side + 2 * padding - window) // stride + 1 for side, window, stride, padding in sides)
    if min(height, width) < 1:
        raise ValueError(f"a window of {layer.window} does not fit {shape}")
    return height, width
