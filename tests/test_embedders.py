import cv2
import numpy as np

from face_cases import astronaut, detector, embedder, five_of_six, six_people
from onscreen.faces.embedders import embed, pool
from onscreen.faces.thresholds import auto_threshold


def _embed(image: np.ndarray) -> np.ndarray:
    [face] = detector()(image)
    return embed(embedder(), image, face)


def test_an_embedding_is_a_float32_unit_vector() -> None:
    vector = _embed(astronaut())
    assert vector.shape == (embedder().dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == np.float32(1) or abs(np.linalg.norm(vector) - 1) < 1e-6


def test_one_person_stays_close_when_light_size_and_angle_change() -> None:
    image = astronaut()
    height, width = image.shape[:2]
    tilt = cv2.warpAffine(image, cv2.getRotationMatrix2D((222, 115), 20, 1), (width, height))
    changed = [np.clip(image * 0.6, 0, 255).astype(np.uint8), cv2.resize(image, None, fx=0.6, fy=0.6), tilt]
    for view in changed:
        assert 1 - _embed(image) @ _embed(view) < auto_threshold("Dlib", 1) / 2


def test_people_of_a_group_are_further_apart_than_the_threshold() -> None:
    vectors = np.array([embed(embedder(), six_people(), face) for face in five_of_six()])
    distances = 1 - vectors @ vectors.T
    assert distances[np.triu_indices(5, 1)].min() > auto_threshold("Dlib", 1)


def test_a_pool_is_the_mean_direction() -> None:
    pooled = pool(np.array([[1, 0], [0, 1]], np.float32))
    np.testing.assert_allclose(pooled, [2**-0.5, 2**-0.5], rtol=1e-6)
    assert pooled.dtype == np.float32
