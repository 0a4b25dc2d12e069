"""The network read from dlib's file against dlib's own runner, and files that are no such network."""

from functools import cache
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from face_cases import astronaut, detector, embedder, files_of, five_of_six, six_people
from onscreen.errors import WeightsError
from onscreen.faces.dlib_file import read_network
from onscreen.faces.dlib_resnet import DlibResNet
from real_data import DATA, needs_real_data

FILE = "dlib_face_recognition_resnet_model_v1.dat"


@cache
def _path() -> Path:
    return files_of(("dlib_resnet",))[FILE]


@cache
def _both() -> tuple[DlibResNet, dlib.face_recognition_model_v1]:
    return DlibResNet(_path()), dlib.face_recognition_model_v1(str(_path()))


def _chips(*images: np.ndarray) -> np.ndarray:
    return np.array([embedder().preprocess(image, face) for image in images for face in detector()(image)])


def _compare(chips: np.ndarray) -> None:
    ours, dlibs = _both()
    expected = np.array([np.array(dlibs.compute_face_descriptor(chip)) for chip in chips])
    vectors = ours(chips)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    assert (1 - (vectors * expected).sum(1) / lengths).max() < 1e-6


def test_it_gives_what_dlib_gives() -> None:
    _compare(np.array([*_chips(astronaut()), *(embedder().preprocess(six_people(), face) for face in five_of_six())]))


def test_it_gives_what_dlib_gives_for_pictures_that_are_no_faces() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3)).astype(np.uint8)
    _compare(np.array([np.zeros_like(noise), np.full_like(noise, 255), noise]))


@needs_real_data
def test_it_gives_what_dlib_gives_for_ten_people() -> None:
    paths = [sorted(person.glob("*.jpg"))[0] for person in sorted((DATA / "faces" / "lfw10").iterdir()) if person.is_dir()]
    chips = _chips(*(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]) for path in paths))
    assert len(chips) >= 10
    _compare(chips)


def test_a_chip_gets_the_same_vector_alone_and_among_others() -> None:
    chips = _chips(astronaut(), six_people())
    together = _both()[0](chips)
    alone = np.array([_both()[0](chip[None])[0] for chip in chips])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_file_holds_the_network_that_dlib_describes() -> None:
    network = read_network(_path())
    np.testing.assert_allclose(network.average, [122.782, 117.001, 104.298], atol=1e-4)
    kinds = [layer.kind for layer in network.layers]
    assert (kinds.count("con"), kinds.count("affine"), kinds.count("add_prev2")) == (29, 29, 4)


@pytest.mark.parametrize("kept", [0, 1, 20, 400, 5_000, 10_000_000, 22_466_065])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    (tmp_path / FILE).write_bytes(_path().read_bytes()[:kept])
    with pytest.raises(WeightsError, match=f"{FILE} is not dlib's face recognition network"):
        DlibResNet(tmp_path / FILE)


def test_a_file_with_more_behind_its_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(_path().read_bytes() + b"\x00")
    with pytest.raises(WeightsError, match="the end of the file"):
        DlibResNet(tmp_path / FILE)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    data = bytearray(_path().read_bytes())
    first = data.index(b"con_4") + 5 + 11  # the name, the tensor's version and shape
    data[first : first + 4] = np.array([np.nan], "<f4").tobytes()
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(WeightsError, match="finite weights"):
        DlibResNet(tmp_path / FILE)


def test_a_changed_byte_of_the_structure_is_refused_and_crashes_nothing(tmp_path: Path) -> None:
    data = _path().read_bytes()
    draw = np.random.default_rng(0)
    for at in draw.integers(40, data.index(b"input_rgb_image_sized") + 21, 25):  # versions of layers, the input's name
        changed = bytearray(data)
        changed[at] ^= 0x40
        (tmp_path / FILE).write_bytes(changed)
        with pytest.raises(WeightsError):
            read_network(tmp_path / FILE)


def test_another_dlib_file_is_refused() -> None:
    other = _path().with_name("shape_predictor_5_face_landmarks.dat")
    with pytest.raises(WeightsError, match="at byte"):
        DlibResNet(other)
