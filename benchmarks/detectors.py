"""Compares the face detectors on one machine in one run. Run: python benchmarks/detectors.py DATA

DATA holds clips/ (videos of one person or more), faces/lfw10 (one person a photo) and faces/groups (photos with dlib's box files).
Prints a markdown table. Times are core-seconds of the detector with its landmarks, one thread.
"""

from __future__ import annotations

import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from onscreen import weights
from onscreen.config import Faces
from onscreen.faces import detectors
from onscreen.faces.detectors import Detection, Detector, overlap
from onscreen.faces.landmarks import Box
from onscreen.media.sampling import sample_frames

_SAME_PLACE = 0.3  # IoU from which a detection is the labelled face: the detectors' boxes differ in how much of a head they take
_SETTINGS = Faces()


def main(data: Path) -> None:
    cv2.setNumThreads(1)
    frames = {path.name: _frames(path) for path in sorted((data / "clips").iterdir()) if path.suffix in (".mp4", ".mpg")}
    photos = [_read(path) for path in sorted((data / "faces" / "lfw10").rglob("*.jpg"))]
    groups = list(_labelled(data / "faces" / "groups"))
    print(
        f"| detector | clips with a face in all frames (of {len(frames)}) | in half of them | photos of one person (of {len(photos)}) ",
        end="",
    )
    print(f"| group faces found (of {sum(len(boxes) for _, boxes in groups)}) | false | s a frame, 512x512 | 1080x1920 |")
    print("|---|---|---|---|---|---|---|---|")
    for name in detectors.WEIGHTS:
        print(f"| {name} | " + " | ".join(_row(name, frames, photos, groups)) + " |", flush=True)


def _row(
    name: str, frames: dict[str, list[np.ndarray]], photos: list[np.ndarray], groups: list[tuple[np.ndarray, list[Box]]]
) -> list[str]:
    detect = _detector(name)
    shares = [np.mean([bool(_sure(detect, image)) for image in images]) for images in frames.values()]
    single = sum(bool(_sure(detect, image)) for image in photos)
    found, false = np.sum([_matches(_sure(detect, image), boxes) for image, boxes in groups], axis=0)
    seconds = [
        _seconds(detect, [i for images in frames.values() for i in images if i.shape[:2] == size])
        for size in ((512, 512), (1920, 1080))
    ]
    detect.close()
    counts = [sum(share == 1 for share in shares), sum(share >= 0.5 for share in shares), single, found, false]
    return [*(str(int(count)) for count in counts), *(f"{value:.3f}" for value in seconds)]


def _detector(name: str) -> Detector:
    weights.ensure(detectors.WEIGHTS[name])
    return detectors.create(
        name, {file: weights.path_of(model, file) for model in detectors.WEIGHTS[name] for file in weights.model(model).files}
    )


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
    start = time.process_time()
    for image in images:
        detect(image)
    return (time.process_time() - start) / len(images)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
