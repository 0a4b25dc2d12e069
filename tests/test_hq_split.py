"""Sides of an HQ-VoxCeleb tree: by the rows of the published meta files, or by what is there."""

import random
import shutil
from pathlib import Path

import pytest

from onscreen.errors import InputError
from onscreen.matching.hq_meta import read_meta
from onscreen.matching.hq_split import sides_of
from onscreen.matching.hq_tree import read_tree
from onscreen.store import write_json
from real_data import DATA, needs_real_data

META = DATA / "face_voice" / "meta"
NAMES = [f"p{number:02d}" for number in range(20)]


def media(root: Path, part: str, names: list[str]) -> None:
    """Empty files under the names of media: who is on which side depends on names alone."""
    for name in names:
        for path in (f"mel_spectrograms/{name}/x.pickle", f"masked_faces/{name}/1.jpg"):
            (root / part / path).parent.mkdir(parents=True, exist_ok=True)
            (root / part / path).touch()


def meta(root: Path, part: str, names: list[str]) -> None:
    (root / part).mkdir(parents=True, exist_ok=True)
    file, column = {"vox1": ("vox1_meta.csv", "VoxCeleb1 ID"), "vox2": ("full_vox2_meta.csv", "VoxCeleb2ID")}[part]
    rows = "".join(f"id{number:05d}\t{name}\tm\tdev\n" for number, name in enumerate(names))
    (root / part / file).write_text(f"{column}\tName\tGender\tSet\n{rows}")


def on(split: dict, side: str, part: str = "vox1") -> set[str]:
    return set(split[part][side])


def test_sides_go_by_the_row_whatever_is_missing(tmp_path: Path) -> None:
    meta(tmp_path, "vox1", NAMES)
    media(tmp_path, "vox1", NAMES[1:])
    made = sides_of(tmp_path, "published")
    assert (on(made.split, "test"), on(made.split, "val")) == ({"p08", "p18"}, {"p09", "p19"})
    assert (made.people, made.without_media, made.unplaced) == (19, 1, ())
    assert made.split["vox2"] == {"train": [], "val": [], "test": []}
    assert on(sides_of(tmp_path, "available").split, "test") == {"p09", "p19"}


def test_a_folder_may_be_called_by_an_id_and_one_that_no_row_names_has_no_side(tmp_path: Path) -> None:
    meta(tmp_path, "vox2", NAMES)
    media(tmp_path, "vox2", ["id00008", "p09", "stranger"])
    made = sides_of(tmp_path, "published")
    assert made.split["vox2"] == {"train": [], "val": ["p09"], "test": ["id00008"]}
    assert made.unplaced == ("stranger",)


def test_the_first_people_are_those_with_media_in_the_order_of_the_rule(tmp_path: Path) -> None:
    meta(tmp_path, "vox1", NAMES[::-1])
    media(tmp_path, "vox1", NAMES[:10])
    assert sides_of(tmp_path, "published", 2).split["vox1"] == {"train": [], "val": [], "test": []} | {"train": ["p09", "p08"]}
    assert sides_of(tmp_path, "available", 2).split["vox1"]["train"] == ["p00", "p01"]


@pytest.mark.parametrize("rule", ["published", "available"])
def test_a_person_of_both_parts_is_on_the_side_of_vox1(tmp_path: Path, rule: str) -> None:
    meta(tmp_path, "vox1", NAMES)
    meta(tmp_path, "vox2", ["P08", *NAMES[:7], "other", "p09"])
    for part, names in (("vox1", NAMES), ("vox2", ["P08", "p09", "other"])):
        media(tmp_path, part, names)
    made = sides_of(tmp_path, rule)
    assert (made.split["vox2"]["test"], made.split["vox2"]["val"]) == (
        ["P08"] + (["other"] if rule == "published" else []),
        ["p09"],
    )
    assert "P08" in made.moved
    write_json(tmp_path / "split.json", made.split)
    assert read_tree(tmp_path).moved == ()


def test_the_side_of_vox1_counts_also_where_its_media_is_missing(tmp_path: Path) -> None:
    meta(tmp_path, "vox1", NAMES)
    meta(tmp_path, "vox2", NAMES[::-1])
    media(tmp_path, "vox2", ["p08"])
    assert sides_of(tmp_path, "published").split["vox2"]["test"] == ["p08"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no HQ-VoxCeleb tree"):
        sides_of(tmp_path, "available")
    media(tmp_path, "vox2", NAMES)
    with pytest.raises(InputError, match=r"vox2/full_vox2_meta\.csv does not exist.*--rule available"):
        sides_of(tmp_path, "published")
    shutil.rmtree(tmp_path / "vox2" / "mel_spectrograms")
    with pytest.raises(InputError, match=r"vox2/mel_spectrograms \(or mel_spectograms"):
        sides_of(tmp_path, "published")


@needs_real_data
def test_on_the_real_meta_files_a_tenth_missing_moves_nobody_by_rows_and_most_test_people_by_what_is_there(
    tmp_path: Path,
) -> None:
    shutil.copytree(META, tmp_path / "meta")
    (tmp_path / "vox1").mkdir()
    shutil.copy(META / "vox1_meta.csv", tmp_path / "vox1")
    rows = read_meta(META / "vox1_meta.csv", "vox1")
    kept = random.Random(4).sample([row.name for row in rows], round(0.9 * len(rows)))
    media(tmp_path, "vox1", kept)
    published, available = (sides_of(tmp_path, rule).split["vox1"] for rule in ("published", "available"))
    expected = {row.name: {8: "test", 9: "val"}.get(row.row % 10, "train") for row in rows}
    assert {name: side for side, names in published.items() for name in names} == {name: expected[name] for name in kept}
    test = set(published["test"])
    assert 100 < len(test) < 126
    assert len(test & set(available["train"])) > 0.7 * len(test)
