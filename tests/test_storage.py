"""Files come back as they went, from folders and from shards; a shard that is not whole is told."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.config import Params, Storage
from onscreen.errors import CorruptTable, InputError
from onscreen.storage import INDEX, ShardRow, Stored, StoredFile, storing
from onscreen.store import read_table, write_table
from onscreen.workspace import Workspace

LAYOUTS = ("folders", "shards")
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40)
LONG = st.integers(100, 200).map(lambda length: "long" * (length // 4))
PART = (WORDS | LONG | st.just("비디오 🎬 01")).filter(lambda part: part not in (".", "..") and len(part.encode()) < 200)
NAMES = st.tuples(st.lists(PART.map(lambda part: f"{part}.d"), max_size=3), PART.map(lambda part: f"{part}.jpg")).map(
    lambda parts: "/".join([*parts[0], parts[1]])
)


def write(folder: Path, layout: str, files: dict[str, bytes], shard_bytes: int = 2**28) -> Stored:
    folder.mkdir(parents=True)
    with storing(folder, layout, shard_bytes) as save:
        for name, data in files.items():
            save(name, data)
    return Stored(folder)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.tar"))}


def small_files(count: int, size: int = 400) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    return {f"faces/vid_{number:05d}.jpg": random.bytes(size) for number in range(count)}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=12), st.integers(1, 20_000))
def test_both_layouts_hold_the_same_names_and_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], shard_bytes: int
) -> None:
    root = tmp_path_factory.mktemp("stored")
    stored = {layout: write(root / layout, layout, files, shard_bytes) for layout in LAYOUTS}
    for found in stored.values():
        assert found.names() == sorted(files)
        assert {name: found.read(name) for name in files} == files
        for prefix in {name[: len(name) // 2] for name in files}:
            assert found.names(prefix) == sorted(name for name in files if name.startswith(prefix))
    assert all(stored[layout].file(name).name == name.split("/")[-1] for layout in LAYOUTS for name in files)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=12), st.integers(1, 20_000))
def test_shards_unpack_to_the_folders_with_any_tar(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], shard_bytes: int
) -> None:
    root = tmp_path_factory.mktemp("unpacked")
    write(root / "shards", "shards", files, shard_bytes)
    (root / "out").mkdir()
    for path in (root / "shards").rglob("*.tar"):
        with tarfile.open(path) as archive:
            archive.extractall(root / "out", filter="data")
            assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in archive.getmembers()} <= {
                (0, 0, 0, "", 0o644)
            }
    assert {
        path.relative_to(root / "out").as_posix(): path.read_bytes() for path in (root / "out").rglob("*.*") if path.is_file()
    } == files


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    files = {**small_files(50), "audio/소리.wav": b"", "audio/" + "x" * 190 + ".wav": b"1"}
    one, two = (write(tmp_path / name, "shards", files, 5000).folder for name in ("one", "two"))
    assert shards(one) == shards(two)
    assert (one / INDEX).read_bytes() == (two / INDEX).read_bytes()


def test_thousands_of_small_files_lie_in_few_shards_that_no_file_makes_too_large(tmp_path: Path) -> None:
    files = small_files(5000)
    stored = write(tmp_path / "s", "shards", files, 2**18)
    found = shards(stored.folder)
    assert 20 < len(found) < 120  # 5 MB with headers in shards of 64 to 256 kB
    assert max(map(len, found.values())) <= 2**18 + 1024
    assert set(found) == {f"faces/{number:05d}.tar" for number in range(len(found))}
    assert {name: stored.read(name) for name in files} == files


@pytest.mark.parametrize("change", ["one more in the middle", "one less", "one larger", "one more at the front"])
def test_a_changed_file_changes_a_few_shards_and_not_all_that_follow(tmp_path: Path, change: str) -> None:
    files = small_files(4000)
    before = set(shards(write(tmp_path / "before", "shards", files, 2**17).folder).values())
    if change == "one less":
        del files["faces/vid_02000.jpg"]
    elif change == "one larger":
        files["faces/vid_02000.jpg"] *= 3
    else:
        name = "faces/vid_02000b.jpg" if "middle" in change else "faces/a.jpg"
        files = dict(sorted({**files, name: b"new"}.items()))
    after = list(shards(write(tmp_path / "after", "shards", files, 2**17).folder).values())
    assert len(after) > 40
    assert sum(data not in before for data in after) <= 6


def test_shards_lie_in_the_folder_of_their_files_and_at_most_two_deep(tmp_path: Path) -> None:
    names = ["top.jpg", "audio/a.wav", "deduped_faces/a.jpg", "vox1/masked_faces/p1/a.jpg", "vox1/masked_faces/p2/a.jpg"]
    stored = write(tmp_path / "s", "shards", {name: name.encode() for name in names})
    assert set(shards(stored.folder)) == {
        "00000.tar",
        "audio/00000.tar",
        "deduped_faces/00000.tar",
        "vox1/masked_faces/00000.tar",
    }
    assert stored.names("vox1/masked_faces/p1/") == ["vox1/masked_faces/p1/a.jpg"]
    rows = read_table(stored.folder / INDEX, ShardRow)
    assert [row.name for row in rows] == names
    assert rows[1] == ShardRow("audio/a.wav", "audio/00000.tar", 512, 11, hashlib.sha256(b"audio/a.wav").hexdigest())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_name_that_is_not_there_is_an_error_that_names_it(tmp_path: Path, layout: str) -> None:
    for stored in (write(tmp_path / "one", layout, {"faces/a.jpg": b"a"}), write(tmp_path / "none", layout, {})):
        with pytest.raises(InputError, match=r"faces/b\.jpg does not exist"):
            stored.read("faces/b.jpg")
        assert stored.names("nowhere/") == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_name_is_stored_once(tmp_path: Path, layout: str) -> None:
    with pytest.raises(FileExistsError), storing(tmp_path, layout) as save:
        save("faces/a.jpg", b"one")
        save("faces/a.jpg", b"two")


def test_a_shard_that_is_cut_off_or_missing_is_told_before_any_file_is_read(tmp_path: Path) -> None:
    stored = write(tmp_path / "s", "shards", small_files(20), 2**28)
    shard = stored.folder / "faces" / "00000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptTable, match=r"00000\.tar is cut off"):
        Stored(stored.folder).file("faces/vid_00000.jpg")
    shard.unlink()
    with pytest.raises(InputError, match=r"00000\.tar does not exist"):
        Stored(stored.folder).names()


def test_bytes_of_another_file_are_never_taken_for_those_that_were_asked(tmp_path: Path) -> None:
    stored = write(tmp_path / "s", "shards", small_files(4))
    shard = stored.folder / "faces" / "00000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    with pytest.raises(CorruptTable, match=r"does not hold faces/vid_00000\.jpg"):
        stored.read("faces/vid_00000.jpg")
    assert stored.read("faces/vid_00001.jpg") == small_files(4)["faces/vid_00001.jpg"]
    rows = read_table(stored.folder / INDEX, ShardRow)
    write_table(stored.folder / INDEX, ShardRow, [ShardRow(rows[1].name, *_place(rows[2]), rows[1].sha256)])
    with pytest.raises(CorruptTable, match=r"does not hold faces/vid_00001\.jpg"):
        Stored(stored.folder).read("faces/vid_00001.jpg")


def _place(row: ShardRow) -> tuple[str, int, int]:
    return row.shard, row.offset, row.size


def test_a_file_that_vanished_since_it_was_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    file = Stored(tmp_path).file("a.jpg")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg cannot be read"):
        file.read()


def test_another_process_needs_only_the_place_and_not_the_index(tmp_path: Path) -> None:
    files = small_files(3000)
    place = pickle.dumps(write(tmp_path / "s", "shards", files).file("faces/vid_02999.jpg"))
    assert len(place) < 1000
    assert pickle.loads(place).read() == files["faces/vid_02999.jpg"]  # noqa: S301 our own, of this line


def test_a_writing_that_broke_off_leaves_no_index(tmp_path: Path) -> None:
    with pytest.raises(KeyError), storing(tmp_path, "shards") as save:
        save("faces/a.jpg", b"a")
        raise KeyError
    assert not (tmp_path / INDEX).exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_key_of_a_measurement_does_not_know_the_layout(tmp_path: Path, layout: str) -> None:
    stored = write(tmp_path / layout, layout, {"faces/a.jpg": b"a picture"})
    workspace = Workspace(tmp_path, tmp_path, Params(storage=Storage(layout=layout)), tmp_path / "cache")
    assert workspace.sha256_of(stored.file("faces/a.jpg")) == hashlib.sha256(b"a picture").hexdigest()


def test_a_plain_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    file = StoredFile(tmp_path / "a.wav")
    assert (file.name, file.sha256, file.read()) == ("a.wav", None, b"sound")
