"""What a person reads of the models, and the exit codes of `onscreen weights`."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from rich.console import Console

from onscreen import weights
from onscreen.errors import WeightsError
from onscreen.store import write_json
from onscreen.weights_show import print_check, print_list
from weights_cases import MODEL, sha256, use_catalogue


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def screen() -> Console:
    return Console(width=80, file=io.StringIO())


def text_of(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import os, sys; os.environ['ONSCREEN_HOME'] = {str(home)!r}; from onscreen.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, "weights", *arguments], capture_output=True, text=True, timeout=120)


def test_the_list_reads_at_80_columns_and_cuts_nothing(home: Path, screen: Console) -> None:
    print_list(screen)
    shown = text_of(screen)
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "…" not in shown
    joined = "".join(shown.split())
    for entry in weights.catalogue().values():
        for words in (entry.name, entry.about, entry.used_for, entry.licence, entry.trained_on, entry.source):
            assert "".join(words.split()) in joined, words


def test_the_list_tells_published_from_pinned_and_from_neither(
    home: Path, screen: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = 'urls = ["https://example.org/x"]\n'
    use_catalogue(
        monkeypatch,
        {
            "known": f'[known.files."k.onnx"]\nsha256 = "{sha256(MODEL)}"\n{source}',
            "new": f'[new.files."n.onnx"]\n{source}',
            "pinned": f'[pinned.files."p.onnx"]\n{source}',
        },
    )
    write_json(weights.pins_file(), {"pinned": {"p.onnx": {"sha256": sha256(MODEL), "from": "x", "on": "2026-02-03"}}})
    print_list(screen)
    shown = [line.split("sha256")[1].strip() for line in text_of(screen).splitlines() if line.lstrip().startswith("sha256")]
    assert shown == ["published", "not published: the first file to come is pinned", "pinned on first use, 2026-02-03"]


def test_the_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; from rich.console import Console; from onscreen.weights_show import print_list; print_list(Console(quiet=True));"
        "sys.exit(', '.join({'numpy', 'pyarrow', 'torch', 'cv2', 'mediapipe'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_missing_files_are_told_and_only_an_error_when_their_model_is_named(home: Path, screen: Console) -> None:
    print_check(screen, [])
    assert "missing" in text_of(screen)
    with pytest.raises(WeightsError, match=r"w600k_r50\.onnx"):
        print_check(screen, ["buffalo_l"])


def test_a_wrong_file_is_an_error_that_names_it_and_its_place(home: Path, screen: Console) -> None:
    place = weights.place(weights.model("opencv_yunet"), "face_detection_yunet_2023mar.onnx")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"another model")
    with pytest.raises(WeightsError, match="another file") as error:
        print_check(screen, [])
    assert str(place) in str(error.value)


def test_check_of_a_model_that_is_right_exits_with_0_and_of_a_missing_one_with_1(home: Path) -> None:
    assert command(home, "check", "dlib_resnet").returncode == 0
    missing = command(home, "check", "opencv_yunet")
    assert missing.returncode == 1
    assert "onscreen weights pull opencv_yunet" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_import_prints_what_it_took_refused_and_misses_and_exits_with_1_for_a_wrong_file(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / "facenet_weights.onnx").write_bytes(MODEL)
    assert "no whole ONNX model" in command(home, "import", str(folder)).stdout
    shutil.copy(Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx", folder / "facenet_weights.onnx")
    good = command(home, "import", str(folder))
    assert good.returncode == 0
    assert "facenet/facenet_weights.onnx" in good.stdout
    assert "pinned" in good.stderr
    (folder / "det_10g.onnx").write_bytes(MODEL)
    bad = command(home, "import", str(folder))
    assert bad.returncode == 1
    shown = "".join(bad.stdout.split())
    assert "refused(1)" in shown
    assert weights.model("buffalo_l").files["det_10g.onnx"].sha256 in shown
    assert "buffalo_l/w600k_r50.onnx" in shown


def test_unknown_models_are_an_error_that_lists_the_known_ones(home: Path) -> None:
    unknown = command(home, "pull", "resnet")
    assert unknown.returncode == 1
    assert "buffalo_l" in unknown.stderr
