"""A folder that a person brought: files are found by name, checked or pinned, and everything is told."""

import zipfile
from pathlib import Path

import pytest

from onscreen import weights
from onscreen.errors import InputError, WeightsError
from onscreen.weights_import import import_folder
from weights_cases import MODEL, sha256, use_catalogue

OTHER = b"other model" * 1000


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and a catalogue of: known (sha256 published), new (none), pack (a zip's member), packaged."""
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path / "home"))
    use_catalogue(
        monkeypatch,
        {
            "known": f'[known.files."k.onnx"]\nsha256 = "{sha256(MODEL)}"\nurls = ["https://example.org/k.onnx"]\n',
            "new": '[new.files."n.dat"]\nurls = ["https://example.org/n.dat"]\n',
            "pack": f'zip = ["https://example.org/pack.zip"]\n[pack.files."p.onnx"]\nsha256 = "{sha256(OTHER)}"\n',
            "packaged": f'package = "onscreen"\n[packaged.files."weights.toml"]\nsha256 = "{sha256(b"")}"\n',
        },
    )
    folder = tmp_path / "brought"
    folder.mkdir()
    return folder


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_files_are_found_anywhere_below_and_inside_zips(brought: Path) -> None:
    put(brought, {"deep/er/k.onnx": MODEL, "n.dat": MODEL, "readme.txt": b"hello"})
    with zipfile.ZipFile(brought / "deep" / "buffalo.ZIP", "w") as archive:
        archive.writestr("any/where/p.onnx", OTHER)
    result = import_folder(brought)
    assert {(name, file) for name, file, _ in result.taken} == {("known", "k.onnx"), ("new", "n.dat"), ("pack", "p.onnx")}
    assert (result.refused, result.missing, result.failed) == ([], [], False)
    assert weights.path_of("known", "k.onnx").read_bytes() == MODEL
    assert weights.path_of("pack", "p.onnx").read_bytes() == OTHER
    assert weights.pins()["new"]["n.dat"]["from"] == str(brought / "n.dat")


def test_a_single_file_may_be_named(brought: Path) -> None:
    put(brought, {"k.onnx": MODEL})
    assert [file for _, file, _ in import_folder(brought / "k.onnx").taken] == ["k.onnx"]


def test_a_wrong_file_is_refused_by_name_and_nothing_takes_its_place(brought: Path) -> None:
    put(brought, {"k.onnx": OTHER})
    result = import_folder(brought)
    assert result.failed
    assert result.taken == []
    [(file, where, why)] = result.refused
    assert (file, where) == ("k.onnx", str(brought / "k.onnx"))
    assert sha256(OTHER) in why
    assert sha256(MODEL) in why
    assert ("known", "k.onnx") in result.missing
    assert not weights.place(weights.model("known"), "k.onnx").exists()


def test_the_right_copy_is_taken_when_a_wrong_one_lies_beside_it(brought: Path) -> None:
    put(brought, {"a/k.onnx": OTHER, "b/k.onnx": MODEL})
    result = import_folder(brought)
    assert [origin for _, _, origin in result.taken] == [str(brought / "b" / "k.onnx")]
    assert [where for _, where, _ in result.refused] == [str(brought / "a" / "k.onnx")]
    assert not result.failed


def test_two_different_files_are_not_chosen_from_when_no_sha256_is_published(brought: Path) -> None:
    put(brought, {"a/n.dat": OTHER, "b/n.dat": MODEL})
    result = import_folder(brought)
    assert result.failed
    assert len(result.refused) == 2
    assert weights.pins() == {}


def test_a_pinned_file_takes_no_other(brought: Path) -> None:
    put(brought, {"n.dat": MODEL})
    import_folder(brought)
    put(brought, {"n.dat": OTHER})
    assert import_folder(brought).failed
    assert weights.path_of("new", "n.dat").read_bytes() == MODEL


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"<html>"])
def test_what_is_no_model_is_refused_and_not_pinned(brought: Path, content: bytes) -> None:
    put(brought, {"n.dat": content})
    result = import_folder(brought)
    assert result.failed
    assert "no model" in result.refused[0][2]
    assert weights.pins() == {}


def test_a_file_at_the_place_that_is_wrong_is_replaced_by_the_right_one(brought: Path) -> None:
    place = weights.place(weights.model("known"), "k.onnx")
    put(place.parent, {"k.onnx": OTHER})
    put(brought, {"k.onnx": MODEL})
    assert not import_folder(brought).failed
    assert weights.path_of("known", "k.onnx").read_bytes() == MODEL


def test_what_is_here_already_is_said_and_stays(brought: Path) -> None:
    put(brought, {"k.onnx": MODEL})
    import_folder(brought)
    before = weights.path_of("known", "k.onnx").stat().st_mtime_ns
    assert import_folder(brought).taken == [("known", "k.onnx", "was here already")]
    assert weights.path_of("known", "k.onnx").stat().st_mtime_ns == before


def test_a_broken_zip_is_refused_by_name_and_the_rest_is_taken(brought: Path) -> None:
    put(brought, {"k.onnx": MODEL})
    with zipfile.ZipFile(brought / "pack.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.onnx", bytes(range(256)) * 100)
    data = bytearray((brought / "pack.zip").read_bytes())
    data[60:80] = bytes(20)
    (brought / "pack.zip").write_bytes(data)
    result = import_folder(brought)
    assert [file for _, file, _ in result.taken] == ["k.onnx"]
    assert [(file, where) for file, where, _ in result.refused] == [("p.onnx", f"p.onnx in {brought / 'pack.zip'}")]
    assert result.failed


@pytest.mark.parametrize(("name", "failed"), [("pack.zip", True), ("holiday.zip", False)])
def test_a_zip_that_was_cut_off_is_named_and_fails_when_the_catalogue_knows_it(brought: Path, name: str, failed: bool) -> None:
    put(brought, {name: b"PK\x03\x04 and then nothing", "k.onnx": MODEL})
    result = import_folder(brought)
    assert [file for file, _, _ in result.refused] == [name]
    assert result.failed == failed
    assert [file for _, file, _ in result.taken] == ["k.onnx"]


def test_packages_are_left_alone(brought: Path) -> None:
    put(brought, {"weights.toml": b""})
    put(brought, {"k.onnx": MODEL})
    result = import_folder(brought)
    assert "weights.toml" not in {file for _, file, _ in result.taken}
    assert "packaged" not in {name for name, _ in result.missing}


def test_a_folder_without_a_model_file_is_an_error_that_names_what_could_be_there(brought: Path) -> None:
    put(brought, {"holiday.jpg": b"photo"})
    with pytest.raises(WeightsError, match="no model file found in") as error:
        import_folder(brought)
    assert all(name in str(error.value) for name in (str(brought), "k.onnx", "n.dat", "p.onnx"))
    put(brought, {"holiday.zip": b"PK\x03\x04 and then nothing"})
    assert import_folder(brought).failed


def test_another_file_of_the_name_of_one_that_is_here_and_right_is_not_refused(brought: Path) -> None:
    put(brought, {"k.onnx": MODEL})
    import_folder(brought)
    put(brought, {"k.onnx": OTHER})
    result = import_folder(brought)
    assert (result.taken, result.refused, result.failed) == ([("known", "k.onnx", "was here already")], [], False)
    assert weights.path_of("known", "k.onnx").read_bytes() == MODEL


def test_a_folder_that_does_not_exist_is_named(brought: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        import_folder(brought / "nowhere")
