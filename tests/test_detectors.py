import cv2
import numpy as np
import pytest

from face_cases import astronaut, detector, five_of_six, six_people
from onscreen.faces.detectors import Candidate, Detector, overlap
from onscreen.faces.landmarks import eye_openness

PACKAGED = ("mediapipe", "dlib", "dlib_cnn", "opencv")  # whose weights packages carry; test_detector_backends.py has the others


@pytest.mark.parametrize("name", PACKAGED)
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


@pytest.mark.parametrize("name", PACKAGED)
def test_no_detector_finds_a_face_where_there_is_none(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    assert detector(name)(noise) == []
    assert detector(name)(astronaut()[300:, 300:]) == []


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (1, 50), (7, 300), (16, 16), (17, 33), (16, 640), (641, 16), (15, 9000)])
def test_no_detector_stumbles_over_tiny_or_narrow_images(name: str, size: tuple[int, int]) -> None:
    assert detector(name)(np.full((*size, 3), 128, np.uint8)) == []


@pytest.mark.parametrize("name", PACKAGED)
def test_detectors_take_odd_sizes_views_and_grey_pictures_and_repeat_themselves(name: str) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)[:401, 51:454]
    first, second = detector(name)(grey), detector(name)(grey)
    [face], [again] = first, second
    assert np.linalg.norm(face.landmarks[0] - (203 - 51, 101)) < 4
    assert (face.box, face.score) == (again.box, again.score)
    np.testing.assert_array_equal(face.mesh, again.mesh)


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


def test_eyes_that_a_backend_sees_turn_the_first_look() -> None:
    turn = cv2.getRotationMatrix2D((222, 115), 120, 1)  # degrees: the face lies on its side and beyond
    image = cv2.warpAffine(astronaut(), turn, (512, 512))
    mesh = detector()._mesh
    left, right = ((turn @ (x, y, 1)).tolist() for x, y in ((203, 101), (247, 103)))
    points, presence = mesh(image, (170, 63, 104, 104), (tuple(left), tuple(right)))
    assert presence > 0.9
    [upright] = detector()(astronaut())
    assert np.linalg.norm(points - (upright.mesh @ turn[:, :2].T + turn[:, 2]), axis=1).mean() < 3
    assert mesh(image, (170, 63, 104, 104))[1] < 0.5


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
