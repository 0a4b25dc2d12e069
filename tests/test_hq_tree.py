"""An HQ-VoxCeleb tree is listed in every published spelling; split.json and missing folders are told plainly."""

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from hq_cases import mel, published_pickle, published_tree
from onscreen.errors import CorruptTable, InputError
from onscreen.matching.hq_tree import layout_of, read_tree
from onscreen.store import write_json


@pytest.mark.parametrize(("spelling", "part"), [("mel_spectograms", "vox1"), ("mel_spectrograms", "vox2")])
def test_a_published_tree_is_read_in_both_spellings_and_both_parts(tmp_path: Path, spelling: str, part: str) -> None:
    published_tree(tmp_path, {"A.J._Buckley": "train", "Chloé with spaces": "test"}, spelling, part)
    tree = read_tree(tmp_path)
    assert [len(person.mels) for person in tree.people] == [2, 2]
    person = tree.people[0]
    assert len({tree.source_of(path) for path in (*person.mels, *person.faces)}) == 3
    assert (tree.hop_ms, tree.bands_first) == (10.0, None)


def test_every_published_ending_is_read_and_what_else_lies_there_is_counted(tmp_path: Path) -> None:
    published_tree(tmp_path, {"a": "train", "b": "val"})
    own = tmp_path / "vox1" / "mel_spectograms" / "a"
    published_pickle(own / "id10001_J9lHsKG98U8_00026.pickle", mel())
    published_pickle(tmp_path / "vox1" / "mel_spectrograms" / "a" / "id10001_J9lHsKG98U8_00027.pickle", mel())
    published_pickle(own / "deeper" / "x.pickle", mel())
    (own / "notes.txt").write_text("x")
    (own / ".DS_Store").write_text("x")
    for name in ("b.jpeg", "c.PNG"):
        shutil.copy(tmp_path / "vox1/masked_faces/a/a.jpg", tmp_path / "vox1/masked_faces/a" / name)
    tree = read_tree(tmp_path)
    person = tree.people[0]
    assert (len(person.mels), len(person.faces), tree.unread) == (4, 3, 3)
    assert tree.source_of(person.mels[-1]) == "id10001_J9lHsKG98U8"
    assert len({tree.source_of(path) for path in person.mels}) == 3  # two cuts of one video are one source


def test_a_name_without_media_is_absent_and_a_part_that_is_not_there_too(tmp_path: Path) -> None:
    published_tree(tmp_path, {"a": "train"})
    write_json(tmp_path / "split.json", {"vox1": {"train": ["a", "b"], "test": []}, "vox2": {"val": ["c"]}})
    tree = read_tree(tmp_path)
    assert ([person.name for person in tree.people], tree.absent) == (["a"], ("b", "c"))


def test_an_accent_in_two_parts_as_a_mac_writes_it_is_the_same_name(tmp_path: Path) -> None:
    published_tree(tmp_path, {unicodedata.normalize("NFD", "Chloé"): "train"})
    write_json(tmp_path / "split.json", {"vox1": {"train": ["Chloé"]}})
    assert [len(person.mels) for person in read_tree(tmp_path).people] == [2]


def test_a_missing_split_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"split\.json does not exist. `onscreen hq split --vox_dir {tmp_path}` makes it"):
        read_tree(tmp_path)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("vox1/mel_spectograms", r"vox1/mel_spectrograms \(or mel_spectograms, .*The folders there: vox1/masked_faces$"),
        ("vox1/masked_faces", "vox1/masked_faces is not there or empty. The folders there: vox1/mel_spectograms$"),
        ("vox1", "holds no HQ-VoxCeleb tree: there must be vox1/mel_spectrograms with vox1/masked_faces or vox2"),
    ],
)
def test_a_missing_folder_is_one_error_that_names_its_path_and_its_spellings(tmp_path: Path, gone: str, told: str) -> None:
    published_tree(tmp_path, {"a": "train"})
    shutil.rmtree(tmp_path / gone)
    with pytest.raises(InputError, match=told):
        read_tree(tmp_path)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"vox1": {"train": ["a"], "test": ["a"]}}, "a is on two sides of vox1, train and test"),
        (["a"], "must be parts"),
        ({"vox1": ["a"]}, "vox1 must hold train, val and test"),
        ({"vox1": {"train": {"a": 1}}}, "train of vox1 must be a list of names"),
        ({"vox1": {"train": [1]}}, "train of vox1 must be a list of names"),
    ],
)
def test_a_split_that_is_none_is_told(tmp_path: Path, split: object, told: str) -> None:
    published_tree(tmp_path, {"a": "train"})
    write_json(tmp_path / "split.json", split)
    with pytest.raises(CorruptTable, match=told):
        read_tree(tmp_path)


def test_a_person_of_both_parts_is_one_and_on_the_side_of_vox1(tmp_path: Path) -> None:
    published_tree(tmp_path, {"Mario_Lopez": "train"})
    published_tree(tmp_path, {"Mario_López": "test", "c": "test"}, part="vox2")
    write_json(tmp_path / "split.json", {"vox1": {"train": ["Mario_Lopez"]}, "vox2": {"test": ["Mario_López", "c"]}})
    tree = read_tree(tmp_path)
    assert [(person.name, person.part, person.side, person.identity) for person in tree.people] == [
        ("Mario_Lopez", "vox1", "train", "Mario_Lopez"),
        ("Mario_López", "vox2", "train", "Mario_Lopez"),
        ("c", "vox2", "test", "c"),
    ]
    assert tree.moved == ("Mario_López",)


def shapes(*of: tuple[int, int]) -> np.ndarray:
    return np.array(of, np.int64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("files", "bands_first", "bands", "told"),
    [
        (shapes((40, 310), (40, 298), (40, 310)), True, 40, "assumed"),
        (shapes((40, 310), (40, 298), (40, 305), (64, 300)), True, 40, "seen"),
        (shapes((310, 40), (298, 40), (305, 40)), False, 40, "seen"),
        (shapes((310, 80), (298, 80), (305, 80), (305, 64)), False, 80, "seen"),
        (shapes((40, 500), (40, 500)), True, 40, "assumed"),
        (shapes(), True, 0, "assumed"),
    ],
)
def test_the_axis_on_which_most_files_agree_is_bands(files: np.ndarray, bands_first: bool, bands: int, told: str) -> None:
    layout = layout_of(files, files, None)
    assert (layout.bands_first, layout.bands) == (bands_first, bands)
    assert told in layout.told
    assert layout.is_assumed == (told == "assumed")
    assert [layout_of(files, files, known).bands_first for known in (True, False)] == [True, False]


def test_bands_are_those_of_most_training_files_whatever_the_others_have() -> None:
    every = shapes((40, 310), (64, 298), (64, 305), (64, 300))
    assert layout_of(every, every[:1], None).bands == 40
