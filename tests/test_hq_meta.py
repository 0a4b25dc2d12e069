"""The meta files of VoxCeleb1 and VoxCeleb2, with either separator, with and without the line of column names."""

import shutil
from pathlib import Path

import pytest

from onscreen.errors import CorruptTable, InputError
from onscreen.matching.hq_meta import people_of, plain, read_meta
from real_data import DATA, needs_real_data

META = DATA / "face_voice" / "meta"
REAL = {"vox1": META / "vox1_meta.csv", "vox2": META / "full_vox2_meta.csv"}
ALIKE = {
    "as published": lambda text: text,
    "the other separator": lambda text: text.replace("\t", ",") if "\t" in text else text.replace(",", "\t"),
    "no column names": lambda text: text.split("\n", 1)[1],
    "neither": lambda text: (text.replace("\t", ",") if "\t" in text else text.replace(",", "\t")).split("\n", 1)[1],
    "from Windows": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
    "blanks around names": lambda text: text.replace("Gender", " Gender ", 1).replace("Set", "Set ", 1),
    "empty lines": lambda text: text.replace("\n", "\n\n"),
}


@needs_real_data
@pytest.mark.parametrize("part", ["vox1", "vox2"])
@pytest.mark.parametrize("change", ALIKE)
def test_the_real_files_say_the_same_in_every_form(tmp_path: Path, part: str, change: str) -> None:
    path = tmp_path / "meta.csv"
    path.write_text(ALIKE[change](REAL[part].read_text(encoding="utf-8")), encoding="utf-8")
    rows = read_meta(path, part)
    assert rows == read_meta(REAL[part], part)
    assert len(rows) == {"vox1": 1251, "vox2": 6114}[part]
    assert {row.gender for row in rows} == {"male", "female"}
    assert {row.set for row in rows} == {"dev", "test"}


@needs_real_data
def test_a_person_is_known_by_name_and_by_ids_of_both_parts(tmp_path: Path) -> None:
    for part, path in REAL.items():
        (tmp_path / part).mkdir()
        shutil.copy(path, tmp_path / part)
    people = people_of(tmp_path)
    assert (people["Andrew_Rannells"].gender, people["Andrew_Rannells"].nationality) == ("male", "USA")
    assert people["id10054"] is people["Andrew_Rannells"]
    assert people["id00012"] is people["n000012"] is people["Aaron_Ashmore"]
    assert people["Aaron_Ashmore"].nationality is None
    assert len({id(about) for about in people.values()}) == 1251 + 6114


def test_what_a_file_leaves_empty_is_unknown_and_without_files_nobody_is_known(tmp_path: Path) -> None:
    assert people_of(tmp_path) == {}
    (tmp_path / "vox1").mkdir()
    (tmp_path / "vox1" / "vox1_meta.csv").write_text("VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\na\ta\t\t\tdev\n")
    about = people_of(tmp_path)["a"]
    assert (about.gender, about.nationality, about.set) == (None, None, "dev")


def test_the_official_vox2_file_without_names_is_known_by_ids(tmp_path: Path) -> None:
    path = tmp_path / "vox2_meta.csv"
    path.write_text("VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \n")
    (row,) = read_meta(path, "vox2")
    assert (row.name, row.ids, row.gender, row.set) == ("id00012", ("n000012",), "male", "dev")


def test_names_are_compared_without_accents_and_case() -> None:
    assert plain("Mario_López") == plain("mario_lopez") != plain("Mario_Lopes")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("VGGFace1 ID\tGender\tSet\nA\tm\n", "line 2: 2 columns; 3 are needed"),
        ("VGGFace1 ID\tGender\n\tm\n", "line 2: nothing stands where the name should"),
        ("m\tdev\nf\tdev\n", "no column holds names"),
    ],
)
def test_a_file_that_is_no_meta_file_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "vox1_meta.csv"
    path.write_text(text)
    with pytest.raises(CorruptTable, match=told):
        read_meta(path, "vox1")
    with pytest.raises(InputError, match="does not exist"):
        read_meta(tmp_path / "none.csv", "vox1")
