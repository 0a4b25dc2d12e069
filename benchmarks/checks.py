"""How well squashed videos are told by faces: real videos, squashed by known factors, both ways. The limits of checks/limits.py come from it.

Run: python benchmarks/checks.py FOLDER_OF_VIDEOS [...]   (4 minutes for 34 videos)
Prints, a factor each (1.33 = a third too broad): videos with enough frontal faces, the estimate's least, median and largest, and how many are
called squashed.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from onscreen.checks import limits
from onscreen.checks.portrait import clear_faces
from onscreen.checks.squash import looks_level, too_broad
from onscreen.checks.tools import Tools, model_files
from onscreen.faces.detectors import Detector
from onscreen.media.probe import probe
from onscreen.media.sampling import sample_frames

FACTORS = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)
LONGEST_PX = 640


def squashed(image: np.ndarray, factor: float) -> np.ndarray:
    """`factor` times as broad for its height, of the same area, no larger than a sample is."""
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST_PX / max(height, width))
    size = round(width * scale * factor**0.5), round(height * scale / factor**0.5)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def estimate(images: list[np.ndarray], factor: float, detector: Detector) -> float | None:
    """The median over frontal faces; None of too few."""
    faces = [face for image in images for face in clear_faces(squashed(image, factor), detector)[:1]]
    found = [too_broad(face) for face in faces if looks_level(face)]
    return float(np.median(found)) if len(found) >= limits.FACES else None


def main() -> None:
    detector = Tools(model_files()).faces
    found: dict[float, list[float]] = {factor: [] for factor in FACTORS}
    for path in sorted(path for folder in sys.argv[1:] for path in Path(folder).glob("*.mp*")):
        images = [frame.image for frame in sample_frames(path, 0.0, probe(path).duration_s, 5, "uniform")]
        for factor in FACTORS:
            value = estimate(images, factor, detector)
            found[factor] += [] if value is None else [value]
    for factor, values in found.items():
        called = sum(not limits.FACE_NARROWER <= value <= limits.FACE_BROADER for value in values)
        spread = f"{min(values):.2f} {np.median(values):.2f} {max(values):.2f}" if values else "-"
        print(f"{factor:.2f}: {len(values)} videos, {spread}, called squashed: {called}")


if __name__ == "__main__":
    main()
