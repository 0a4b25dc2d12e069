"""Weights: the catalogue, the check of every file, where files go, one fetch for all."""

import hashlib
import re
from pathlib import Path

import pytest

from onscreen import weights
from onscreen.config import Params
from onscreen.errors import WeightsError
from onscreen.faces import background, detectors, embedders
from onscreen.motion import poses
from onscreen.store import write_json
from onscreen.voices import speech

PACKAGED, FETCHED = "dlib_resnet", "mediapipe_selfie"
FILE = "selfie_segmentation.tflite"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    return tmp_path


def test_every_model_says_where_it_is_from_its_licence_and_what_it_was_trained_on() -> None:
    for entry in weights.catalogue().values():
        by_urls = [bool(file.urls) for file in entry.files.values()]
        assert [entry.package is not None, entry.wheel is not None, bool(entry.zip), all(by_urls)].count(True) == 1, entry.name
        assert all((entry.about, entry.used_for, entry.licence, entry.trained_on, entry.files)), entry.name
        assert all(url.startswith("https://") for file in entry.files.values() for url in (*file.urls, *entry.zip)), entry.name


def test_only_what_deepface_converted_has_no_published_sha256() -> None:
    unpublished = {entry.name for entry in weights.catalogue().values() for file in entry.files.values() if file.sha256 is None}
    assert unpublished == {"facenet", "facenet512", "vgg_face", "openface", "deepid", "arcface"}
    published = [file.sha256 for entry in weights.catalogue().values() for file in entry.files.values() if file.sha256]
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in published)
    assert len(set(published)) == len(published)


def test_a_file_name_belongs_to_one_model() -> None:
    names = [file for entry in weights.catalogue().values() for file in entry.files]
    assert len(set(names)) == len(names)


def test_params_as_shipped_need_no_model_that_must_be_named() -> None:
    params = Params()
    faces = (*detectors.WEIGHTS[params.faces.detector], *embedders.WEIGHTS[params.faces.embedder])
    needed = (*faces, params.voices.embedder, speech.WEIGHTS, *poses.WEIGHTS_OF["mediapipe"], *background.WEIGHTS)
    assert [name for name in needed if weights.model(name).must_be_named] == []


@pytest.mark.parametrize(("key", "table"), [("detector", detectors.WEIGHTS), ("embedder", embedders.WEIGHTS)])
def test_a_model_says_which_parameter_asks_for_it(key: str, table: dict[str, tuple[str, ...]]) -> None:
    for value, names in table.items():
        for name in names:
            used_for = weights.model(name).used_for
            assert f"faces.{key}: {value}" in used_for.split("; ") or f"every faces.{key}" in used_for, (value, name)


def test_every_model_of_the_catalogue_is_used_by_its_name() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(weights.__file__).parent.rglob("*.py")]
    assert [name for name in weights.catalogue() if not any(f'"{name}"' in source for source in sources)] == []


def test_a_packaged_file_is_found_and_is_the_one_on_record() -> None:
    weights.ensure([PACKAGED])
    file = next(iter(weights.model(PACKAGED).files))
    path = weights.path_of(PACKAGED, file)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == weights.model(PACKAGED).files[file].sha256


def test_a_missing_file_is_an_error_that_names_it_its_sha256_the_command_and_the_place(home: Path) -> None:
    with pytest.raises(WeightsError) as error:
        weights.path_of(FETCHED, FILE)
    message = str(error.value)
    assert weights.model(FETCHED).files[FILE].sha256 in message
    assert f"onscreen weights pull {FETCHED}" in message
    assert str(home / ".weights" / FETCHED / FILE) in message


def test_another_file_under_the_right_name_is_refused(home: Path) -> None:
    place = home / ".weights" / FETCHED / FILE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"not the model")
    with pytest.raises(WeightsError, match="another file"):
        weights.path_of(FETCHED, FILE)


def test_a_file_that_changes_after_it_was_checked_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"right")
    digest = hashlib.sha256(b"right").hexdigest()
    assert weights._is_right(path, digest)
    path.write_bytes(b"wrong!")
    assert not weights._is_right(path, digest)


def test_unknown_models_and_files_are_errors_that_list_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="dlib_resnet"):
        weights.digest_of("nope")
    with pytest.raises(WeightsError, match=r"selfie_segmentation\.tflite"):
        weights.path_of(FETCHED, "nope")


def test_the_digest_needs_no_file_and_differs_between_models(home: Path) -> None:
    published = [entry.name for entry in weights.catalogue().values() if all(file.sha256 for file in entry.files.values())]
    assert len({weights.digest_of(name) for name in published}) == len(published) > 15
    assert list(home.iterdir()) == []


def test_the_digest_of_a_file_that_never_came_and_has_no_published_sha256_is_an_error_that_says_how_to_get_it(home: Path) -> None:
    with pytest.raises(WeightsError, match="onscreen weights pull facenet"):
        weights.digest_of("facenet")


def test_the_digest_is_what_it_was_so_that_cached_measurements_stay_valid() -> None:
    """Over "name sha256" lines, as before there were pins."""
    file = weights.model(FETCHED).files[FILE]
    assert weights.digest_of(FETCHED) == hashlib.sha256(f"{FILE} {file.sha256}".encode()).hexdigest()


def test_provenance_names_every_file_its_sha256_and_where_that_is_known_from(home: Path) -> None:
    write_json(weights.pins_file(), {"facenet": {"facenet_weights.onnx": {"sha256": "ab" * 32, "from": "x", "on": "2026-01-01"}}})
    found = weights.provenance(["opencv_yunet", "facenet"])
    assert found["face_detection_yunet_2023mar.onnx"].endswith(" (published)")
    assert found["facenet_weights.onnx"] == f"{'ab' * 32} (pinned on first use)"


def test_pins_that_are_not_json_are_named(home: Path) -> None:
    weights.pins_file().parent.mkdir(parents=True)
    weights.pins_file().write_text("{")
    with pytest.raises(WeightsError, match=r"pins\.json is not JSON"):
        weights.digest_of("facenet")


@pytest.mark.parametrize("name", ["buffalo_l", "opencv_yunet", "facenet"])
def test_a_missing_model_from_a_host_of_its_own_is_an_error_with_all_that_a_person_needs(home: Path, name: str) -> None:
    """A stage asks with `ensure`, which never fetches such a model."""
    entry = weights.model(name)
    with pytest.raises(WeightsError) as error:
        weights.ensure([name])
    file = next(iter(entry.files))
    message = str(error.value)
    assert str(home / ".weights" / name / file) in message
    assert (entry.files[file].sha256 or "publish no sha256") in message
    assert f"onscreen weights pull {name}" in message
    assert "onscreen weights import" in message
    assert entry.licence in message
    assert all(url in message for url in (*entry.zip, *entry.files[file].urls))


def test_home_is_the_variable_then_dvcs_root_then_the_checkout_then_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ONSCREEN_HOME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    repo, outside = tmp_path / "repo", tmp_path / "outside"
    for folder in (repo / "src" / "deep", outside):
        folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (repo / name).touch()
    monkeypatch.chdir(repo / "src" / "deep")
    assert weights.home() == repo
    monkeypatch.chdir(outside)
    assert weights.home() == weights._user_cache() / "onscreen"
    monkeypatch.setenv("DVC_ROOT", "/dvc")
    assert weights.home() == Path("/dvc")
    monkeypatch.setenv("ONSCREEN_HOME", "/own")
    assert weights.home() == Path("/own")
