"""A person's corrections: every wrong line is named, and faces are found under all that they may be called."""

from pathlib import Path

import pytest

from onscreen.errors import ConfigError
from onscreen.ledger import LedgerRow
from onscreen.overrides import Listed, Overrides, parse_overrides, read_overrides, resolve
from onscreen.records import Face
from records_of import row

SHIPPED = Path(__file__).parents[1] / "data" / "identity_overrides.yaml"


def face(name: str, content: str | None = None) -> Face:
    return row(Face, face_id=name, source_sha256=(content or name) * 16, place=1, people=1)


FACES = [face("a"), face("b"), face("c"), face("d")]
KEY = {one.face_id: one.key for one in FACES}


def test_the_shipped_file_holds_comments_only_and_its_example_is_right(tmp_path: Path) -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") for line in lines)
    assert read_overrides(SHIPPED) == read_overrides(tmp_path / "none.yaml") == Overrides()
    example = [
        line[2:] for line in lines[lines.index("#") :] if line.startswith(("# merge", "# split", "# reject", "# rename", "#   "))
    ]
    (tmp_path / "overrides.yaml").write_text("\n".join(example))
    found = read_overrides(tmp_path / "overrides.yaml")
    assert (found.merge, found.split) == ((("vid_1", "vid_2"),), (("vid_3", "vid_4"),))
    assert (found.reject, found.rename) == (("vid_5",), {"id_0123456789ab": "p0017"})


def test_names_that_look_like_numbers_or_dates_are_text(tmp_path: Path) -> None:
    (tmp_path / "o.yaml").write_text("reject: [007, 2024-01-01, 1e3, yes, ~]\nsplit:\n")
    assert read_overrides(tmp_path / "o.yaml").reject == ("007", "2024-01-01", "1e3", "yes", "~")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("joined: [[a, b]]", ["joined is not a section", "merge, split, reject, rename"]),
        ("merge: [a, b]", ["merge.0", '"a"', "a list of 2 faces or more"]),
        ("merge: [[a]]", ['merge.0 = ["a"]: must be a list of 2 faces or more']),
        ("merge: a", ["a list of lists of faces"]),
        ("reject: talk_1", ['reject = "talk_1": must be a list of faces']),
        ("rename: [a]", ['rename = ["a"]: must be lines of the form identity_id: new id']),
        ("rename: {a: [x]}", ["rename.a", "must be a new id"]),
        ("rename: {'': a}", ["rename: an identity_id is empty"]),
        ("split: [[]]\nreject: ['']", ["split.0", "reject.0"]),
        ("rename: {id_1: Anna Miller}", ["rename.id_1", "'Anna Miller'", "letters, digits"]),
        ("rename: {id_1: a, id_1: b}", ["not readable as YAML", "duplicate"]),
        ("- a", ["the file"]),
        ("merge: [[a, b", ["not readable as YAML"]),
        ("? [a, b]\n: c", ["cannot have"]),
        ("merge: &x [[a, b], *x]", ["merge.1"]),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "overrides.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_overrides(path)
    assert [word for word in ["overrides.yaml", *words] if word not in str(error.value)] == []


def test_a_list_is_not_called_too_short_because_an_entry_is_wrong() -> None:
    with pytest.raises(ConfigError) as error:
        parse_overrides({"merge": [["a", ["b"]]]}, "o")
    assert str(error.value) == 'o: merge.0.1 = ["b"]: must be the name of a face: a face_id or a key, not empty'


def test_all_contradictions_are_named_at_once() -> None:
    overrides = parse_overrides(
        {
            "merge": [["a", "b"], ["a", KEY["a"]]],
            "split": [["a", KEY["b"], "c"], ["c"], ["d"]],
            "reject": [KEY["d"]],
            "rename": {"x": "z", "y": "z", "u": "v", "v": "w", "s": "s"},
        },
        "o",
    )
    with pytest.raises(ConfigError) as error:
        resolve(overrides, FACES, {}, "o")
    assert str(error.value).splitlines() == [
        "o: split.2 and reject both name d",
        "o: merge.1 names one face, a; it takes two",
        "o: merge.0 and split.0 both name a, b; a list of split is one person already",
        "o: merge.1 and split.0 both name a; a list of split is one person already",
        "o: split.0 and split.1 both name c; a face stands apart once",
        "o: rename: x and y would both be called z; to make them one person, merge faces of theirs",
        "o: rename: u would be called v, which is itself renamed",
        "o: rename: s would be called s, which is its name already",
    ]


def test_a_face_that_is_split_may_be_merged_with_others() -> None:
    found = resolve(Overrides(split=(("a",), ("b",)), merge=(("a", "c"), ("b", "d"))), FACES, {}, "o")
    assert len(found.merge) == 2


def test_faces_are_found_by_id_by_key_and_by_the_id_they_were_frozen_with() -> None:
    ledger = {KEY["a"]: LedgerRow(KEY["a"], "old_a", "anna", "train"), "k-gone": LedgerRow("k-gone", "old_gone", "bert", "train")}
    found = resolve(Overrides(merge=((KEY["b"], "old_a", "old_gone", "nobody"),)), FACES, ledger, "o")
    keys = frozenset({KEY["a"], KEY["b"], "k-gone", "nobody"})
    assert found.merge == (Listed(frozenset({"a", "b"}), keys),)
    assert found.vanished == (("merge", "old_gone"), ("merge", "nobody"))


def test_an_id_of_today_counts_before_one_of_the_ledger() -> None:
    ledger = {KEY["a"]: LedgerRow(KEY["a"], "b", "anna", "train")}
    assert resolve(Overrides(reject=("b",)), FACES, ledger, "o").reject == {"b"}


def test_a_key_names_every_copy_of_a_file_and_an_id_one_of_them() -> None:
    faces = [face("a"), face("copy", "a"), face("b")]
    assert resolve(Overrides(reject=(KEY["a"],)), faces, {}, "o").reject == {"a", "copy"}
    assert resolve(Overrides(reject=("copy",)), faces, {}, "o").reject == {"copy"}
