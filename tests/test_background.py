"""The background of a face's picture becomes black."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from onscreen import weights
from onscreen.faces.background import MODEL_FILE, WEIGHTS, mask_background
from real_data import DATA

PHOTOS = sorted((DATA / "faces" / "lfw10").glob("*/*_0001.jpg"))


@pytest.fixture(scope="module")
def model() -> Path:
    weights.ensure(WEIGHTS)
    return weights.path_of(WEIGHTS[0], MODEL_FILE)


def test_a_picture_without_a_person_becomes_black_with_a_share_of_zero(model: Path) -> None:
    masked, share = mask_background(np.full((200, 300, 3), 90, np.uint8), model)
    assert masked.shape == (200, 300, 3)
    assert not masked.any()
    assert share == 0


@pytest.mark.skipif(not PHOTOS, reason=f"no photos in {DATA}")
@pytest.mark.parametrize("photo", PHOTOS[:4], ids=lambda path: path.parent.name)
def test_the_face_stays_as_it_is_and_the_corners_above_it_become_black(photo: Path, model: Path) -> None:
    image = cv2.imread(str(photo))[..., ::-1]
    masked, share = mask_background(image, model)
    middle = slice(115, 135)
    np.testing.assert_array_equal(masked[middle, middle], image[middle, middle])
    assert 0.2 < share < 0.9
    assert not masked[:15, :15].any()
    assert not masked[:15, -15:].any()
    assert share == pytest.approx((masked.any(axis=2)).mean(), abs=0.02)  # black hair may be 0 too
