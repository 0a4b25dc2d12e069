"""Points of a face, and whether a face is there at all: MediaPipe's face mesh (468 points), run by OpenCV's DNN module.

One landmark model serves every detector, so that crops and measures do not depend on which detector found the box.
It is read by OpenCV because MediaPipe's own runner takes only the bundled FaceLandmarker, which no package carries.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from onscreen.faces.backends.candidates import Box, Eyes

_SIDE = 192  # pixels, the model's input
_MARGIN = 1.5  # the region is 1.5 x the box, as in MediaPipe's face_landmark graph
# A look whose turn was off by less is final. Against a second look, on 262 faces: the five points move by 1.1 px at most in 95 of
# 100, embeddings by a cosine distance of 0.002 at most, which is less than a third look moves them.
_TILT_OFF = np.radians(2.0)
_NO_FACE = 0.01  # presence at a first look from which no second one made a face (0.03 at most, on 45 false places)
# Indices of the mesh's canonical face model. An eye's centre is the mean of its two corners and its two lid middles.
_EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
_NOSE_TIP, _MOUTH = 4, (61, 291)


class FaceMesh:
    """Points of the face inside a box."""

    def __init__(self, model: Path) -> None:
        self._net = cv2.dnn.readNetFromTFLite(str(model))
        self._names = self._net.getUnconnectedOutLayersNames()

    def __call__(self, image: np.ndarray, box: Box, eyes: Eyes | None = None) -> tuple[np.ndarray, float]:
        """The mesh and the probability that this is a face.

        image: (H, W, 3) uint8 RGB. box: x, y, width, height px; may reach out of the image. eyes: where a detector saw them.
        Returns mesh (468, 2) float32 px and presence in [0, 1].
        The model wants an upright face. The first look turns the region by the detector's eyes; a second one turns it by the
        eyes that the first found, unless that is the same turn, or no face is there.
        """
        turn = _tilt(np.array(eyes)) if eyes else 0.0
        mesh, presence = self._look(image, box, turn)
        tilt = _tilt(five_points(mesh))
        if presence < _NO_FACE or abs(np.angle(np.exp(1j * (tilt - turn)))) < _TILT_OFF:
            return mesh, presence
        return self._look(image, box, tilt)

    def _look(self, image: np.ndarray, box: Box, angle: float) -> tuple[np.ndarray, float]:
        blob, to_image = self.preprocess(image, box, angle)
        return self.postprocess(self.infer(blob), to_image)

    def preprocess(self, image: np.ndarray, box: Box, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """The region of the box, turned by angle (radians): (1, 3, 192, 192) float32 in [0, 1]; and the (2, 3) map back."""
        x, y, width, height = box
        side = _MARGIN * max(width, height)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * side / _SIDE
        corner = np.array([x + width / 2, y + height / 2]) - turn @ np.full(2, _SIDE / 2)
        to_image = np.column_stack([turn, corner])
        region = cv2.warpAffine(image, to_image, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return region.astype(np.float32).transpose(2, 0, 1)[None] / 255, to_image

    def infer(self, blob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The 468 x, y, z values and the presence logit."""
        self._net.setInput(blob)
        first, second = self._net.forward(self._names)
        return (first, second) if first.size > second.size else (second, first)

    def postprocess(self, raw: tuple[np.ndarray, np.ndarray], to_image: np.ndarray) -> tuple[np.ndarray, float]:
        """The mesh in pixels of the image, and the probability of a face."""
        mesh = raw[0].reshape(-1, 3)[:, :2]
        presence = float(1 / (1 + np.exp(-float(raw[1].ravel()[0]))))
        return (mesh @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32), presence


def _tilt(points: np.ndarray) -> float:
    """Angle, in radians, of the line from the first point to the second: how far a face is turned clockwise in the image."""
    across = points[1] - points[0]
    return float(np.arctan2(across[1], across[0]))


def eye_openness(mesh: np.ndarray) -> float:
    """Distance of the lids over the width of the eye, mean of both eyes: 0.27 to 0.4 for open eyes, 0.16 to 0.24 for closed ones."""
    outer, inner, upper, lower = (mesh[list(points)] for points in zip(*_EYES, strict=True))
    return float(np.mean(np.linalg.norm(upper - lower, axis=1) / np.maximum(np.linalg.norm(outer - inner, axis=1), 1e-6)))


def five_points(mesh: np.ndarray) -> np.ndarray:
    """(468, 2) -> (5, 2) px: eye, eye, nose tip, mouth corner, mouth corner, pairs from left to right in an upright face's image."""
    return np.array([*(mesh[list(eye)].mean(0) for eye in _EYES), mesh[_NOSE_TIP], *mesh[list(_MOUTH)]], np.float32)
