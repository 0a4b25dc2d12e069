"""The faces of a picture, and how wide a face is for its height: what a squashed picture changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onscreen.checks.sample import Broken
from onscreen.errors import Rejected
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.embedders import Embedder, embed
from onscreen.faces.quality import measure_quality
from onscreen.media.images import read_image

MIN_SCORE = 0.5  # as faces.min_score: below, it is not sure that a face is there
HIDDEN_SCORE = 0.3  # of a face that is there, but turned away: profiles of a dancer have 0.40 and 0.45
FRONTAL_DEG = 25.0  # turned by less, a face is as broad for its height as from the front, to a tenth
BREADTH = (0.76, 1.2)  # of a frontal face: of 108 frontal photos of LFW10 and johns 107 lie between
MIN_INTEROCULAR_PX = 16.0  # as faces.min_interocular_px: below, faces of two people look alike


@dataclass(frozen=True)
class Portrait:
    """reference_image.jpg, read once for all checks.

    image: (H, W, 3) uint8 RGB. faces: those of MIN_SCORE or more, the largest first. embedding: (128,) float32 of dlib's, L2 = 1, of
    the first; None where there is none. hidden: the surest of HIDDEN_SCORE or more, where faces holds none.
    """

    image: np.ndarray
    faces: tuple[Detection, ...]
    embedding: np.ndarray | None
    hidden: Detection | None = None


def read_portrait(path: Path, detector: Detector, embedder: Embedder) -> Portrait:
    """Raises Broken where it is missing or no picture."""
    try:
        image = read_image(path)
    except FileNotFoundError as error:
        raise Broken(f"{path.name}: is missing") from error
    except (Rejected, OSError) as error:
        raise Broken(f"{path.name}: cannot be read ({error})") from error
    faces = clear_faces(image, detector)
    if faces:
        return Portrait(image, faces, embed(embedder, image, faces[0]))
    return Portrait(image, (), None, next(iter(shown_faces(image, detector)), None))


def clear_faces(image: np.ndarray, detector: Detector) -> tuple[Detection, ...]:
    """The faces of MIN_SCORE or more, the largest first."""
    return tuple(sorted((face for face in detector(image) if face.score >= MIN_SCORE), key=interocular_px, reverse=True))


def shown_faces(image: np.ndarray, detector: Detector) -> list[Detection]:
    """The faces of HIDDEN_SCORE or more, the surest first."""
    return [face for face in detector(image) if face.score >= HIDDEN_SCORE]


def interocular_px(face: Detection) -> float:
    """Pixels between the centres of the eyes."""
    return float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))


def breadth(face: Detection) -> float:
    """Distance between the eyes over that from the eyes' line to the mouth.

    0.80 to 1.11 in 98 of 100 frontal photos of LFW10 and johns; a 16:9 frame squeezed into a square has 0.6 to 0.8 when it stood
    upright, 1.2 to 1.9 when it lay.
    """
    points = face.landmarks
    return interocular_px(face) / max(float(np.linalg.norm(points[3:].mean(0) - points[:2].mean(0))), 1e-6)


def is_frontal(image: np.ndarray, face: Detection) -> bool:
    """Whether a face is turned aside by less than FRONTAL_DEG."""
    return abs(measure_quality(image, face, 0.0).yaw) < FRONTAL_DEG


def stretch(one: Detection, other: Detection) -> float:
    """How much more the one face must be drawn out along one direction than across it to become the other: 1 = not at all.

    From the affine map between the two meshes (468 points). A turned head looks drawn out too.
    """
    source = np.column_stack([one.mesh, np.ones(len(one.mesh))]).astype(np.float64)
    matrix = np.linalg.lstsq(source, other.mesh.astype(np.float64), rcond=None)[0][:2]
    longer, shorter = np.linalg.svd(matrix, compute_uv=False)
    return float(longer / max(shorter, 1e-9))
