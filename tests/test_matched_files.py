"""Lists of matched files: written as the guide's script did, and read back for training."""

import json
from pathlib import Path

import pytest

from onscreen.errors import ConfigError, InputError, NothingUsable
from onscreen.guide.matched import natural, read_lists, write_lists
from onscreen.guide.people import pairs_of
from onscreen.records import Reject
from onscreen.store import read_table


def tree(root: Path, people: dict[str, tuple[list[str], list[str]]]) -> str:
    for person, (faces, voices) in people.items():
        for kind, names in (("faces", faces), ("voices", voices)):
            for name in names:
                (root / person / kind / name).parent.mkdir(parents=True, exist_ok=True)
                (root / person / kind / name).write_text(name)
    return str(root)


def meta(folder: Path, data: object) -> Path:
    path = folder / "meta.json"
    path.write_text(json.dumps(data))
    return path


PEOPLE = {
    "id001": (["0001/frame_0010.jpg", "0001/frame_9.jpg", "0002/frame_1.jpg"], ["0010.wav", "0002.wav"]),
    "id002": (["0001/frame_1.png"], ["0001.wav", "0002.wav"]),
    "id003": ([], ["0001.wav"]),
}


def test_the_ith_face_goes_with_the_ith_voice_and_people_with_too_few_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree(tmp_path / "data" / "train", PEOPLE)
    done = write_lists("data/train", meta(tmp_path, dict.fromkeys([*PEOPLE, "id999", "../data"])), tmp_path / "new" / "out", 3)
    texts = [(tmp_path / "new" / "out" / f"matched_files-{i}.txt").read_text() for i in range(3)]
    assert texts[0].splitlines() == [
        "data/train/id001/faces/0001/frame_9.jpg\tdata/train/id001/voices/0002.wav",
        "data/train/id002/faces/0001/frame_1.png\tdata/train/id002/voices/0001.wav",
    ]
    assert texts[1].splitlines() == ["data/train/id001/faces/0001/frame_0010.jpg\tdata/train/id001/voices/0010.wav"]
    assert texts[2] == ""
    assert (done.ids, done.people, done.pairs, done.lists, done.empty) == (5, 2, 3, 3, 1)
    rejects = read_table(tmp_path / "new" / "out" / "rejects.parquet", Reject)
    assert [(row.item, row.code) for row in rejects] == [("id003", "no_face"), ("id999", "no_folder"), ("../data", "not_a_name")]


def test_what_was_written_is_read_back_as_pairs_of_its_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tree(tmp_path / "t", PEOPLE)
    write_lists("t/", meta(tmp_path, PEOPLE), tmp_path / "out", 2)
    media = read_lists(tmp_path / "out")
    found = {(pair.identity_id, pair.face_id, pair.voice_clip_id, pair.same_source) for pair in pairs_of(media)}
    assert found == {
        ("id001", "t/id001/faces/0001/frame_9.jpg", "t/id001/voices/0002.wav", False),
        ("id001", "t/id001/faces/0001/frame_0010.jpg", "t/id001/voices/0010.wav", False),
        ("id002", "t/id002/faces/0001/frame_1.png", "t/id002/voices/0001.wav", True),
    }
    assert len(list(pairs_of(read_lists(tmp_path / "out" / "matched_files-1.txt")))) == 1


def test_a_shorter_repeat_takes_its_own_lists_away_and_no_others(tmp_path: Path) -> None:
    root, ids, out = tree(tmp_path / "t", PEOPLE), meta(tmp_path, PEOPLE), tmp_path / "out"
    write_lists(root, ids, out, 3)
    (out / "notes.txt").write_text("a person's own")
    write_lists(root, ids, out, 1)
    assert {path.name for path in out.iterdir()} == {".onscreen", "matched_files-0.txt", "rejects.parquet", "notes.txt"}
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "matched_files-0.txt").write_text("mine")
    with pytest.raises(InputError, match=r"did not write \(matched_files-0.txt\)"):
        write_lists(root, ids, tmp_path / "theirs", 1)


@pytest.mark.parametrize(("data", "told"), [([1], "a list"), ("id", "a str"), ({}, "an empty object")])
def test_a_meta_file_that_names_no_ids_is_one_error(tmp_path: Path, data: object, told: str) -> None:
    with pytest.raises(InputError, match=f"keys are ids, and holds {told}"):
        write_lists(tree(tmp_path / "t", PEOPLE), meta(tmp_path, data), tmp_path / "out", 1)


def test_wrong_options_are_told_before_anything_is_written(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", PEOPLE)
    with pytest.raises(ConfigError, match="--limit 0: must be"):
        write_lists(root, meta(tmp_path, PEOPLE), tmp_path / "out", 0)
    with pytest.raises(InputError, match=r"--dataset_path .* there is no such folder"):
        write_lists(str(tmp_path / "none"), meta(tmp_path, PEOPLE), tmp_path / "out", 1)
    with pytest.raises(InputError, match=r"--meta_path .* there is no such file"):
        write_lists(root, tmp_path / "none.json", tmp_path / "out", 1)
    with pytest.raises(NothingUsable, match=r"none of the 1 ids .* no folder"):
        write_lists(root, meta(tmp_path, {"x": 1}), tmp_path / "out", 1)
    assert not (tmp_path / "out" / "matched_files-0.txt").exists()


def test_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", PEOPLE)
    good = f"{root}/id001/faces/0001/frame_9.jpg\t{root}/id001/voices/0002.wav"
    lines = [
        good,
        good,
        f"{root}/id001/faces/0001/frame_9.jpg\t{root}/id002/voices/0001.wav",
        f"{root}/id001/faces/0001/gone.jpg\t{root}/id001/voices/0002.wav",
        f"{tmp_path}/meta.json    {root}/id001/voices/0002.wav",
    ]
    meta(tmp_path, {})
    (tmp_path / "matched_files-0.txt").write_text("\n".join(lines) + "\n")
    media = read_lists(tmp_path)
    assert len(media.pairs or ()) == 1
    assert [row.code for row in media.rejects] == ["two_people", "no_file", "no_person"]
    (tmp_path / "matched_files-0.txt").write_text("one column\n")
    with pytest.raises(InputError, match="line 1: must be a picture's path, a tab"):
        read_lists(tmp_path)
    (tmp_path / "matched_files-0.txt").write_text("")
    with pytest.raises(NothingUsable, match="none of 0 lines"):
        read_lists(tmp_path)


def test_numbers_in_names_are_ordered_by_value() -> None:
    names = ["b/1.jpg", "a/frame_10.jpg", "a/frame_9.jpg", "a/frame.jpg", "a10/1.jpg", "a9/1.jpg"]
    assert sorted(names, key=natural) == ["a/frame.jpg", "a/frame_9.jpg", "a/frame_10.jpg", "a9/1.jpg", "a10/1.jpg", "b/1.jpg"]
