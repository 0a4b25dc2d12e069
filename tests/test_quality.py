import cv2
import numpy as np
import pytest

from face_cases import astronaut, detector
from onscreen.faces.alignment import aligned_crop, completeness
from onscreen.faces.detectors import Detection
from onscreen.faces.quality import Quality, head_pose, measure_quality


def _face(image: np.ndarray) -> Detection:
    [face] = detector()(image)
    return face


def _measure(image: np.ndarray) -> Quality:
    return measure_quality(image, _face(astronaut()), 0.4)


def test_a_blurred_view_is_less_sharp_and_worse() -> None:
    sharp, blurred = _measure(astronaut()), _measure(cv2.GaussianBlur(astronaut(), (0, 0), 3))
    assert blurred.sharpness < sharp.sharpness / 4
    assert blurred.quality < sharp.quality


def test_a_dark_view_has_less_exposure_and_range_and_is_worse() -> None:
    light, dark = _measure(astronaut()), _measure((astronaut() * 0.2).astype(np.uint8))
    assert dark.exposure == pytest.approx(0.2 * light.exposure, abs=0.01)
    assert dark.dynamic_range < light.dynamic_range / 3
    assert dark.quality < light.quality


def test_interocular_is_the_distance_of_the_eyes_in_pixels() -> None:
    image = astronaut()
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    full, half = measure_quality(image, _face(image), 0.4), measure_quality(small, _face(small), 0.4)
    assert half.interocular_px == pytest.approx(full.interocular_px / 2, rel=0.05)
    assert half.quality < full.quality


def test_a_face_at_the_edge_is_incomplete() -> None:
    image = astronaut()
    x = int(_face(image).box[0])
    cut = np.ascontiguousarray(image[:, x + 10 :])
    assert measure_quality(cut, _face(cut), 0.4).completeness < _measure(image).completeness - 0.1


def _project(yaw: float, pitch: float) -> np.ndarray:
    """The generic head turned by angles in degrees (yaw to the right of the image, then pitch down), seen from afar."""
    from onscreen.faces.quality import _HEAD

    a, b = np.radians(-yaw), np.radians(pitch)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return (_HEAD @ (about_x @ about_y).T)[:, :2] * 20 + 300


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-30, 0), (0, 20), (0, -20)])
def test_yaw_and_pitch_of_a_turned_head_are_found(yaw: float, pitch: float) -> None:
    points = _project(yaw, pitch)
    if yaw > 0:
        assert points[2, 0] > 300  # the nose points to the right of the image
    if pitch > 0:
        assert points[2, 1] > _project(0, 0)[2, 1]
    found_yaw, found_pitch, roll = head_pose(points.astype(np.float32))
    assert found_yaw == pytest.approx(yaw, abs=1)
    assert found_pitch == pytest.approx(pitch, abs=1)
    assert abs(roll) < 1


def test_a_mirrored_face_is_turned_the_other_way() -> None:
    image = astronaut()
    mirrored = np.ascontiguousarray(image[:, ::-1])
    assert head_pose(_face(image).landmarks)[0] == pytest.approx(-head_pose(_face(mirrored).landmarks)[0], abs=4)


@pytest.mark.parametrize("angle", [-25, 25])
def test_a_tilted_face_has_that_roll_and_its_crop_is_upright(angle: int) -> None:
    image = cv2.warpAffine(astronaut(), cv2.getRotationMatrix2D((222, 115), -angle, 1), (512, 512))
    level = head_pose(_face(astronaut()).landmarks)[2]
    assert measure_quality(image, _face(image), 0.4).roll == pytest.approx(level + angle, abs=3)
    crop = aligned_crop(image, _face(image), 256, 0.4)
    assert crop.shape == (256, 256, 3)
    assert abs(head_pose(_face(crop).landmarks)[2]) < 3


def _tilted(box: tuple[float, float, float, float], angle_deg: float = 0.0) -> Detection:
    """A face whose line of eyes leans by an angle."""
    mesh = np.zeros((468, 2), np.float32)
    angle = np.radians(angle_deg)
    mesh[[263, 362, 386, 374]] = (60 * np.cos(angle), 60 * np.sin(angle))
    return Detection(box, mesh, 1.0)


def test_what_lies_outside_of_the_image_is_black_in_the_crop() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    face = _tilted((-50, 0, 100, 100))
    crop = aligned_crop(image, face, 64, 0.0)
    assert completeness(image.shape, face, 0.0) == pytest.approx(0.5)
    assert crop[:, :30].max() == 0
    assert crop[:, 34:].min() == 200


def test_a_crop_that_lies_outside_of_the_image_is_black_and_covers_nothing() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    face = _tilted((500, 500, 300, 300), 20)
    assert aligned_crop(image, face, 64, 0.0).max() == 0
    assert completeness(image.shape, face, 0.0) == 0


@pytest.mark.parametrize("seed", range(40))
def test_completeness_is_the_share_of_the_crop_that_is_not_black(seed: int) -> None:
    random = np.random.default_rng(seed)
    image = np.full((*random.integers(50, 400, 2), 3), 255, np.uint8)
    face = _tilted((*random.uniform(-150, 250, 2), *random.uniform(20, 300, 2)), random.uniform(-180, 180))
    seen = aligned_crop(image, face, 256, 0.4).mean() / 255
    assert completeness(image.shape, face, 0.4) == pytest.approx(seen, abs=0.015)


@pytest.mark.parametrize("angle", [0, 17, -80])
@pytest.mark.parametrize("side", [24, 60, 200])
def test_a_crop_shows_the_same_place_whatever_part_of_the_image_is_cut_for_it(angle: float, side: float) -> None:
    y, x = np.mgrid[0:500, 0:700]
    image = np.stack([x / 3, y / 2, (x + y) / 5], axis=-1).astype(np.uint8)  # a slope, which averages do not change
    face = _tilted((260, 190, side, side), angle)
    whole = cv2.getRotationMatrix2D((260 + side / 2, 190 + side / 2), angle, 48 / side)
    whole[:, 2] += 24 - np.array([260 + side / 2, 190 + side / 2])
    expected = cv2.warpAffine(image, whole, (48, 48))
    assert np.abs(aligned_crop(image, face, 48, 0.0).astype(int) - expected).max() <= 2


def test_a_fine_pattern_does_not_alias_in_a_small_crop() -> None:
    image = np.zeros((600, 600, 3), np.uint8)
    image[:, ::2] = 255  # stripes of one pixel: grey from afar
    crop = aligned_crop(image, _tilted((100, 100, 400, 400)), 100, 0.0)
    assert np.abs(crop.astype(int) - 128).max() < 20
