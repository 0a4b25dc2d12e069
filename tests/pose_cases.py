"""Bodies, a whole-body model and files of keypoints, made by the tests that read them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onscreen.motion.keypoints import INDEX, N_POINTS

# What each of iBUG's 68 points becomes when the picture is mirrored.
IBUG_MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
]
# Of a person facing the camera, 1 high, feet at (0, 0): x to the right of the picture, y down.
_FRONT = {
    **{"nose": (0, -0.93), "neck": (0, -0.82), "right_eye": (-0.02, -0.95), "left_eye": (0.02, -0.95)},
    **{"right_ear": (-0.04, -0.94), "left_ear": (0.04, -0.94), "right_shoulder": (-0.12, -0.82), "left_shoulder": (0.12, -0.82)},
    **{"right_elbow": (-0.16, -0.65), "left_elbow": (0.16, -0.65), "right_wrist": (-0.18, -0.5), "left_wrist": (0.18, -0.5)},
    **{"right_hip": (-0.08, -0.52), "left_hip": (0.08, -0.52), "right_knee": (-0.09, -0.27), "left_knee": (0.09, -0.27)},
    **{"right_ankle": (-0.09, -0.03), "left_ankle": (0.09, -0.03)},
}


def standing(x: float, y: float, height: float, confidence: float = 0.9) -> np.ndarray:
    """(134, 3) a person whose feet are at x, y px; face and hands are not seen."""
    points = np.zeros((N_POINTS, 3), np.float32)
    for name, (across, down) in _FRONT.items():
        points[INDEX[name]] = [x + across * height, y + down * height, confidence]
    return points


def stage(*people: tuple[np.ndarray, tuple[int, int, int]], size: tuple[int, int] = (360, 640)) -> np.ndarray:
    """A grey picture, height x width, in which each person's torso and thighs have one colour; later ones hide earlier ones."""
    import cv2

    image = np.full((*size, 3), 90, np.uint8)
    for points, colour in people:
        corners = ("right_shoulder", "left_shoulder", "left_hip", "left_knee", "right_knee", "right_hip")
        outline = np.array([points[INDEX[name], :2] for name in corners])
        cv2.fillConvexPoly(image, cv2.convexHull(outline.astype(np.int32)), colour)
    return image


def spot_finder(path: Path, width: int = 192, height: int = 256, points: int = 133) -> Path:
    """An ONNX model with RTMW's inputs and outputs: its points lie, by turns, at the brightest red, green and blue pixel.

    Confidence is 0.3 x the brightness after normalisation.
    """
    double = {"x": width, "y": height}
    nodes, outputs, constants = [], [], [numpy_helper.from_array(np.array([0.3], np.float32), "scale")]
    constants.append(numpy_helper.from_array(np.arange(points) % 3, "channels"))
    for axis, drop in (("x", 2), ("y", 3)):
        shape = np.array([1, 3, 2 * double[axis]])
        constants += [
            numpy_helper.from_array(np.array([drop]), f"drop_{axis}"),
            numpy_helper.from_array(np.array([3]), f"end_{axis}"),
            numpy_helper.from_array(np.array([1, 1, 1, 2]), f"twice_{axis}"),
            numpy_helper.from_array(shape, f"shape_{axis}"),
        ]
        nodes += [
            helper.make_node("ReduceMax", ["input", f"drop_{axis}"], [f"line_{axis}"], keepdims=0),
            helper.make_node("Unsqueeze", [f"line_{axis}", f"end_{axis}"], [f"pairs_{axis}"]),
            helper.make_node("Tile", [f"pairs_{axis}", f"twice_{axis}"], [f"tiled_{axis}"]),
            helper.make_node("Reshape", [f"tiled_{axis}", f"shape_{axis}"], [f"long_{axis}"]),
            helper.make_node("Gather", [f"long_{axis}", "channels"], [f"rows_{axis}"], axis=1),
            helper.make_node("Mul", [f"rows_{axis}", "scale"], [f"simcc_{axis}"]),
        ]
        outputs.append(helper.make_tensor_value_info(f"simcc_{axis}", TensorProto.FLOAT, ["N", points, 2 * double[axis]]))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, height, width])
    graph = helper.make_graph(nodes, "spots", [picture], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path
