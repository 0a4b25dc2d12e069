"""Compares the two ways to run dlib's face recognition network. Run: python benchmarks/dlib_resnet.py FOLDER

FOLDER holds one folder a person with photos in it (LFW10 was used). Prints a markdown table: core-milliseconds a face of dlib's own
runner and of ONNX Runtime, one thread, one and five chips a call, taken in turns; and how far apart the vectors of both are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

from onscreen import weights
from onscreen.faces import detectors, embedders
from onscreen.faces.dlib_resnet import DlibResNet

_ROUNDS = 7
_PHOTOS = 20


def main(folder: Path) -> None:
    chips = faces(folder)
    path = weights.path_of("dlib_resnet", "dlib_face_recognition_resnet_model_v1.dat")
    ours, dlibs = DlibResNet(path), dlib.face_recognition_model_v1(str(path))
    expected = np.array([np.array(dlibs.compute_face_descriptor(chip)) for chip in chips])
    vectors = ours(chips)
    cosine = (vectors * expected).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)
    print(f"{len(chips)} faces: cosine distance at most {max(0.0, (1 - cosine).max()):.1e}, ", end="")
    print(f"values differ by at most {np.abs(vectors - expected).max():.1e}\n")
    print("| chips a call | dlib, core-ms a face | ONNX Runtime | dlib / ONNX Runtime |\n|---|---|---|---|")
    for count in (1, 5):
        batch = chips[:count]
        singly = list(batch)  # what dlib takes
        times = [(_core_ms(dlibs.compute_face_descriptor, singly), _core_ms(ours, batch)) for _ in range(_ROUNDS)]
        slow, fast = np.median(times, axis=0) / count
        print(f"| {count} | {slow:.1f} | {fast:.2f} | {slow / fast:.1f} |")


def faces(folder: Path) -> np.ndarray:
    """(N, 150, 150, 3) uint8 RGB: dlib's chips of the faces of the first photos of all people in turn."""
    models = [*detectors.WEIGHTS["mediapipe"], *embedders.WEIGHTS["Dlib"]]
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    detect, embedder = detectors.create("mediapipe", files), embedders.create("Dlib", files)
    people = [sorted(person.glob("*.jpg")) for person in sorted(folder.iterdir()) if person.is_dir()]
    photos = [photo for turn in zip(*people, strict=False) for photo in turn][:_PHOTOS]
    images = [np.ascontiguousarray(cv2.imread(str(photo))[..., ::-1]) for photo in photos]
    chips = np.array([embedder.preprocess(image, face) for image in images for face in detect(image)])
    detect.close()
    return chips


def _core_ms(network: Callable[[Any], object], chips: object) -> float:
    start = time.process_time()
    network(chips)
    return (time.process_time() - start) * 1e3


if __name__ == "__main__":
    main(Path(sys.argv[1]))
