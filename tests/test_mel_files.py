"""One spectrogram on disk: .npy, or a pickle as published; what is none is refused by a reason that has a name."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hq_cases import mel, published_pickle
from onscreen.errors import Rejected
from onscreen.matching.mel_files import load_mel, measure_mels
from onscreen.storage import StoredFile
from test_numpy_pickle import Marks


def refused(path: Path) -> Rejected:
    with pytest.raises(Rejected) as error:
        load_mel(StoredFile(path))
    assert path.name in error.value.detail
    assert str(path.parent) not in error.value.detail
    return error.value


def test_a_published_pickle_and_an_array_hold_the_same_spectrogram(tmp_path: Path) -> None:
    published_pickle(tmp_path / "a.pickle", mel().astype(np.float64))
    np.save(tmp_path / "b.npy", mel())
    one, two = (load_mel(StoredFile(tmp_path / name)) for name in ("a.pickle", "b.npy"))
    assert np.array_equal(one, two)
    assert one.dtype == two.dtype == np.float32
    assert np.array_equal(load_mel(StoredFile(tmp_path / "b.npy"), bands_first=False), mel().T)


@pytest.mark.parametrize(
    "content", [mel(), [mel()], (mel(), "id10001"), {"mel": mel()}, {"x": mel(), "mean": np.zeros(8)}, {"any": mel()}]
)
def test_the_only_spectrogram_of_a_pickle_is_found(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    assert np.array_equal(load_mel(StoredFile(tmp_path / "a.pkl")), mel())


@pytest.mark.parametrize("content", [{}, [mel(), mel()], {"LogMel_Features": "text"}, "text", None, {"a": mel(), "b": mel()}])
def test_a_pickle_without_one_spectrogram_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(content))
    assert refused(tmp_path / "a.pickle").code == "not_a_spectrogram"


@pytest.mark.parametrize("content", [np.zeros(5, np.float32), np.zeros((2, 3), int), np.zeros((3, 0)), np.zeros((1, 2, 3))])
def test_an_array_that_is_no_spectrogram_is_refused(tmp_path: Path, content: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", content)
    assert refused(tmp_path / "x.npy").code == "not_a_spectrogram"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_value_that_is_no_number_in_float32_is_told_with_its_count(tmp_path: Path, bad: float) -> None:
    content = mel().astype(np.float64)
    content[2, 3] = bad
    np.save(tmp_path / "x.npy", content)
    published_pickle(tmp_path / "x.pickle", content)
    for name in ("x.npy", "x.pickle"):
        found = refused(tmp_path / name)
        assert (found.code, found.numbers) == ("not_finite", {"not_finite": 1.0, "values": 160.0})


def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "x.pickle").write_bytes(pickle.dumps({"LogMel_Features": mel(), "spkid": Marks(tmp_path / "marker")}))
    found = refused(tmp_path / "x.pickle")
    assert found.code == "unsafe_pickle"
    assert "mkdir" in found.detail
    assert not (tmp_path / "marker").exists()


def test_an_object_array_or_a_pickle_under_the_name_of_an_array_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Marks(tmp_path / "marker")], object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Marks(tmp_path / "marker")))
    assert {refused(tmp_path / name).code for name in ("x.npy", "y.npy")} == {"unreadable_mel"}
    assert not (tmp_path / "marker").exists()


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "cut.pickle").write_bytes(pickle.dumps(mel())[:50])
    np.savez(tmp_path / "many.npz", a=mel(), b=mel())
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    assert {refused(tmp_path / name).code for name in ("folder.npy", "text.npy", "cut.pickle")} == {"unreadable_mel"}
    assert refused(tmp_path / "many.npy").code == "not_a_spectrogram"


def test_the_shapes_of_files_are_measured_together_and_each_bad_one_by_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", mel(8, 20))
    np.save(tmp_path / "b.npy", np.full((2, 3), np.nan))
    published_pickle(tmp_path / "c.pickle", mel(40, 31))
    item = measure_mels(tuple(StoredFile(tmp_path / name) for name in ("a.npy", "b.npy", "c.pickle")))
    assert item.arrays["shape"].tolist() == [[8, 20], [0, 0], [40, 31]]
    assert {at: lost["code"] for at, lost in item.meta["lost"].items()} == {"1": "not_finite"}
