"""dlib's face recognition network as its file holds it: layers with weights, read as data and never executed.

The format is dlib's serialisation: dlib/serialize.h (integers, numbers), dlib/cuda/tensor.h, dlib/dnn/core.h (the order of layers)
and dlib/dnn/layers.h (what each layer writes); the network's type stands in tools/python/src/face_recognition.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onscreen.errors import WeightsError

SIDE_PX = 150  # of the chips that the network takes
DIM = 128

_BLOCK = ("tag1", "con", "affine", "relu", "con", "affine")
_SAME = (*_BLOCK, "add_prev1", "relu")
_DOWN = (*_BLOCK, "tag2", "skip1", "avg_pool", "add_prev2", "relu")
_LAYERS = (
    *("con", "affine", "relu", "max_pool"),
    *(_SAME * 3),  # 32 channels
    *(_DOWN + _SAME * 3),  # 64
    *(_DOWN + _SAME * 2),  # 128
    *(_DOWN + _SAME * 2),  # 256
    *_DOWN,
    *("avg_pool", "fc"),
)
"""The network from the input on. The file does not name tags and skips, so the order is part of its format."""


@dataclass(frozen=True)
class Layer:
    """One step of the network. weights: con (out, in, height, width), affine and its bias (channels,), fc (in, out).

    window, stride, padding: height and width; a window of 0 takes everything.
    """

    kind: str
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Network:
    """What the file holds. average: of red, green and blue, taken off before the division by 256. layers: from the input on."""

    average: tuple[float, float, float]
    layers: tuple[Layer, ...]


def read_network(path: Path) -> Network:
    """The network of a dlib file. Raises WeightsError naming the byte at which it is something else."""
    reader = _Reader(path.read_bytes())
    try:
        network = _network(reader)
        reader.expect(reader.at == len(reader.data), "the end of the file")
    except (ValueError, OverflowError) as error:
        raise WeightsError(f"{path} is not dlib's face recognition network (at byte {reader.at}: {error})") from error
    return network


class _Reader:
    """dlib's serialisation: integers and numbers of variable length, texts, float32 tensors. ValueError where it is not that."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(f"expected {what}")

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        self.expect(len(part) == size, f"{size} more bytes")
        self.at += size
        return part

    def integer(self) -> int:
        """A control byte (sign, number of bytes), then the absolute value, little endian."""
        control = self.take(1)[0]
        self.expect(control & 0x70 == 0 and 1 <= control & 0x0F <= 8, "an integer")
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def number(self) -> float:
        """Mantissa and exponent of two. Infinities and NaN (exponents from 32000) are refused: no weight is one."""
        mantissa, exponent = self.integer(), self.integer()
        self.expect(exponent < 32000, "a finite number")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        size = self.integer()
        self.expect(0 <= size <= 64, "the name of a layer")
        return self.take(size).decode("ascii")

    def flag(self) -> bool:
        value = self.take(1)
        self.expect(value in (b"0", b"1"), "a flag")
        return value == b"1"

    def one_of(self, *allowed: int) -> int:
        value = self.integer()
        self.expect(value in allowed, f"version {' or '.join(map(str, allowed))}, not {value}")
        return value

    def named(self, *allowed: str) -> str:
        name = self.text()
        self.expect(name in allowed, f"{' or '.join(allowed)}, not {name}")
        return name

    def pair(self) -> tuple[int, int]:
        return self.integer(), self.integer()

    def shape(self) -> tuple[int, ...]:
        dims = tuple(self.integer() for _ in range(4))
        self.expect(all(dim >= 0 for dim in dims) and math.prod(dims) * 4 <= len(self.data), "a tensor's shape")
        return dims

    def tensor(self) -> np.ndarray:
        self.one_of(2)
        dims = self.shape()
        values = np.frombuffer(self.take(4 * math.prod(dims)), "<f4").reshape(dims)
        self.expect(bool(np.isfinite(values).all()), "finite weights")
        return values

    def alias(self) -> tuple[int, ...]:
        """The shape of a part of a tensor."""
        self.one_of(1)
        return self.shape()

    def skip_numbers(self, count: int) -> None:
        """Learning rates and the like."""
        for _ in range(count):
            self.number()


def _network(reader: _Reader) -> Network:
    """Versions from the output in, the input layer, then each layer's contents from the input out."""
    reader.one_of(1)
    if reader.named("loss_metric_", "loss_metric_2") == "loss_metric_2":
        reader.skip_numbers(2)
    kinds = _LAYERS[::-1]
    versions = [reader.one_of(1) if _is_mark(kind) else reader.one_of(1, 2) for kind in kinds[:-1]]
    first = reader.one_of(2, 3)
    reader.named("input_rgb_image_sized")
    average = (reader.number(), reader.number(), reader.number())
    height, width = reader.pair()
    reader.expect(height == width == SIDE_PX, f"an input of {SIDE_PX} x {SIDE_PX}")
    layers = [_layer(reader, "con")]
    _training_state(reader, tensors=3)
    if first == 3:
        reader.integer()  # samples that one image expands to
    for kind, version in zip(_LAYERS[1:], versions[::-1], strict=True):
        layers.append(_layer(reader, kind))
        if not _is_mark(kind):
            _training_state(reader, tensors=3 if version == 2 else 2)
    return Network(average, tuple(layers))


def _is_mark(kind: str) -> bool:
    """Tags and skips compute nothing and hold nothing."""
    return kind.startswith(("tag", "skip"))


def _training_state(reader: _Reader, tensors: int) -> None:
    """What dlib keeps after each layer: three flags, gradients, the last output. Of no use here."""
    for _ in range(3):
        reader.flag()
    for _ in range(tensors):
        reader.tensor()


def _layer(reader: _Reader, kind: str) -> Layer:
    readers: dict[str, Callable[[_Reader], Layer]] = {"con": _con, "affine": _affine, "relu": _relu, "fc": _fc}
    if _is_mark(kind):
        return Layer(kind)
    if kind in readers:
        return readers[kind](reader)
    if kind.endswith("_pool"):
        reader.named(f"{kind}_2")
        return Layer(kind, window=reader.pair(), stride=reader.pair(), padding=reader.pair())
    reader.named("add_prev_")
    return Layer(kind)


def _relu(reader: _Reader) -> Layer:
    if reader.named("relu_", "relu_2") == "relu_2":
        reader.expect(not reader.flag(), "an enabled relu")
    return Layer("relu")


def _con(reader: _Reader) -> Layer:
    version = reader.named("con_4", "con_5", "con_6")
    params = reader.tensor().ravel()
    count, window, stride, padding = reader.integer(), reader.pair(), reader.pair(), reader.pair()
    filters, bias = reader.alias(), reader.alias()
    reader.skip_numbers(4)
    used = reader.flag() if version != "con_4" else True
    relu = reader.flag() if version == "con_6" else False
    reader.expect(filters[0] == count and filters[2:] == window and math.prod(bias) == count and not relu, "matching filters")
    split = math.prod(filters)
    reader.expect(params.size == split + (count if used else 0), "as many weights as the filters have")
    return Layer(
        "con", params[:split].reshape(filters), params[split:] if used else np.zeros(count, "f4"), window, stride, padding
    )


def _affine(reader: _Reader) -> Layer:
    version = reader.named("affine_", "affine_2")
    params = reader.tensor().ravel()
    gamma, beta = math.prod(reader.alias()), math.prod(reader.alias())
    mode = reader.integer()
    disabled = reader.flag() if version == "affine_2" else False
    reader.expect(mode == 0 and not disabled and gamma == beta == params.size / 2, "an affine layer with a pair for each channel")
    return Layer("affine", params[:gamma], params[gamma:])


def _fc(reader: _Reader) -> Layer:
    version = reader.named("fc_2", "fc_3")
    outputs, inputs = reader.integer(), reader.integer()
    params = reader.tensor()
    reader.alias(), reader.alias()
    bias = reader.integer()
    reader.skip_numbers(4)
    if version == "fc_3":
        reader.flag()
    reader.expect(params.size == outputs * inputs and outputs == DIM and bias == 1, f"a layer to {DIM} values without a bias")
    return Layer("fc", params.reshape(inputs, outputs))
