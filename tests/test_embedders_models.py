"""DeepFace's and InsightFace's embedders: their real loading code on stub models, against what those libraries do by themselves."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import cv2
import numpy as np
import pytest

from embedder_cases import STUBBED, mean_colours, stub
from face_cases import astronaut, detector
from onscreen.config import Faces
from onscreen.errors import ConfigError, Rejected, WeightsError
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import WEIGHTS, create, embed
from onscreen.faces.embedders_deepface import NETWORKS
from onscreen.faces.embedders_insightface import FILES

_DEEPFACE_ITSELF = """
import json, sys
import cv2
from deepface import DeepFace
image = cv2.imread(sys.argv[1])
found = {}
for name in sys.argv[2:]:
    [face] = DeepFace.represent(image, model_name=name, detector_backend="opencv")
    found[name] = face
from deepface.modules import modeling
built = modeling.cached_models["facial_recognition"]
shapes = {name: [*built[name].input_shape, built[name].output_shape] for name in built}
print(json.dumps({"faces": found, "shapes": shapes}))
"""

_OURS_ALONE = """
import json, os, sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(guard)
from pathlib import Path
import numpy as np
from onscreen.faces.detectors import Detection
from onscreen.faces.embedders import create, embed
face = Detection((30.0, 20.0, 60.0, 80.0), np.random.default_rng(0).uniform(30, 90, (468, 2)).astype(np.float32), 1.0)
image = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
files = {path.name: path for path in Path(sys.argv[1]).iterdir()}
lengths = {name: float(np.linalg.norm(embed(create(name, files), image, face))) for name in sys.argv[2:]}
print(json.dumps({"lengths": lengths, "loaded": [name for name in ("tensorflow", "keras", "torch") if name in sys.modules]}))
"""


def _face(image: np.ndarray) -> Detection:
    return detector()(image)[0]


def _at(box: tuple[float, float, float, float], eyes: np.ndarray) -> Detection:
    """A face whose eyes, from left to right, lie exactly there."""
    mesh = np.tile(np.float32([box[0] + box[2] / 2, box[1] + box[3] / 2]), (468, 1))
    mesh[[33, 133, 159, 145]] = eyes[0]
    mesh[[263, 362, 386, 374]] = eyes[1]
    return Detection(box, mesh, 1.0)


@cache
def _tilted() -> np.ndarray:
    height, width = astronaut().shape[:2]
    return cv2.warpAffine(astronaut(), cv2.getRotationMatrix2D((222, 115), 15, 1), (width, height))


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_every_embedder_that_params_allow_names_its_weights() -> None:
    assert set(WEIGHTS) == set(get_args(Faces.model_fields["embedder"].annotation))


@pytest.mark.parametrize("name", STUBBED)
def test_an_embedding_is_a_unit_vector_of_its_length(tmp_path: Path, name: str) -> None:
    embedder = create(name, stub(tmp_path, name))
    vector = embed(embedder, astronaut(), _face(astronaut()))
    assert vector.shape == (embedder.dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_deepface_gives_the_same_vectors_for_the_same_boxes_and_eyes(tmp_path: Path) -> None:
    weights = tmp_path / ".deepface" / "weights"
    weights.mkdir(parents=True)
    files = {name: stub(weights, name) for name in NETWORKS}
    cv2.imwrite(str(tmp_path / "tilted.png"), _tilted()[..., ::-1])
    environment = {
        "DEEPFACE_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "DEEPFACE_BACKEND_ENGINE": "onnx",
        "DEEPFACE_LOG_LEVEL": "40",
    }
    command = [sys.executable, "-c", _DEEPFACE_ITSELF, str(tmp_path / "tilted.png"), *NETWORKS]
    told = json.loads(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    )
    for name, network in NETWORKS.items():
        assert told["shapes"][name] == [network.width, network.height, network.dim]
        theirs, area = np.array(told["faces"][name]["embedding"]), told["faces"][name]["facial_area"]
        eyes = np.array([area["right_eye"], area["left_eye"]])  # the person's own right is at the left
        assert eyes[0, 0] < eyes[1, 0]
        assert abs(eyes[0, 1] - eyes[1, 1]) > 5  # the face is tilted, so turning it matters
        ours = embed(create(name, files[name]), _tilted(), _at((area["x"], area["y"], area["w"], area["h"]), eyes))
        np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs), atol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_insightface_gives_the_same_vectors_for_the_same_landmarks(tmp_path: Path, name: str) -> None:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    files, face = stub(tmp_path, name), _face(_tilted())
    theirs = ArcFaceONNX(str(files[FILES[name]])).get(_tilted()[..., ::-1].copy(), SimpleNamespace(kps=face.landmarks))
    np.testing.assert_allclose(embed(create(name, files), _tilted(), face), theirs / np.linalg.norm(theirs), atol=1e-6)


@pytest.mark.parametrize("name", STUBBED)
def test_colours_reach_the_model_in_its_order_and_range(tmp_path: Path, name: str) -> None:
    image = np.full((200, 200, 3), (200, 100, 50), np.uint8)  # red, green, blue
    embedder = create(name, stub(tmp_path, name, mean_colours(name)))
    face = _at((50.0, 50.0, 100.0, 100.0 * (55 / 47 if name == "DeepID" else 1)), np.array([[80, 90], [120, 90]]))
    face.mesh[[4, 61, 291]] = [[100, 112], [84, 132], [117, 132]]
    if name in FILES:
        expected = [(value - 127.5) / 127.5 for value in (200, 100, 50)]
    else:
        expected = [200, 100, 50] if name == "SFace" else [50 / 255, 100 / 255, 200 / 255]
    found = np.asarray(embedder.infer(embedder.preprocess(image, face)))[:3]
    if name == "VGG-Face":
        expected = expected / np.linalg.norm(expected)  # its client normalises
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("name", ["Facenet", "ArcFace", "buffalo_l"])
def test_a_tilted_head_is_turned_upright(tmp_path: Path, name: str) -> None:
    embedder, face = create(name, stub(tmp_path, name)), _face(_tilted())
    level = face.mesh.copy()  # the same face, as if its eyes lay level
    level[:, 1] -= np.tan(np.arctan2(*(face.landmarks[1] - face.landmarks[0])[::-1])) * (level[:, 0] - level[:, 0].mean())
    upright = embedder.preprocess(astronaut(), _face(astronaut()))
    turned, left = (embedder.preprocess(_tilted(), Detection(face.box, mesh, 1.0)) for mesh in (face.mesh, level))
    assert _likeness(upright, turned) > _likeness(upright, left) + 0.1
    assert _likeness(upright, turned) > 2 * _likeness(upright, turned[::-1, ::-1])


@pytest.mark.parametrize("name", ["Facenet", "DeepID", "buffalo_s"])
def test_a_box_that_reaches_out_of_the_image_is_filled_with_black(tmp_path: Path, name: str) -> None:
    cut = np.ascontiguousarray(astronaut()[60:, 190:])
    face, embedder = _face(astronaut()), create(name, stub(tmp_path, name))
    x, y, width, height = face.box
    assert x < 190
    moved = Detection((x - 190, y - 60, width, height), face.mesh - np.float32([190, 60]), 1.0)
    blackened = astronaut().copy()
    blackened[:60], blackened[:, :190] = 0, 0
    np.testing.assert_allclose(embed(embedder, cut, moved), embed(embedder, blackened, face), atol=1e-4)


@pytest.mark.parametrize("box", [(20.0, 20.0, 0.4, 0.4), (900.0, 20.0, 80.0, 80.0), (-200.0, 20.0, 80.0, 80.0)])
def test_a_box_without_a_pixel_is_rejected(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    face = _at(box, np.array([[20, 20], [21, 20]]))
    with pytest.raises(Rejected, match="empty_chip"):
        embed(create("Facenet", stub(tmp_path, "Facenet")), astronaut(), face)


@pytest.mark.parametrize(("value", "detail"), [(0.0, "all zeros"), (np.nan, "not finite"), (np.inf, "not finite")])
@pytest.mark.parametrize("name", STUBBED)
def test_a_model_that_gives_no_direction_is_rejected(tmp_path: Path, name: str, value: float, detail: str) -> None:
    embedder = create(name, stub(tmp_path, name, np.full_like(mean_colours(name), value)))
    with pytest.raises(Rejected, match=detail) as caught:
        embed(embedder, astronaut(), _face(astronaut()))
    assert caught.value.code == "bad_embedding"


@pytest.mark.parametrize("name", STUBBED)
def test_a_file_that_is_no_model_or_another_one_is_refused(tmp_path: Path, name: str) -> None:
    files = stub(tmp_path, name)
    [(file, path)] = files.items()
    with pytest.raises(WeightsError, match="cannot load"):
        create(name, {file: tmp_path / "missing.onnx"})
    other = "VGG-Face" if name != "VGG-Face" else "OpenFace"
    [wrong] = stub(tmp_path, other).values()
    with pytest.raises(WeightsError, match="takes"):
        create(name, {file: wrong})
    path.write_bytes(b"<html>Not Found</html>")
    with pytest.raises(WeightsError, match="cannot load"):
        create(name, files)


def test_each_model_runs_on_one_thread(tmp_path: Path) -> None:
    deepface, insightface = (create(name, stub(tmp_path, name)) for name in ("Facenet512", "buffalo_l"))
    for session in (deepface._client.model, insightface._model.session):
        assert session.get_session_options().intra_op_num_threads == 1


def test_nothing_is_fetched_nothing_is_written_and_no_other_framework_starts(tmp_path: Path) -> None:
    home, models = tmp_path / "home", tmp_path / "models"
    home.mkdir()
    models.mkdir()
    for name in STUBBED:
        stub(models, name)
    command = [sys.executable, "-c", _OURS_ALONE, str(models), *STUBBED]
    environment = {"HOME": str(home), "PYTHONPATH": ":".join(path for path in sys.path if path)}
    told = json.loads(
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    )
    assert set(told["lengths"]) == set(STUBBED)
    assert told["loaded"] == []
    assert [path for path in home.rglob("*") if "matplotlib" not in str(path)] == []


def test_an_unknown_embedder_is_named() -> None:
    with pytest.raises(ConfigError, match="GhostFaceNet is not an embedder"):
        create("GhostFaceNet", {})
