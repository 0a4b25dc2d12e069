"""Stub models of face embedders: ONNX files that take and give what the real ones do, with weights made here."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from onscreen.faces import embedders_deepface, embedders_insightface

STUBBED = (*embedders_deepface.NETWORKS, *embedders_insightface.FILES)
GRID = 5  # the stubs see the mean colours of 5 x 5 fields


def stub(folder: Path, name: str, weights: np.ndarray | None = None) -> dict[str, Path]:
    """The files of an embedder. Its vector is linear in the mean colours of 5 x 5 fields of its input.

    weights: (75, dim) float32; rows: channel, row, column. Random ones when None.
    """
    file, sizes, dim = _shape(name)
    planes = sizes if sizes[0] == 3 else (3, *sizes[:2])
    nodes = [] if sizes[0] == 3 else [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])]
    window = [side // GRID for side in planes[1:]]
    rows = 3 * np.prod([(side - step) // step + 1 for side, step in zip(planes[1:], window, strict=True)])
    if weights is None:
        weights = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    nodes += [
        helper.make_node("AveragePool", ["image" if not nodes else "planes"], ["fields"], kernel_shape=window, strides=window),
        helper.make_node("Flatten", ["fields"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["vector"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N" if name != "SFace" else 1, *sizes])]
    outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", dim])]
    graph = helper.make_graph(nodes, "stub", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / file)
    return {file: folder / file}


def mean_colours(name: str) -> np.ndarray:
    """Weights with which the first three values of the vector are the mean of each channel, in the order of the model's input."""
    _, sizes, dim = _shape(name)
    planes = sizes[1:] if sizes[0] == 3 else sizes[:2]
    fields = np.prod([(side - side // GRID) // (side // GRID) + 1 for side in planes])
    weights = np.zeros((3 * fields, dim), np.float32)
    for channel in range(3):
        weights[channel * fields : (channel + 1) * fields, channel] = 1 / fields
    return weights


def _shape(name: str) -> tuple[str, tuple[int, int, int], int]:
    """File name, sizes of an image in the model's order (as DeepFace's and InsightFace's wrappers feed it), length of the vector."""
    if name in embedders_insightface.FILES:
        return embedders_insightface.FILES[name], (3, 112, 112), 512
    network = embedders_deepface.NETWORKS[name]
    planes_first = name == "SFace"
    sizes = (3, network.height, network.width) if planes_first else (network.height, network.width, 3)
    return network.file, sizes, network.dim
