import cv2
import numpy as np
import pytest

from face_cases import astronaut, detector, five_of_six, six_people
from onscreen.faces.detectors import WEIGHTS, Candidate, Detector, overlap
from onscreen.faces.landmarks import eye_openness


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_detector_finds_the_face_and_its_five_points(name: str) -> None:
    [face] = detector(name)(astronaut())
    x, y, width, height = face.box
    assert x < 222 < x + width
    assert y < 115 < y + height
    assert 0.5 <= face.score <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert np.linalg.norm(left_eye - (203, 101)) < 4  # where her eyes and the tip of her nose are in the picture
    assert np.linalg.norm(right_eye - (247, 103)) < 4
    assert np.linalg.norm(nose - (222, 125)) < 5


@pytest.mark.parametrize("name", WEIGHTS)
def test_no_detector_finds_a_face_where_there_is_none(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    assert detector(name)(noise) == []
    assert detector(name)(astronaut()[300:, 300:]) == []


def test_people_of_a_group_are_found_once_each() -> None:
    centres = [(108, 330), (315, 220), (520, 350), (780, 410), (940, 130)]
    for face, centre in zip(five_of_six(), centres, strict=True):
        assert np.linalg.norm(face.landmarks.mean(0) - centre) < 30


@pytest.mark.parametrize("angle", [-25, 25])
def test_points_follow_a_tilted_face(angle: int) -> None:
    [upright] = detector()(astronaut())
    turn = cv2.getRotationMatrix2D((222, 115), angle, 1)
    [tilted] = detector()(cv2.warpAffine(astronaut(), turn, (512, 512)))
    wanted = upright.mesh @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(tilted.mesh - wanted, axis=1).mean() < 3


def test_the_score_is_low_where_a_backend_sees_a_face_that_the_landmarks_do_not() -> None:
    class SeesFacesEverywhere:
        def preprocess(self, image: np.ndarray) -> np.ndarray:
            return image

        def infer(self, prepared: np.ndarray) -> np.ndarray:
            return prepared

        def postprocess(self, raw: np.ndarray) -> list[Candidate]:
            return [Candidate((380, 380, 100, 100), 1.0)]

        def close(self) -> None: ...

    assert Detector(SeesFacesEverywhere(), detector()._mesh)(astronaut()) == []


def test_boxes_overlap_by_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 10, 5, 5)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_one_face_that_a_backend_reports_twice_counts_once() -> None:
    [face] = detector()(astronaut())

    class SeesDouble:
        def preprocess(self, image: np.ndarray) -> np.ndarray:
            return image

        def infer(self, prepared: np.ndarray) -> np.ndarray:
            return prepared

        def postprocess(self, raw: np.ndarray) -> list[Candidate]:
            x, y, width, height = face.box
            return [Candidate((x + 3, y, width, height), 0.7), Candidate(face.box, 0.9)]

        def close(self) -> None: ...

    [once] = Detector(SeesDouble(), detector()._mesh)(astronaut())
    assert once.box == face.box


def test_open_eyes_are_open() -> None:
    assert eye_openness(detector()(astronaut())[0].mesh) > 0.25


def test_detecting_leaves_the_image_as_it_is() -> None:
    before = six_people().copy()
    detector()(six_people())
    np.testing.assert_array_equal(six_people(), before)
