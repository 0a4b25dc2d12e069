"""Backends whose weights no package carries, run by their real loading code on hand-made files (face_models.py)."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from face_cases import astronaut, files_of, six_people
from face_models import write_scrfd, write_ssd, write_yunet
from onscreen.errors import ConfigError
from onscreen.faces import detectors
from onscreen.faces.backends.candidates import Candidate, shrunk
from onscreen.faces.backends.opencv_detectors import OpenCvSsd, OpenCvYuNet
from onscreen.faces.backends.scrfd import Scrfd

POINTS = (8.0, 10.0, 24.0, 12.0, 16.0, 18.0, 10.0, 26.0, 22.0, 27.0)  # from the place: eyes, nose, mouth corners
needs_mtcnn = pytest.mark.skipif(
    find_spec("mtcnn") is None or find_spec("tensorflow") is None,
    reason="the extra mtcnn is not installed: pip install -c constraints.txt mtcnn tensorflow-cpu",
)


def grey_with_red(height: int, width: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    image = np.full((height, width, 3), 110, np.uint8)
    image[top:bottom, left:right] = (255, 0, 0)
    return image


def candidates(backend: detectors.Backend, image: np.ndarray) -> list[Candidate]:
    found = backend.postprocess(backend.infer(backend.preprocess(image)))
    backend.close()
    return found


def scrfd(folder: Path, score: float, name: str = "det_10g.onnx") -> Scrfd:
    return Scrfd({name: write_scrfd(folder / name, score, (16, 8, 32, 48), POINTS)}, name)


def yunet(folder: Path, score: float) -> OpenCvYuNet:
    name = "face_detection_yunet_2023mar.onnx"
    return OpenCvYuNet({name: write_yunet(folder / name, score, (10, 20, 40, 50), POINTS)})


def ssd(folder: Path, score: float) -> OpenCvSsd:
    return OpenCvSsd(write_ssd(folder, score, (6, -3, 60, 90)))


@pytest.mark.parametrize("name", ["det_10g.onnx", "det_500m.onnx"])
def test_scrfd_reports_boxes_and_eyes_in_pixels_of_a_wide_image(tmp_path: Path, name: str) -> None:
    # 400 x 300 fills 640 x 480 of the input, 1.6 to one: the patch is the place (160, 120) there
    [face] = candidates(scrfd(tmp_path, 0.8, name), grey_with_red(300, 400, 99, 74, 105, 80))
    assert face.probability == pytest.approx(0.8, abs=0.001)
    assert face.box == pytest.approx(((160 - 16) / 1.6, (120 - 8) / 1.6, 48 / 1.6, 56 / 1.6), abs=0.01)
    assert face.eyes is not None
    np.testing.assert_allclose(face.eyes, [(168 / 1.6, 130 / 1.6), (184 / 1.6, 132 / 1.6)], atol=0.01)


def test_scrfd_reports_boxes_in_pixels_of_a_tall_image(tmp_path: Path) -> None:
    # 600 x 1280 fills 300 x 640 of the input: the patch is the place (96, 400) there
    [face] = candidates(scrfd(tmp_path, 0.8), grey_with_red(1280, 600, 190, 798, 206, 814))
    assert face.box == pytest.approx(((96 - 16) * 2, (400 - 8) * 2, 96, 112), abs=0.01)


@pytest.mark.parametrize("longer", [320, 1280])
def test_yunet_reports_boxes_and_eyes_in_pixels_of_small_and_large_images(tmp_path: Path, longer: int) -> None:
    factor = max(1, longer // 640)
    image = grey_with_red(longer * 5 // 8, longer, 80 * factor, 40 * factor, 88 * factor, 48 * factor)
    [face] = candidates(yunet(tmp_path, 0.7), image)
    assert face.probability == pytest.approx(0.7, abs=0.001)
    assert face.box == pytest.approx([factor * value for value in (80 + 10 - 20, 40 + 20 - 25, 40, 50)], abs=0.1)
    assert face.eyes is not None
    np.testing.assert_allclose(face.eyes, factor * np.array([(88, 50), (104, 52)]), atol=0.1)


def test_ssd_reports_boxes_in_pixels_of_a_wide_image(tmp_path: Path) -> None:
    # 600 x 450 is squeezed into 300 x 300: the patch is the cell whose middle is (105, 75) there
    [face] = candidates(ssd(tmp_path, 0.9), grey_with_red(450, 600, 180, 90, 240, 135))
    assert face.probability == pytest.approx(0.9, abs=0.02)  # so the mean was taken away: without it, 0.05 or less
    assert face.box == pytest.approx(((105 + 6 - 30) * 2, (75 - 3 - 45) * 1.5, 120, 135), abs=2)
    assert face.eyes is None


@pytest.mark.parametrize("make", [scrfd, yunet, ssd])
def test_every_score_above_the_floor_is_a_candidate_and_none_below_it(
    tmp_path: Path, make: Callable[[Path, float], detectors.Backend]
) -> None:
    image = grey_with_red(480, 640, 180, 96, 260, 192)
    assert candidates(make(tmp_path, 0.3), image)
    assert candidates(make(tmp_path, 0.05), image) == []
    assert candidates(make(tmp_path, 0.9), grey_with_red(480, 640, 0, 0, 0, 0)) == []


# The astronaut in the left part of a picture of 640 x 512: her face is 104 px wide around (222, 118). At its right a red patch,
# by which a model that was made so sees her face. left, top, right, bottom of the patch, and the place that fires.
_PATCH, _PLACE = (560, 96, 568, 104), (560, 96)
_SSD_CELL, _SSD_PLACE = (512, 102, 576, 154), (544, 128)
_EYES = (203, 101, 247, 103, 222, 125, 205, 146, 240, 146)


def _from_place(*points: float) -> tuple[float, ...]:
    return tuple(value - _PLACE[index % 2] for index, value in enumerate(points))


def _scrfd_files(folder: Path, score: float) -> Mapping[str, Path]:
    left, top, right, bottom = _from_place(170, 66, 274, 170)
    return {"det_10g.onnx": write_scrfd(folder / "det_10g.onnx", score, (-left, -top, right, bottom), _from_place(*_EYES))}


def _yunet_files(folder: Path, score: float) -> Mapping[str, Path]:
    name = "face_detection_yunet_2023mar.onnx"
    return {name: write_yunet(folder / name, score, (*_from_place(222, 118), 104, 104), _from_place(*_EYES))}


def _ssd_files(folder: Path, score: float) -> Mapping[str, Path]:
    across, down = 300 / 640, 300 / 512
    middle = ((222 - _SSD_PLACE[0]) * across, (118 - _SSD_PLACE[1]) * down)
    return write_ssd(folder, score, (*middle, 104 * across, 104 * down))


FILES = {"retinaface": (_scrfd_files, _PATCH), "yunet": (_yunet_files, _PATCH), "ssd": (_ssd_files, _SSD_CELL)}


@pytest.mark.parametrize("name", FILES)
def test_a_face_gets_its_five_points_whichever_backend_saw_it(tmp_path: Path, name: str) -> None:
    write, (left, top, right, bottom) = FILES[name]
    image = np.full((512, 640, 3), 90, np.uint8)
    image[:, :512] = astronaut()
    image[top:bottom, left:right] = (255, 0, 0)
    detect = detectors.create(name, {**write(tmp_path, 0.9), **files_of(("mediapipe_face_mesh",))})
    [face] = detect(image)
    assert 0.8 < face.score <= 0.92
    np.testing.assert_allclose(face.landmarks[:3], [(203, 101), (247, 103), (222, 125)], atol=5)
    elsewhere = image.copy()
    elsewhere[:, :512] = 90  # the backend is as sure as before, and there is no face
    assert detect(elsewhere) == []
    detect.close()


@pytest.mark.parametrize(("name", "wanted"), [("retinaface", 0.9), ("retinaface_s", 0.6)])
def test_each_retinaface_takes_its_own_pack_when_the_embedder_brings_the_other(tmp_path: Path, name: str, wanted: float) -> None:
    left, top, right, bottom = _from_place(170, 66, 274, 170)
    packs = {
        file: write_scrfd(tmp_path / file, score, (-left, -top, right, bottom), _from_place(*_EYES))
        for file, score in (("det_10g.onnx", 0.9), ("det_500m.onnx", 0.6))
    }
    image = np.full((512, 640, 3), 90, np.uint8)
    image[:, :512] = astronaut()
    image[96:104, 560:568] = (255, 0, 0)
    detect = detectors.create(name, {**packs, **files_of(("mediapipe_face_mesh",))})
    [face] = detect(image)
    assert face.score == pytest.approx(wanted, abs=0.03)
    detect.close()


def test_large_images_are_shrunk_and_small_ones_are_not() -> None:
    image = six_people()
    small, factor = shrunk(image, 640)
    assert small.shape == (443, 640, 3)
    assert factor == 2
    same, factor = shrunk(image, 1280)
    np.testing.assert_array_equal(same, image)
    assert factor == 1
    assert shrunk(np.zeros((1, 4000), np.uint8), 640)[0].shape == (1, 640)


@needs_mtcnn
def test_mtcnn_finds_six_people_and_their_eyes() -> None:
    detect = detectors.create("mtcnn", files_of(detectors.WEIGHTS["mtcnn"]))
    [face] = detect(astronaut())
    np.testing.assert_allclose(face.landmarks[:3], [(203, 101), (247, 103), (222, 125)], atol=5)
    assert len(detect(six_people())) == 6
    assert detect(np.zeros((16, 16, 3), np.uint8)) == []
    detect.close()


@pytest.mark.skipif(
    find_spec("mtcnn") is not None and find_spec("tensorflow") is not None,
    reason="is about mtcnn's packages being absent; here they are installed",
)
def test_mtcnn_without_its_packages_is_one_clear_error() -> None:
    for call in (lambda: detectors.require("mtcnn"), lambda: detectors.create("mtcnn", files_of(("mediapipe_face_mesh",)))):
        with pytest.raises(ConfigError, match=r"pip install -c constraints\.txt mtcnn tensorflow-cpu"):
            call()


@pytest.mark.parametrize("name", [name for name in detectors.WEIGHTS if name != "mtcnn"])
def test_other_detectors_need_no_further_package(name: str) -> None:
    detectors.require(name)
