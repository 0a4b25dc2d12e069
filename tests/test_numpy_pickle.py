"""Pickles of numpy arrays are read; whatever else one names refuses it, and nothing of it is run."""

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onscreen.matching.numpy_pickle import RefusedPickle, loads

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
RANDOM = np.random.default_rng(0)
PLAIN = {
    "float64": RANDOM.normal(size=(7, 3)),
    "turned": RANDOM.normal(size=(7, 3)).T,
    "every second row": RANDOM.normal(size=(8, 3))[::2],
    "big endian": RANDOM.normal(size=4).astype(">f8"),
    "float16": RANDOM.normal(size=(2, 2)).astype(np.float16),
    "integers": np.arange(5, dtype=np.uint16),
    "bools": np.array([True, False]),
    "empty": np.zeros((0, 40), np.float32),
    "no axis": np.array(2.5),
}
# As numpy under Python 2 wrote float32 [[1, 2]]: texts of bytes, and the old home of _reconstruct.
PYTHON_2 = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01K\x02\x86cnumpy\ndtype\n"
    b"U\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x00\x00\x80?\x00\x00\x00@tb."
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", PLAIN)
def test_an_array_of_plain_numbers_comes_back_as_it_was(name: str, protocol: int) -> None:
    array = PLAIN[name]
    found = loads(pickle.dumps(array, protocol))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_come_back_from_inside_of_lists_and_dicts(protocol: int) -> None:
    array = PLAIN["turned"]
    found = loads(
        pickle.dumps({"mel": array, "more": [array, ("id10001", np.float32(0.5), np.int64(3), None, b"x", b"")]}, protocol)
    )
    assert np.array_equal(found["mel"], array)
    assert np.array_equal(found["more"][0], array)
    assert found["more"][1] == ("id10001", 0.5, 3, None, b"x", b"")


def test_what_python_2_pickled_is_read() -> None:
    assert np.array_equal(loads(PYTHON_2), np.array([[1, 2]], np.float32))


class Marks:
    """A pickle of it, loaded by pickle, makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


class Own(np.ndarray):
    """An array of a class of its own."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("where", ["alone", "beside an array", "inside of an array"])
def test_a_pickle_that_runs_code_is_refused_by_name_and_nothing_runs(tmp_path: Path, where: str, protocol: int) -> None:
    marker = tmp_path / "marker"
    bad = Marks(marker)
    content = {
        "alone": bad,
        "beside an array": {"LogMel_Features": PLAIN["float64"], "x": bad},
        "inside of an array": np.array([bad, 1]),
    }
    data = pickle.dumps(content[where], protocol)
    with pytest.raises(RefusedPickle, match=r"mkdir|O8"):
        loads(data)
    assert not marker.exists()
    pickle.loads(data)  # noqa: S301  # made above: shows that the refusal refused something
    assert marker.exists()  # it would have run


@pytest.mark.parametrize(
    "content",
    [
        print,
        set,
        np.datetime64("2020-01-01"),
        np.array(["text"]),
        np.zeros(2, [("a", "f4")]),
        np.zeros(2).view(Own),
        np.ma.masked_array([1.0]),
        collections.OrderedDict(a=1),
    ],
)
def test_anything_but_plain_arrays_is_refused(content: object) -> None:
    for protocol in PROTOCOLS:
        with pytest.raises(RefusedPickle):
            loads(pickle.dumps(content, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(PLAIN["float64"])[:90],
        b"\x80\x04Nr\xff\xff\xff\xff.",  # a memo of 4 billion places
        b"cnumpy\nndarray\n)R.",  # an array that is never filled
        PYTHON_2.replace(b"U\x08\x00\x00\x80?\x00\x00\x00@", b"U\x04\x00\x00\x80?"),  # fewer bytes than its shape says
        PYTHON_2.replace(b"K\x01K\x02\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),  # 2^62 values
    ],
)
def test_a_broken_pickle_is_an_error_and_fills_no_memory(data: bytes) -> None:
    with pytest.raises(ValueError, match="no readable pickle"):
        loads(data)


def test_calls_by_other_opcodes_are_refused_too() -> None:
    for data in (b"(S'x'\ni__builtin__\neval\n.", b"Pabc\n.", b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR."):
        with pytest.raises(RefusedPickle):
            loads(data)
