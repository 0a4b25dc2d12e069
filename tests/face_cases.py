"""Real faces that installed packages carry, and the models that look at them."""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from onscreen import weights
from onscreen.faces import detectors, embedders
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.embedders import Embedder
from onscreen.media.audio import Audio
from onscreen.media.video import write_video


def _packaged(package: str, member: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / member


def _read(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


@cache
def astronaut() -> np.ndarray:
    """512x512, one woman, her face around (222, 115)."""
    return _read(_packaged("skimage", "data/astronaut.png"))


@cache
def six_people() -> np.ndarray:
    """1280x886, six people; the one at the right looks down with closed eyes, and MediaPipe does not see her."""
    return _read(_packaged("insightface", "data/images/t1.jpg"))


def files_of(models: tuple[str, ...]) -> dict[str, Path]:
    weights.ensure(models)
    return {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}


@cache
def detector(name: str = "mediapipe") -> Detector:
    return detectors.create(name, files_of(detectors.WEIGHTS[name]))


@cache
def embedder() -> Embedder:
    return embedders.create("Dlib", files_of(embedders.WEIGHTS["Dlib"]))


@cache
def five_of_six() -> tuple[Detection, ...]:
    """The five that MediaPipe sees, from left to right."""
    return tuple(sorted(detector()(six_people()), key=lambda face: face.box[0]))


def portrait_video(path: Path, person: int, frames: int = 24, audio: Audio | None = None) -> Path:
    """An mp4, 256x256, 12 fps, of one of the five, who drifts to the right."""
    image = cv2.copyMakeBorder(six_people(), 200, 200, 200, 200, cv2.BORDER_REFLECT)
    x, y, width, height = five_of_six()[person].box
    side = max(width, height)
    left, top, edge = (round(value) for value in (x + 200 - side, y + 200 - side, 3 * side))

    def views() -> Iterator[np.ndarray]:
        for index in range(frames):
            shift = index // 2
            yield cv2.resize(
                image[top : top + edge, left - shift : left - shift + edge], (256, 256), interpolation=cv2.INTER_AREA
            )

    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, views(), 12, audio)
    return path


def empty_video(path: Path) -> Path:
    """An mp4 of grey noise, in which nobody is."""
    noise = np.random.default_rng(0).integers(90, 160, (24, 128, 128, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, noise, 12)
    return path
