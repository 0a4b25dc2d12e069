import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from media_cases import beep_at, broken, pictures, shifted, turned, video
from onscreen.cache import Item
from onscreen.config import parse_params
from onscreen.errors import InputError, NothingUsable, Rejected
from onscreen.media.audio import Audio, loudness_lufs, read_wav
from onscreen.media.files import Found, find_videos
from onscreen.media.video import write_video
from onscreen.records import Clip, Reject
from onscreen.stages.prepare import Source, main, run
from onscreen.store import read_json, read_table
from onscreen.voices.speech import measure_video
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data

EXTENSIONS = (".mp4", ".mov")


def workspace(root, raw, **sections):
    params = parse_params({"data": {"raw": str(raw)}, "engine": {"workers": 2}, **sections}, "test")
    return Workspace(root, root, params, root / ".cache")


def clips_of(space):
    return {clip.clip_id: clip for clip in read_table(space.prepared / "clips.parquet", Clip)}


def rejects_of(space):
    rejects = read_table(space.prepared / "rejects.parquet", Reject)
    return {(reject.item, reject.scope, reject.code) for reject in rejects}


def decide(path, **sections):
    """run on one measured file: its clips and its rejects."""
    rows = list(run(parse_params(sections, "test"), Source(path.name, path.stem, "0" * 64, None), measure_video(str(path))))
    return [row for row in rows if isinstance(row, Clip)], [row for row in rows if isinstance(row, Reject)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder with everything that people have, prepared once."""
    root = tmp_path_factory.mktemp("mixed")
    raw = root / "raw"
    good = video(raw / "a" / "vid_1.mp4")
    video(raw / "b" / "vid_1.MP4", beep_s=0.5)
    video(raw / "노래 한 곡.mp4", beep_s=0.3)
    video(raw / "🎤 party.mp4", beep_s=0.7)
    video(raw / "mute.mp4", beep_s=None)
    write_video(raw / "silent.mp4", pictures(50), 25, Audio(np.zeros(2 * 44100, np.float32), 44100))
    video(raw / "short.mp4", duration_s=0.4, beep_s=0.1)
    turned(good, raw / "turned.mp4", 90)
    shifted(good, raw / "late.mp4", "audio", 0.7)
    shutil.copy(good, raw / "z_copy.mp4")
    (raw / "text.mp4").write_text("not a video\n" * 50)
    (raw / "zero.mp4").touch()
    whole = video(raw / "cut_off.mp4", duration_s=10).read_bytes()
    media = whole.index(b"mdat")
    (raw / "cut_off.mp4").write_bytes(whole[: media + (len(whole) - media) // 2])
    (raw / "rest.mp4").write_bytes(whole[: media + (len(whole) - media) // 20])
    (raw / "no_index.mp4").write_bytes(whole[: media - 100])
    (raw / "dangling.mp4").symlink_to(raw / "nowhere.mp4")
    os.mkfifo(raw / "pipe.mp4")
    (raw / os.fsdecode(b"latin_\xe9.mp4")).write_bytes(good.read_bytes())
    (raw / "labels.csv").write_text("file,identity\n")
    video(raw / ".hidden" / "x.mp4")
    video(raw / ".x.mp4")
    space = workspace(root, raw)
    main(space)
    return space


def test_every_usable_video_becomes_a_clip_with_an_id_made_of_its_name(mixed):
    names = {"a__vid_1", "b__vid_1", "노래 한 곡", "🎤 party", "mute", "silent", "turned", "late", "z_copy", "cut_off", "short"}
    assert set(clips_of(mixed)) == names


def test_every_unusable_video_is_a_row_with_its_reason(mixed):
    lost = {(item, code) for item, scope, code in rejects_of(mixed) if scope == "clip"}
    assert lost == {
        ("text", "not_a_video"),
        ("zero", "empty_file"),
        ("no_index", "truncated"),
        ("rest", "truncated"),
        ("dangling", "unreadable"),
        ("pipe", "unreadable"),
        ("latin_\\udce9", "bad_name"),
    }


def test_clips_without_a_usable_voice_stay_and_say_why(mixed):
    lost = {(item, code) for item, scope, code in rejects_of(mixed) if scope == "voice" and item in ("mute", "silent", "late")}
    assert lost == {("mute", "no_audio"), ("silent", "silent"), ("silent", "no_speech"), ("late", "no_speech")}
    assert {("short", "voice", "too_short"), ("short", "voice", "no_speech")} <= rejects_of(mixed)
    clips = clips_of(mixed)
    assert (clips["mute"].flags, clips["mute"].audio, clips["mute"].loudness_lufs) == (("no_audio",), None, None)
    assert clips["silent"].flags == ("silent", "no_speech")


def test_what_is_noteworthy_is_flagged_with_its_seconds(mixed):
    clips = clips_of(mixed)
    assert any(flag.startswith("sound_starts_late:0.") for flag in clips["late"].flags)
    assert "truncated" in clips["cut_off"].flags
    assert "same_bytes_as:a__vid_1" in clips["z_copy"].flags
    assert not any(flag.startswith("same_bytes_as") for flag in clips["a__vid_1"].flags)


def test_sound_lies_where_the_table_says_as_long_as_the_clip(mixed):
    for clip in clips_of(mixed).values():
        if clip.audio is not None:
            sound = read_wav(mixed.prepared / clip.audio)
            assert sound.rate_hz == 16000
            assert sound.duration_s == pytest.approx(clip.end_s - clip.start_s, abs=1e-4)
            assert clip.loudness_lufs is None or clip.loudness_lufs == pytest.approx(loudness_lufs(sound))


def test_metrics_count_clips_and_every_reason(mixed):
    found = read_json(mixed.reports / "metrics" / "prepare.json")
    assert (found["status"], found["videos"], found["clips"], found["clips_with_voice"]) == ("ok", 18, 11, 0)
    assert found["rejects"]["clip"] == {
        "bad_name": 1,
        "empty_file": 1,
        "not_a_video": 1,
        "truncated": 2,
        "unreadable": 2,
    }
    assert found["rejects"]["voice"]["no_audio"] == 1
    assert found["rejects"]["part"] == {"truncated": 1}
    assert any(mixed.plots("prepare").iterdir())


def test_one_more_video_costs_one_measurement_and_a_threshold_none(tmp_path):
    raw = tmp_path / "raw"
    video(raw / "a.mp4")
    video(raw / "b.mp4", beep_s=0.2)

    def items():
        return len(list((tmp_path / ".cache" / "items").rglob("*.npz")))

    main(workspace(tmp_path, raw))
    assert items() == 2
    video(raw / "c.mp4", beep_s=0.4)
    main(workspace(tmp_path, raw))
    assert items() == 3
    space = workspace(tmp_path, raw, voices={"vad_threshold": 0.1, "min_speech_s": 0.0}, prepare={"max_clip_s": 2.0})
    main(space)
    assert items() == 3
    assert rejects_of(space) == set()


def test_a_second_run_writes_the_same_bytes(tmp_path):
    video(tmp_path / "raw" / "a.mp4")

    def written():
        main(workspace(tmp_path, tmp_path / "raw"))
        folder = tmp_path / "data" / "prepared"
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert written() == written()


def test_a_long_video_is_cut_into_equal_clips_that_leave_nothing_out(tmp_path):
    path = video(tmp_path / "long.mp4", duration_s=5, beep_s=3.0)
    clips, _ = decide(path, prepare={"max_clip_s": 2.0})
    assert [clip.clip_id for clip in clips] == ["long-s000", "long-s001", "long-s002"]
    assert [clip.start_s for clip in clips] == pytest.approx([0, 5 / 3, 10 / 3])
    assert [clip.end_s for clip in clips] == pytest.approx([5 / 3, 10 / 3, 5])
    assert [clip.audio for clip in clips] == [f"audio/long-s00{index}.wav" for index in range(3)]
    assert [clip.loudness_lufs is None for clip in clips] == [True, False, True]  # the beep is in the middle one


def test_a_cut_beyond_the_end_of_the_soundtrack_has_no_audio(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, pictures(100), 25, beep_at(0.5, 1.0))
    clips, rejects = decide(path, prepare={"max_clip_s": 2.0})
    assert [(clip.has_audio, clip.audio is None) for clip in clips] == [(True, False), (False, True)]
    assert "no_audio" in clips[1].flags
    assert ("a-s001", "no_audio") in {(reject.item, reject.code) for reject in rejects}


def test_speech_across_a_cut_is_shared_by_both_sides(tmp_path):
    measured = measure_video(str(video(tmp_path / "a.mp4", duration_s=4)))
    speech = np.zeros_like(measured.arrays["speech"])
    speech[50:75] = 1.0  # 1.6 s to 2.4 s
    spoken = Item(measured.meta, {**measured.arrays, "speech": speech})
    params = parse_params({"prepare": {"max_clip_s": 2.0}}, "test")
    clips = [row for row in run(params, Source("a.mp4", "a", "0" * 64, None), spoken) if isinstance(row, Clip)]
    assert [(clip.speech_start_s, clip.speech_end_s) for clip in clips] == [
        (pytest.approx((1.6,)), pytest.approx((2.0,))),
        (pytest.approx((0.0,)), pytest.approx((0.4,))),
    ]
    assert [clip.speech_s for clip in clips] == pytest.approx([0.4, 0.4])


def test_what_broken_packets_took_is_flagged_in_the_clip_where_it_is_missing(tmp_path):
    whole = video(tmp_path / "a.mp4", duration_s=6)
    damaged = broken(whole, tmp_path / "b.mp4", "audio", 1.0, 2.5)
    damaged = broken(damaged, tmp_path / "c.mp4", "video", 4.0, 5.0)
    clips, _ = decide(damaged, prepare={"max_clip_s": 2.0})
    flags = [dict(flag.split(":") for flag in clip.flags if ":" in flag) for clip in clips]
    assert [float(found.get("sound_has_gaps", "0s")[:-1]) for found in flags] == pytest.approx([1.0, 0.5, 0], abs=0.05)
    assert [found.get("broken_packets") for found in flags] == [None, None, "25"]
    assert [flag for clip in decide(whole)[0] for flag in clip.flags if ":" in flag] == []


def test_a_video_that_breaks_off_gives_what_it_holds_and_a_row_for_the_rest(tmp_path):
    whole = video(tmp_path / "whole.mp4", duration_s=10).read_bytes()
    media = whole.index(b"mdat")
    (tmp_path / "a.mp4").write_bytes(whole[: media + (len(whole) - media) // 2])
    clips, rejects = decide(tmp_path / "a.mp4", prepare={"max_clip_s": 3.0})
    (row,) = [reject for reject in rejects if reject.scope == "part"]
    assert (row.item, row.code) == (clips[-1].clip_id, "truncated")
    assert row.numbers["missing_s"] == pytest.approx(10 - clips[-1].end_s)
    assert all("truncated" in clip.flags for clip in clips)


def test_a_soundtrack_that_cannot_be_read_is_rejected_for_its_own_reason(tmp_path):
    measured = measure_video(str(video(tmp_path / "a.mp4", beep_s=None)))
    why = {"code": "audio_changes_rate", "detail": "the soundtrack changes its sample rate on the way"}
    source = Source("a.mp4", "a", "0" * 64, None)
    clip, reject = run(parse_params({}, "test"), source, Item({**measured.meta, "no_sound": why}, measured.arrays))
    assert (reject.scope, reject.code, reject.detail) == ("voice", why["code"], why["detail"])
    assert why["code"] in clip.flags


def test_what_could_not_be_measured_is_a_reject_that_names_the_file():
    rejected = Rejected("not_a_video", "its bytes are of no video format", {"bytes": 5.0})
    (row,) = run(parse_params({}, "test"), Source("b/text.mp4", "text", "0" * 64, None), rejected)
    assert (row.item, row.scope, row.code, row.numbers) == ("text", "clip", "not_a_video", {"bytes": 5.0})
    assert "b/text.mp4" in row.detail


def test_an_unreadable_file_is_a_reject_and_not_a_crash(tmp_path):
    path = video(tmp_path / "raw" / "a.mp4")
    video(tmp_path / "raw" / "b.mp4")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    space = workspace(tmp_path, tmp_path / "raw")
    (tmp_path / "raw" / "closed").mkdir(mode=0)
    main(space)
    assert rejects_of(space) >= {("a", "clip", "unreadable"), ("closed", "clip", "unreadable")}
    assert set(clips_of(space)) == {"b"}


def test_a_missing_folder_is_an_error_that_names_the_key(tmp_path):
    with pytest.raises(InputError, match=r"data\.raw = data/raw: there is no folder") as caught:
        main(workspace(tmp_path, "data/raw"))
    assert caught.value.exit_code == 2


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "raw").write_text("")
    with pytest.raises(InputError, match="is a file"):
        main(workspace(tmp_path, tmp_path / "raw"))


def test_an_experiment_without_the_folder_is_told_where_it_is(tmp_path):
    (tmp_path / "home" / "data" / "raw").mkdir(parents=True)
    (tmp_path / "worktree").mkdir()
    space = Workspace(tmp_path / "worktree", tmp_path / "home", parse_params({}, "test"), tmp_path / ".cache")
    with pytest.raises(InputError, match=r"dvc add data/raw.*absolute path") as caught:
        main(space)
    assert str(tmp_path / "home" / "data" / "raw") in str(caught.value)


def test_a_folder_without_videos_is_an_error_that_names_the_extensions(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(NothingUsable, match=r"\.mp4, \.mpg.*it holds no file") as caught:
        main(workspace(tmp_path, tmp_path / "raw"))
    assert caught.value.exit_code == 2
    (tmp_path / "raw" / "a.jpg").touch()
    with pytest.raises(NothingUsable, match=r"1 of \.jpg"):
        main(workspace(tmp_path, tmp_path / "raw"))


def test_when_nothing_is_usable_the_tables_are_there_and_the_error_lists_the_reasons(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "zero.mp4").touch()
    (raw / "text.mp4").write_text("hello\n" * 50)
    space = workspace(tmp_path, raw)
    with pytest.raises(NothingUsable, match=r"none of the 2 videos.*1 not_a_video") as caught:
        main(space)
    assert caught.value.exit_code == 2
    assert clips_of(space) == {}
    assert {code for _, _, code in rejects_of(space)} == {"empty_file", "not_a_video"}
    assert json.loads((space.reports / "metrics" / "prepare.json").read_text())["status"] == "no video is usable"


def test_linked_folders_are_searched_once_and_circles_end(tmp_path):
    raw, outside = tmp_path / "raw", tmp_path / "outside"
    for path in (raw / "z" / "deep" / "a.mp4", outside / "b.MOV", raw / "c.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (raw / "a_link").symlink_to(raw / "z")  # inside raw: found under its real place
    (raw / "linked").symlink_to(outside)
    (outside / "back").symlink_to(raw)
    (raw / "z" / "self").symlink_to(raw / "z")
    assert find_videos(raw, EXTENSIONS) == Found(["linked/b.MOV", "z/deep/a.mp4"], ["c.txt"], [])


def test_a_folder_called_like_a_video_is_searched_and_not_taken_for_one(tmp_path):
    (tmp_path / "x.mp4").mkdir()
    (tmp_path / "x.mp4" / "a.mp4").touch()
    assert find_videos(tmp_path, EXTENSIONS) == Found(["x.mp4/a.mp4"], [], [])


@needs_real_data
def test_speech_seconds_of_real_clips_are_those_of_the_labels(tmp_path):
    space = workspace(tmp_path, DATA / "clips")
    main(space)
    with (DATA / "clips" / "labels.csv").open(newline="") as file:
        labels = {row["file"]: float(row["speech_s"]) for row in csv.DictReader(file)}
    found = {clip.source: clip.speech_s for clip in clips_of(space).values()}
    assert set(found) == set(labels)
    wrong = {name: (speech_s, labels[name]) for name, speech_s in found.items() if abs(speech_s - labels[name]) > 0.5}
    assert wrong == {}
    assert rejects_of(space) == set()


@needs_real_data
@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("no_audio_stream", {("voice", "no_audio")}),
        ("no_speech_7s", {("voice", "silent"), ("voice", "no_speech")}),
        ("no_speech_half_second", {("voice", "too_short"), ("voice", "silent"), ("voice", "no_speech")}),
        ("no_person_park", {("voice", "too_short"), ("voice", "no_speech")}),
        ("two_speakers_side_by_side", set()),
    ],
)
def test_hard_clips_are_rejected_for_the_reason_in_their_name(name, codes):
    _, rejects = decide(Path(DATA / "hard" / f"{name}.mp4"))
    assert {(reject.scope, reject.code) for reject in rejects} == codes
