"""RTMW: the box is shown to the model undistorted and in its colours, peaks come back to their pixels, a wrong file is refused."""

from pathlib import Path

import numpy as np
import pytest

from onscreen import weights
from onscreen.errors import WeightsError
from onscreen.motion.keypoints import INDEX, JOINT_TYPES
from onscreen.motion.poses import BODY_WEIGHTS, open_poses
from onscreen.motion.rtmw import MODEL_FILE, WholeBody, box_of
from pose_cases import spot_finder, standing
from real_data import DATA

SPOTS = {0: (300, 100), 1: (340, 180), 2: (280, 260)}  # channel -> x, y


def picture() -> np.ndarray:
    image = np.zeros((360, 640, 3), np.uint8)
    for channel, (x, y) in SPOTS.items():
        image[y - 1 : y + 2, x - 1 : x + 2, channel] = 255
    return image


@pytest.mark.parametrize(("width", "height"), [(192, 256), (288, 384)])
@pytest.mark.parametrize("box", [(250, 60, 120, 240), (200, 90, 250, 180), (250, -40, 120, 420)])
def test_points_come_back_to_the_pixels_they_were_found_at(
    tmp_path: Path, width: int, height: int, box: tuple[float, float, float, float]
) -> None:
    whole = WholeBody(spot_finder(tmp_path / "spots.onnx", width, height))
    points = whole(picture(), box)
    pixel = max(box[2] / width, box[3] / height) * 1.25
    for channel, place in SPOTS.items():
        found = points[channel::3]
        assert np.abs(found[:, :2] - place).max() <= 1.5 + pixel


def test_red_stays_red_and_the_lower_of_both_maxima_is_the_confidence(tmp_path: Path) -> None:
    """Full red is (255 - 123.675) / 58.395 after normalisation, full blue (255 - 103.53) / 57.375; the model gives 0.3 of it."""
    image = np.zeros((256, 192, 3), np.uint8)
    image[100:140, 60:100] = 255
    points = WholeBody(spot_finder(tmp_path / "spots.onnx"))(image, (19.2, 25.6, 153.6, 204.8))
    np.testing.assert_allclose(points[:3, 2], [0.6747, 0.7286, 0.7920], atol=0.001)
    image[..., 0] = 0
    points = WholeBody(spot_finder(tmp_path / "spots.onnx"))(image, (19.2, 25.6, 153.6, 204.8))
    assert not points[0].any()
    assert points[1:3, 2].min() > 0.7


def test_the_box_holds_the_seen_points_and_a_little_more() -> None:
    x, y, width, height = box_of(standing(300, 340, 300))
    assert (x, y) == (pytest.approx(300 - 54 - 13.8), pytest.approx(340 - 285 - 13.8))
    assert (width, height) == (pytest.approx(108 + 27.6), pytest.approx(276 + 27.6))


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rtmw.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"cannot load rtmw\.onnx"):
        WholeBody(path)


def test_a_model_of_another_number_of_points_is_refused_with_what_it_gives(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"\[1, 3, 256, 192\].*17, 384.*not a picture and 133 rows of 384 and of 512"):
        WholeBody(spot_finder(tmp_path / "rtmw.onnx", points=17))


@pytest.mark.skipif(not (DATA / "dance" / "ref.png").is_file(), reason=f"no picture of a dancer in {DATA}")
def test_the_backend_shows_the_model_the_body_that_it_follows(tmp_path: Path) -> None:
    """A red spot on the dancer's belly is inside the box, one in the corner of the picture is not."""
    import cv2

    weights.ensure(BODY_WEIGHTS)
    files = {file: weights.path_of(name, file) for name in BODY_WEIGHTS for file in weights.model(name).files}
    image = np.ascontiguousarray(cv2.imread(str(DATA / "dance" / "ref.png"))[..., ::-1] // 2)
    with open_poses("rtmw", {**files, MODEL_FILE: spot_finder(tmp_path / "spots.onnx")}) as find:
        height, width = image.shape[:2]
        image[5:15, 5:15] = [255, 0, 0]
        image[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8] = [255, 0, 0]
        seen = find(image, 0.0)
    assert seen.points.shape == (len(JOINT_TYPES), 3)
    assert np.abs(seen.points[INDEX["nose"], :2] - [width / 2, height / 2]).max() < 20
    assert (seen.people, seen.person) == (1, 0)
