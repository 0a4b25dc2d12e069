"""Makes a person who does not exist: one portrait whose face is a blend of two, shape and texture, without a seam.

The host gives hair, clothes and background; its face and the donor's are warped to a shape between the two, and the donor's
skin, brought to the host's light and colour, is laid over the host's with a soft edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from onscreen.sample.sources import FACES, SourceFace, read_source
from onscreen.weights import path_of

CANVAS_PX = 640
_EYES_PX = 100.0  # between the eyes, on the canvas
_EYE_LINE = 0.42  # of the canvas, from the top
_LEAST_WIDTH_PX = 220  # of a face, below which dlib's landmarks become coarse: smaller ones are enlarged first
_SOFT_EDGE_PX = 9.0  # sigma of the mask's edge
_LIGHT_PX = 40.0  # sigma above which a difference between two faces is light, below which it is the face
_FOREHEAD = 0.13  # of the height from chin to eyes: how far above the brows the face is taken


@dataclass(frozen=True)
class Portrait:
    """image: (640, 640, 3) uint8 RGB, 100 pixels between the eyes. points: (68, 2) float64, iBUG's 68 landmarks in its pixels."""

    image: np.ndarray
    points: np.ndarray


def blend(host: str, donor: str, shape: float, texture: float) -> np.ndarray:
    """A person between two source faces, (640, 640, 3) uint8 RGB.

    host, donor: keys of sources.FACES. shape, texture: share of the donor, 0-1, in the landmarks and in the skin.
    Raises InputError when a package does not carry its picture.
    """
    import cv2

    ours, theirs = portrait(host), portrait(donor)
    scale, rotation, shift = _similarity(theirs.points, ours.points)
    goal = (1 - shape) * ours.points + shape * (scale * theirs.points @ rotation.T + shift)
    still = _still_points(ours.points)
    our_mesh = np.vstack([_with_forehead(ours.points), still])
    their_mesh = np.vstack([_with_forehead(theirs.points), (still - shift) @ rotation / scale])
    where = _displacement(np.hstack([our_mesh, their_mesh]), np.vstack([_with_forehead(goal), still]))
    skin, other = _sample(ours.image, where[..., :2]), _sample(theirs.image, where[..., 2:])
    mask = _soft_mask(_with_forehead(goal))
    base = cv2.cvtColor(skin, cv2.COLOR_RGB2LAB).astype(np.float32)
    relit = _relight(cv2.cvtColor(other, cv2.COLOR_RGB2LAB).astype(np.float32), base, mask)
    mixed = base + texture * mask[..., None] * (relit - base)
    return np.asarray(cv2.cvtColor(np.clip(np.rint(mixed), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB))


@cache
def portrait(name: str) -> Portrait:
    """A source face on the canvas, eyes 100 pixels apart, its tilt as it is; what lies beyond the picture is mirrored."""
    import cv2

    face = FACES[name]
    image = read_source(face.source)
    points = _landmarks(image, face)
    eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
    scale = _EYES_PX / float(np.linalg.norm(eyes[1] - eyes[0]))
    shift = np.array([CANVAS_PX / 2, CANVAS_PX * _EYE_LINE]) - scale * eyes.mean(axis=0)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    size = (CANVAS_PX, CANVAS_PX)
    canvas = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return Portrait(np.asarray(canvas), scale * points + shift)


@cache
def _predictor() -> Any:
    import dlib

    return dlib.shape_predictor(str(path_of("dlib_landmarks_68", "shape_predictor_68_face_landmarks.dat")))


def _landmarks(image: np.ndarray, face: SourceFace) -> np.ndarray:
    """(68, 2) float64 in pixels of the image."""
    import cv2
    import dlib

    left, top, right, bottom = face.box
    up = max(1, -(-_LEAST_WIDTH_PX // (right - left)))
    large = cv2.resize(image, None, fx=up, fy=up, interpolation=cv2.INTER_CUBIC)
    found = _predictor()(large, dlib.rectangle(left * up, top * up, right * up, bottom * up))
    return np.array([(point.x, point.y) for point in found.parts()], np.float64) / up


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation (2, 2) and shift (2,) that bring source points nearest to target points (Umeyama, 1991)."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, values, v = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, np.sign(np.linalg.det(u @ v))])
    rotation = u @ np.diag(signs) @ v
    scale = float((values * signs).sum() / (a**2).sum())
    return scale, rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)


def _with_forehead(points: np.ndarray) -> np.ndarray:
    """The 68 landmarks, and the ten of the brows once more, higher: 68 landmarks end at the brows, a face does not."""
    eyes = (points[36:42].mean(axis=0) + points[42:48].mean(axis=0)) / 2
    return np.vstack([points, points[17:27] + _FOREHEAD * (eyes - points[8])])


def _still_points(points: np.ndarray) -> np.ndarray:
    """Points that the warp leaves alone: a ring well outside the face, and the edge of the canvas."""
    outline = np.vstack([points[:17], _with_forehead(points)[:67:-1]])
    centre = points[:27].mean(axis=0)
    ring = centre + 1.75 * (outline - centre)
    ring = ring[((ring > 5) & (ring < CANVAS_PX - 6)).all(axis=1)]
    ticks = np.linspace(0, CANVAS_PX - 1, 5)
    edge = [(x, y) for x in ticks for y in ticks if {x, y} & {ticks[0], ticks[-1]}]
    return np.vstack([ring, edge])


def _displacement(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Values of each target point, (n, k), as (640, 640, k) float32: linear within the triangles of the points' Delaunay mesh.

    Evaluated at every fourth pixel, because finding the triangles is what takes the time.
    """
    import cv2
    from scipy.interpolate import LinearNDInterpolator

    ticks = np.arange(1.5, CANVAS_PX, 4)  # the middles of 4 x 4 pixels, where resize has them
    coarse = LinearNDInterpolator(target, values)(np.stack(np.meshgrid(ticks, ticks), axis=-1)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_LINEAR))


def _sample(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The image read at (x, y) positions, (H, W, 2) float32."""
    import cv2

    return np.asarray(cv2.remap(image, where[..., 0], where[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101))


def _soft_mask(points: np.ndarray) -> np.ndarray:
    """(640, 640) float32 in [0, 1]: 1 inside the face, falling to 0 towards its outline."""
    import cv2

    mask = np.zeros((CANVAS_PX, CANVAS_PX), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 255)
    return np.asarray(_blur(cv2.erode(mask, np.ones((15, 15), np.uint8)).astype(np.float32) / 255, _SOFT_EDGE_PX))


def _relight(face: np.ndarray, like: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Bring a face, (H, W, 3) float32 Lab, to the colours and the light of another within the mask, its features kept."""
    inside, weight = mask > 0.05, _blur(mask, _LIGHT_PX) + 1e-3
    relit = np.empty_like(face)
    for channel in range(3):
        ours, theirs = like[..., channel], face[..., channel]
        if theirs[inside].std() < 2:  # a grey picture has no colour of its own: it takes the host's, without its details
            relit[..., channel] = _blur(ours * mask, 12.0) / (_blur(mask, 12.0) + 1e-3)
            continue
        contrast = np.clip(ours[inside].std() / theirs[inside].std(), 0.7, 1.3)
        level = (theirs - theirs[inside].mean()) * contrast + ours[inside].mean()
        relit[..., channel] = level + 0.8 * _blur((ours - level) * mask, _LIGHT_PX) / weight
    return relit


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
