"""Compares the face detectors on one machine in one run. Run: python benchmarks/detectors.py DATA [NAME ...]

DATA holds clips/ (videos of one person or more), faces/lfw10 (one person a photo) and faces/groups (photos with dlib's box files).
Prints a markdown table. Times are core-seconds of the detector with its landmarks, one thread. Three rows are slower ways that
ours stand in for: dlib's HOG on three channels, Haar from its smallest window on, two looks of the landmark model at every face;
with how far the points of the faces that both find lie apart. dlib_cnn takes minutes.
"""

from __future__ import annotations

import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from onscreen import weights
from onscreen.config import Faces
from onscreen.errors import OnscreenError
from onscreen.faces import detectors
from onscreen.faces.backends.candidates import Box, Eyes
from onscreen.faces.backends.dlib_detectors import DlibHog
from onscreen.faces.backends.opencv_detectors import OpenCvHaar
from onscreen.faces.detectors import Detection, Detector, overlap
from onscreen.faces.landmarks import FaceMesh, five_points
from onscreen.media.sampling import sample_frames

_SAME_PLACE = 0.3  # IoU from which a detection is the labelled face: the detectors' boxes differ in how much of a head they take
_SETTINGS = Faces()


class HogOnThreeChannels(DlibHog):
    """dlib's HOG on the RGB image."""

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image)


class HaarFromTheSmallest(OpenCvHaar):
    """The Haar cascade from its own window, 24 px, on."""

    def infer(self, prepared: np.ndarray) -> np.ndarray:
        return self._model.detectMultiScale(prepared, scaleFactor=1.1, minNeighbors=10)


class TwoLooks(FaceMesh):
    """The landmark model, twice at every face: upright, then turned by the eyes that it found."""

    def __call__(self, image: np.ndarray, box: Box, eyes: Eyes | None = None) -> tuple[np.ndarray, float]:
        left, right = five_points(self._look(image, box, 0.0)[0])[:2]
        return self._look(image, box, float(np.arctan2(*(right - left)[::-1])))


SLOWER = {
    "mediapipe": ("mediapipe, always two looks", None, TwoLooks),
    "dlib": ("dlib, three channels", HogOnThreeChannels, FaceMesh),
    "opencv": ("opencv, from 24 px", HaarFromTheSmallest, FaceMesh),
}


@dataclass(frozen=True)
class Data:
    """What the detectors look at. groups: photos with the boxes of their faces."""

    frames: dict[str, list[np.ndarray]]
    photos: list[np.ndarray]
    groups: list[tuple[np.ndarray, list[Box]]]


def main(folder: Path, names: list[str]) -> None:
    cv2.setNumThreads(1)
    clips = [path for path in sorted((folder / "clips").iterdir()) if path.suffix in (".mp4", ".mpg")]
    photos = [_read(path) for path in sorted((folder / "faces" / "lfw10").rglob("*.jpg"))]
    data = Data({path.name: _frames(path) for path in clips}, photos, list(_labelled(folder / "faces" / "groups")))
    print(f"| detector | clips with a face in all frames (of {len(clips)}) | in half of them ", end="")
    print(f"| photos of one person (of {len(photos)}) | group faces found ", end="")
    print(f"(of {sum(len(boxes) for _, boxes in data.groups)}) | false | s a frame, 512x512 | 1080x1920 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        try:
            detectors.require(name)
            files = _files(name)
        except OnscreenError as error:
            print(f"| {name} | not run: {str(error).splitlines()[0][:150]} | | | | | | |", flush=True)
            continue
        _compare(name, files, data)


def _files(name: str) -> dict[str, Path]:
    weights.ensure(detectors.WEIGHTS[name])
    return {file: weights.path_of(model, file) for model in detectors.WEIGHTS[name] for file in weights.model(model).files}


def _compare(name: str, files: dict[str, Path], data: Data) -> None:
    detect = detectors.create(name, files)
    print(f"| {name} | " + " | ".join(_row(detect, data)) + " |", flush=True)
    if name in SLOWER:
        label, backend, mesh = SLOWER[name]
        slower = Detector(backend(files) if backend else detect._backend, mesh(files["face_landmark.tflite"]))
        print(f"| {label} ({_apart(detect, slower, data)}) | " + " | ".join(_row(slower, data)) + " |", flush=True)
    detect.close()


def _apart(detect: Detector, slower: Detector, data: Data) -> str:
    """How far the five points lie apart, of the eyes' distance, where both find a face."""
    images = [image for images in data.frames.values() for image in images] + data.photos + [image for image, _ in data.groups]
    apart = []
    for image in images:
        others = _sure(slower, image)
        for face in _sure(detect, image):
            same = [other for other in others if overlap(face.box, other.box) > _SAME_PLACE]
            eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
            apart += [np.linalg.norm(face.landmarks - other.landmarks, axis=1).max() / eyes for other in same]
    median, most = np.quantile(apart, (0.5, 0.95))
    return f"points {median:.3f} of the eyes' distance apart, 95 % below {most:.3f}, {len(apart)} faces"


def _row(detect: Detector, data: Data) -> list[str]:
    shares = [np.mean([bool(_sure(detect, image)) for image in images]) for images in data.frames.values()]
    single = sum(bool(_sure(detect, image)) for image in data.photos)
    found, false = np.sum([_matches(_sure(detect, image), boxes) for image, boxes in data.groups], axis=0)
    seconds = [
        _seconds(detect, [i for images in data.frames.values() for i in images if i.shape[:2] == size])
        for size in ((512, 512), (1920, 1080))
    ]
    counts = [sum(share == 1 for share in shares), sum(share >= 0.5 for share in shares), single, found, false]
    return [*(str(int(count)) for count in counts), *(f"{value:.3f}" for value in seconds)]


def _sure(detect: Detector, image: np.ndarray) -> list[Detection]:
    return [face for face in detect(image) if face.score >= _SETTINGS.min_score]


def _frames(path: Path) -> list[np.ndarray]:
    return [frame.image for frame in sample_frames(path, 0.0, 1e6, _SETTINGS.frames_per_clip, _SETTINGS.frames)]


def _read(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def _labelled(folder: Path) -> Iterator[tuple[np.ndarray, list[Box]]]:
    """Images with the boxes of dlib's training.xml and testing.xml, those to be ignored included."""
    for path in sorted(folder.glob("t*ing.xml")):
        for image in ElementTree.parse(path).getroot().iter("image"):  # noqa: S314  the published files
            file = folder / image.get("file", "")
            if file.is_file():
                boxes = [
                    tuple(float(box.get(name, "nan")) for name in ("left", "top", "width", "height")) for box in image.iter("box")
                ]
                yield _read(file), boxes  # type: ignore[misc]


def _matches(faces: list[Detection], boxes: list[Box]) -> tuple[int, int]:
    """Labelled faces found, and detections that are none of them."""
    found = sum(any(overlap(face.box, box) >= _SAME_PLACE for face in faces) for box in boxes)
    return found, sum(all(overlap(face.box, box) < _SAME_PLACE for box in boxes) for face in faces)


def _seconds(detect: Detector, images: list[np.ndarray]) -> float:
    """Core-seconds an image, the best of three rounds over a dozen of them."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for image in images[:12]:
            detect(image)
        rounds.append((time.process_time() - start) / len(images[:12]))
    return min(rounds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(detectors.WEIGHTS))
