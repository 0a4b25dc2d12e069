"""68 points of a face from two sources: they mean the same places, and a mirrored face is a mirrored set of points."""

from pathlib import Path

import numpy as np
import pytest

from onscreen import weights
from onscreen.motion.face_points import LANDMARKER_FILE, MESH_OF_IBUG, FaceFinder, open_faces
from pose_cases import IBUG_MIRROR
from real_data import DATA

LANDMARKER = DATA.parent / "models" / "mediapipe" / "face_landmarker_v2_with_blendshapes.task"
FACES = sorted((DATA / "faces" / "lfw10").rglob("*.jpg"))[::9]
NAMES = ("mediapipe_face_short_range", "dlib_landmarks_68")
needs_faces = pytest.mark.skipif(not FACES or not LANDMARKER.is_file(), reason=f"no faces in {DATA}, or no {LANDMARKER}")


def test_each_of_the_68_has_its_own_points_of_the_mesh() -> None:
    assert MESH_OF_IBUG.shape == (68, 2)
    assert len({tuple(sorted(pair)) for pair in MESH_OF_IBUG.tolist()}) == 68
    assert MESH_OF_IBUG.max() < 468


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    weights.ensure(NAMES)
    return {file: weights.path_of(name, file) for name in NAMES for file in weights.model(name).files}


def body_around(image: np.ndarray) -> np.ndarray:
    """A head in the middle of the picture, as MediaPipe's body gives it: eyes, mouth and ears of a face 0.4 of it high."""
    height, width = image.shape[:2]
    body = np.zeros((33, 3), np.float32)
    body[:11] = [width / 2, height / 2, 1]
    body[[2, 5], 1] -= 0.06 * height
    body[[9, 10], 1] += 0.09 * height
    body[[7, 8], 0] += np.array([0.17, -0.17]) * width
    return body


def points_of(find: FaceFinder, image: np.ndarray) -> np.ndarray:
    points, box, score = find(image, body_around(image))
    assert points is not None
    assert box is not None
    assert score > 0.5
    np.testing.assert_array_equal(points[:, 2], np.float32(score))
    return points[:, :2]


@pytest.fixture(scope="module")
def found(files: dict[str, Path]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each picture: dlib's points, the landmarker's, and the landmarker's in the mirrored picture, mirrored back."""
    import cv2

    rows = []
    with open_faces(files) as by_dlib, open_faces({**files, LANDMARKER_FILE: LANDMARKER}) as by_mesh:
        for path in FACES:
            image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
            mirrored = points_of(by_mesh, np.ascontiguousarray(image[:, ::-1]))[IBUG_MIRROR]
            mirrored[:, 0] = image.shape[1] - 1 - mirrored[:, 0]
            rows.append((points_of(by_dlib, image), points_of(by_mesh, image), mirrored))
    return rows


def eyes_apart(points: np.ndarray) -> float:
    return float(np.hypot(*(points[36:42].mean(axis=0) - points[42:48].mean(axis=0))))


@needs_faces
def test_both_sources_mean_the_same_68_places(found: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Medians over the faces, in distances between the eyes: measured 0.05 over all points and 0.14 for the farthest, on the jaw."""
    apart = np.array([np.hypot(*(dlib - mesh).T) / eyes_apart(dlib) for dlib, mesh, _ in found])
    assert np.median(apart) < 0.07
    assert np.median(apart[:, 27:], axis=0).max() < 0.1  # nose, eyes, lips
    assert np.median(apart, axis=0).max() < 0.2


@needs_faces
def test_in_a_mirrored_face_left_and_right_change_places(found: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    apart = np.array([np.hypot(*(mesh - back).T) / eyes_apart(mesh) for _, mesh, back in found])
    assert np.median(apart) < 0.05
    assert np.median(apart, axis=0).max() < 0.1
    for _, mesh, _ in found:
        assert mesh[36:42, 0].mean() < mesh[42:48, 0].mean()  # the person's right eye is on the left of the picture


def test_a_picture_without_a_face_has_none(files: dict[str, Path]) -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    with open_faces(files) as find:
        assert find(grey, body_around(grey)) == (None, None, 0.0)
