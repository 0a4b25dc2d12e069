"""How good a view of a face is: numbers that stand for themselves, and one that ranks the frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from onscreen.faces.alignment import aligned_crop, completeness
from onscreen.faces.detectors import Detection
from onscreen.faces.landmarks import eye_openness

_CROP_PX = 112
# A generic head in cm, x to the right and y down as in the image, z away from the camera: eye, eye, nose tip, mouth corners.
# Rounded from MediaPipe's canonical face model.
_HEAD = np.array([[-3.2, -2.6, -3.6], [3.2, -2.6, -3.6], [0.0, 0.5, -7.6], [-2.5, 4.3, -4.3], [2.5, 4.3, -4.3]])
_FULL_SIZE_PX = 64.0  # pixels between the eyes from which a larger face is no better; dlib's chip has 68
_OPEN_EYES = 0.3
_HALF_SHARPNESS = 85.0  # median of LFW's and johns' photos


@dataclass(frozen=True)
class Quality:
    """Measures of one view of a face; what each is, in what unit: see records.Face."""

    interocular_px: float
    sharpness: float
    exposure: float
    dynamic_range: float
    yaw: float
    pitch: float
    roll: float
    completeness: float
    quality: float


def measure_quality(image: np.ndarray, face: Detection, margin: float) -> Quality:
    """Measure one view of a face. image: (H, W, 3) uint8 RGB. margin: of the crop whose completeness is asked for.

    quality = score x size x sharpness x light x frontality x eyes x completeness, each 0-1 and 1 at its best: size reaches 1 at
    64 px between the eyes; sharpness is v / (v + 85); light falls as grey leaves the middle; frontality = cos(yaw) cos(pitch);
    eyes reaches 1 at an openness of 0.3.
    """
    grey = cv2.cvtColor(aligned_crop(image, face, _CROP_PX, 0.0), cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, [5, 95]) / 255
    exposure = float(grey.mean()) / 255
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    yaw, pitch, roll = head_pose(face.landmarks)
    interocular = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    complete = completeness(image.shape, face, margin)
    size = min(1.0, interocular / _FULL_SIZE_PX)
    light = 1 - (2 * exposure - 1) ** 2
    frontal = max(0.0, np.cos(np.radians(yaw))) * max(0.0, np.cos(np.radians(pitch)))
    eyes = min(1.0, eye_openness(face.mesh) / _OPEN_EYES)
    quality = face.score * size * (sharpness / (sharpness + _HALF_SHARPNESS)) * light * frontal * eyes * complete
    return Quality(interocular, sharpness, exposure, float(high - low), yaw, pitch, roll, complete, float(quality))


def head_pose(landmarks: np.ndarray) -> tuple[float, float, float]:
    """yaw, pitch, roll in degrees from the five landmarks (5, 2).

    A scaled orthographic fit of a generic head, so good to about 10 degrees and no more: heads differ, and five points do not
    tell a long nose from a turned face. yaw > 0: turned to the right of the image; pitch > 0: down; roll > 0: clockwise.
    """
    head = _HEAD - _HEAD.mean(0)
    points = landmarks.astype(np.float64) - landmarks.mean(0)
    projection = np.linalg.lstsq(head, points, rcond=None)[0].T  # (2, 3), two scaled rows of a rotation
    u, _, v = np.linalg.svd(projection, full_matrices=False)
    right, down = u @ v
    forward = np.cross(right, down)
    yaw = np.degrees(np.arctan2(-right[2], np.hypot(down[2], forward[2])))
    pitch = np.degrees(np.arctan2(-down[2], forward[2]))
    across = landmarks[1] - landmarks[0]
    return float(yaw), float(pitch), float(np.degrees(np.arctan2(across[1], across[0])))
