"""Whose face and whose voice files of two folders are, told by their names."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from onscreen.errors import InputError, NothingUsable
from onscreen.guide.people import Media, join_by_bytes, pairs_of, read_folders, usable


def folders(root: Path, pictures: Iterable[str], sounds: Iterable[str]) -> Media:
    for folder, names in (("images", pictures), ("sounds", sounds)):
        for name in names:
            (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (root / folder / name).write_text(name)
    return read_folders(root / "images", root / "sounds")


def told(media: Media) -> set[tuple[str, str, str, bool]]:
    return {(pair.identity_id, pair.face_id, pair.voice_clip_id, pair.same_source) for pair in pairs_of(media)}


def test_a_stem_is_a_person_and_one_recording(tmp_path: Path) -> None:
    media = folders(tmp_path, ["vid_1.jpg", "vid_2.PNG"], ["vid_1.wav", "vid_2.flac"])
    assert told(media) == {("vid_1", "vid_1.jpg", "vid_1.wav", True), ("vid_2", "vid_2.PNG", "vid_2.flac", True)}


def test_what_dedupe_found_to_be_one_person_is_one_whose_voices_of_other_videos_are_taken(tmp_path: Path) -> None:
    media = folders(tmp_path, ["vid_9.jpg", "vid_9_dedupe_vid_10.jpg", "vid_3.jpg"], ["vid_9.wav", "vid_10.wav", "vid_3.wav"])
    assert told(media) == {
        ("vid_9", "vid_9.jpg", "vid_10.wav", False),
        ("vid_9", "vid_9_dedupe_vid_10.jpg", "vid_9.wav", False),
        ("vid_3", "vid_3.jpg", "vid_3.wav", True),
    }


def test_the_second_person_in_a_video_does_not_get_its_voice(tmp_path: Path) -> None:
    media = folders(tmp_path, ["vid_1.jpg", "vid_1_dedupe_vid_2-p1.jpg", "vid_2.jpg"], ["vid_1.wav", "vid_2.wav"])
    assert told(media) == {
        ("vid_1", "vid_1_dedupe_vid_2-p1.jpg", "vid_1.wav", False),
        ("vid_2", "vid_2.jpg", "vid_2.wav", True),
    }


def test_cuts_of_one_video_are_one_recording(tmp_path: Path) -> None:
    media = folders(tmp_path, ["v-s000.jpg", "v-s000_dedupe_v-s001.jpg"], ["v-s000.wav", "v-s001.wav"])
    assert {same for *_, same in told(media)} == {True}


def test_names_that_were_escaped_meet_those_that_were_not(tmp_path: Path) -> None:
    assert {pair[0] for pair in told(folders(tmp_path, ["a%3Fb.jpg"], ["a?b.wav"]))} == {"a?b"}


def test_a_subfolder_is_a_person_and_another_stem_another_recording(tmp_path: Path) -> None:
    media = folders(tmp_path, ["alice/1.jpg", "alice/2.jpg"], ["alice/1.wav", "alice/7.wav"])
    assert told(media) == {
        ("alice", "alice/1.jpg", "alice/7.wav", False),
        ("alice", "alice/2.jpg", "alice/1.wav", False),
        ("alice", "alice/2.jpg", "alice/7.wav", False),
    }


def test_a_folder_below_the_person_is_a_recording_and_faces_and_voices_are_none(tmp_path: Path) -> None:
    media = folders(tmp_path, ["id1/faces/0001/frame_3.jpg"], ["id1/voices/0001.wav", "id1/voices/0002.wav"])
    assert told(media) == {("id1", "id1/faces/0001/frame_3.jpg", "id1/voices/0002.wav", False)}


def test_files_without_a_partner_are_named_and_other_kinds_counted(tmp_path: Path) -> None:
    media = folders(tmp_path, ["a.jpg", "b.jpg", "b.txt", "mixed/1.jpg"], ["a.wav", "c.wav", "c.md"])
    assert {(row.item, row.code) for row in media.rejects} == {("b", "no_voice"), ("c", "no_face"), ("mixed", "no_voice")}
    assert media.others == {".md": 1, ".txt": 1}
    assert media.people == {"a"}


def test_one_folder_may_hold_both(tmp_path: Path) -> None:
    for name in ("a.png", "a.wav"):
        (tmp_path / name).write_text(name)
    assert read_folders(tmp_path, tmp_path).people == {"a"}


def test_nobody_with_both_is_one_error_that_shows_names(tmp_path: Path) -> None:
    with pytest.raises(NothingUsable, match=r"1 picture \(a\.jpg\).*2 sounds \(b\.wav, c\.wav\)"):
        folders(tmp_path, ["a.jpg"], ["b.wav", "c.wav"])
    with pytest.raises(InputError, match=r"--audio_folder .* there is no such folder"):
        read_folders(tmp_path / "images", tmp_path / "none")


def test_people_who_share_a_file_are_one_and_its_copies_one_recording(tmp_path: Path) -> None:
    media = folders(tmp_path, ["a.jpg", "b.jpg", "c.jpg"], ["a.wav", "b.wav", "c.wav"])
    digests = {name: name for name in (*media.faces, *media.voices)} | {"b.jpg": "same", "a.jpg": "same"}
    joined, others = join_by_bytes(media, digests)
    assert others == {"b": "a"}
    assert joined.people == {"a", "c"}
    assert {same for *_, same in told(joined)} == {True}, "the copies are of one recording, and so are the sounds beside them"


def test_people_who_lose_their_last_face_are_told(tmp_path: Path) -> None:
    media = folders(tmp_path, ["a.jpg", "b.jpg"], ["a.wav", "b.wav"])
    left = usable(media, {"a.jpg", "a.wav", "b.wav"})
    assert left.people == {"a"}
    assert [(row.item, row.code) for row in left.rejects] == [("b", "no_face")]


def test_many_files_of_one_person_give_each_of_them_several_others_and_not_all_combinations(tmp_path: Path) -> None:
    pictures, sounds = [f"p/f{n:03d}.jpg" for n in range(60)], [f"p/v{n:03d}.wav" for n in range(40)]
    pairs = told(folders(tmp_path, pictures, sounds))
    assert len(pairs) == 60 * 8
    assert {pair[1] for pair in pairs} == set(pictures)
    assert {pair[2] for pair in pairs} == set(sounds)
