"""A folder that a command fills holds that command's files and no others, and nothing outside of it is touched."""

from pathlib import Path

import pytest

from onscreen.errors import InputError
from onscreen.own_folder import OwnFolder
from onscreen.store import write_json


def fill(folder: OwnFolder, *names: str) -> None:
    with folder.alone(), folder.filling() as new:
        for name in names:
            (new / name).write_text(name)


def test_what_is_no_longer_due_is_removed_and_what_is_not_the_commands_own_stays(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path / "out", "--output")
    fill(folder, "a.jpg", "b.jpg")
    (folder.path / "notes.txt").write_text("mine")
    fill(folder, "b.jpg", "c.jpg")
    assert {path.name for path in folder.path.iterdir()} == {".onscreen", "b.jpg", "c.jpg", "notes.txt"}
    (folder.path / "d.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"did not write \(d.jpg\)"):
        fill(folder, "d.jpg")
    assert (folder.path / "d.jpg").read_text() == "mine"


def test_videos_below_are_seen_wherever_they_lie_but_for_the_input(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path, "--output")
    for name in ("a.mp4", "id1/b.MOV", "input/c.mp4", ".hidden/d.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert folder.videos(but=tmp_path / "input") == {"a.mp4", "id1/b.MOV"}
    with pytest.raises(InputError, match=r"--output .*a\.mp4, id1/b\.MOV"):
        folder.refuse_foreign(folder.videos(but=tmp_path / "input"))


def test_a_manifest_that_somebody_else_wrote_deletes_nothing_outside_of_the_folder(tmp_path: Path) -> None:
    folder, outside = OwnFolder(tmp_path / "out", "--output"), tmp_path / "outside.txt"
    outside.write_text("mine")
    (folder.private).mkdir(parents=True)
    write_json(folder.private / folder.manifest, ["../outside.txt", str(outside), "gone.jpg"])
    assert folder.written() == {"gone.jpg"}
    fill(folder, "a.jpg")
    assert outside.read_text() == "mine"
