"""The item cache gives back what went in, and its keys change with what a measurement depends on, only."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onscreen import cache as module
from onscreen.cache import FileHashes, Item, ItemCache, code_digest, item_key
from onscreen.errors import InputError, Rejected


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
    hnp.arrays(st.sampled_from([np.uint8, np.int16, np.float32]), hnp.array_shapes(max_dims=3, min_side=0)),
)
def test_an_item_comes_back_as_it_went(tmp_path_factory, meta, array):
    cache = ItemCache(tmp_path_factory.mktemp("cache"))
    cache.put("ab", Item(meta, {"x": array}))
    back = cache.get("ab")
    assert isinstance(back, Item)
    assert back.meta == meta
    assert back.arrays["x"].dtype == array.dtype
    np.testing.assert_array_equal(back.arrays["x"], array)


def test_a_verdict_comes_back_as_it_went(tmp_path):
    cache = ItemCache(tmp_path)
    cache.put("ab", Rejected("no_face", "nobody in 5 frames", {"frames": 5.0}))
    back = cache.get("ab")
    assert isinstance(back, Rejected)
    assert (back.code, back.detail, back.numbers) == ("no_face", "nobody in 5 frames", {"frames": 5.0})


def test_what_was_never_measured_or_is_damaged_counts_as_missing(tmp_path):
    cache = ItemCache(tmp_path)
    assert cache.get("ab") is None
    cache.put("ab", Item({}, {"x": np.arange(1000)}))
    path = next(tmp_path.rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:500])
    assert cache.get("ab") is None


def test_a_key_changes_with_every_part():
    base = {"inputs": ["a"], "code": "c", "params": {"p": 1}, "weights": ["w"]}
    keys = {item_key(**base)}
    keys |= {
        item_key(**{**base, part: value})
        for part, value in {"inputs": ["b"], "code": "d", "params": {"p": 2}, "weights": []}.items()
    }
    assert len(keys) == 5
    assert item_key(**base) in keys


def test_the_code_digest_follows_imports(tmp_path, monkeypatch):
    package = tmp_path / "onscreen_probe"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "top": "from onscreen_probe import mid",
        "mid": "import onscreen_probe.low",
        "low": "A=1",
        "other": "B=1",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PACKAGE", "onscreen_probe")

    def digest():
        code_digest.cache_clear()
        return code_digest("onscreen_probe.top")

    first = digest()
    (package / "other.py").write_text("B=2")
    assert digest() == first
    (package / "low.py").write_text("A=2")
    assert digest() != first


def test_the_code_digest_follows_library_versions():
    assert code_digest("onscreen.naming") != code_digest("onscreen.naming", "numpy")


def test_a_file_is_hashed_again_only_when_it_changed(tmp_path):
    import hashlib
    import os

    path = tmp_path / "video"
    path.write_bytes(b"one")
    hashes = FileHashes(tmp_path / "cache")
    assert hashes.sha256(path) == hashlib.sha256(b"one").hexdigest()
    state = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert hashes.sha256(path) == hashlib.sha256(b"one").hexdigest(), "same size and mtime: not read again"
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert hashes.sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_many_files_have_the_digests_that_each_has_alone_and_changes_are_seen(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    hashes = FileHashes(tmp_path / "cache")
    assert hashes.sha256_of_all([]) == []
    assert hashes.sha256_of_all([*paths, paths[0]]) == [hashes.sha256(path) for path in [*paths, paths[0]]]
    paths[2].write_bytes(b"other")
    assert FileHashes(tmp_path / "cache").sha256_of_all(paths)[2] == hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError, match=r"gone\.bin cannot be read"):
        hashes.sha256_of_all([tmp_path / "gone.bin"])
