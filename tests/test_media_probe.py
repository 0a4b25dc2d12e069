from pathlib import Path

import av
import pytest

from media_cases import beep_at, broken, encoded, shifted, slideshow, turned, video
from onscreen.errors import Rejected
from onscreen.media.audio import wav_bytes
from onscreen.media.container import open_media
from onscreen.media.probe import probe
from onscreen.media.sampling import sample_frames
from real_data import DATA, needs_real_data


def code_of(path):
    with pytest.raises(Rejected) as caught:
        probe(path)
    return caught.value.code


def test_a_probe_says_what_the_file_is(tmp_path):
    found = probe(video(tmp_path / "a.mp4", duration_s=3))
    assert (found.duration_s, found.fps, found.n_frames) == pytest.approx((3.0, 25.0, 75))
    assert (found.width, found.height, found.rotation_deg) == (96, 64, 0)
    assert (found.video_codec, found.audio_codec) == ("h264", "aac")
    assert (found.has_audio, found.audio_rate_hz, found.audio_channels) == (True, 44100, 1)
    assert (found.video_start_s, found.audio_start_offset_s, found.missing_s) == (0, 0, 0)
    assert not found.truncated


def test_a_video_without_audio_says_so(tmp_path):
    found = probe(video(tmp_path / "a.mp4", beep_s=None))
    assert (found.has_audio, found.audio_rate_hz, found.audio_channels) == (False, 0, 0)
    assert (found.audio_codec, found.audio_start_offset_s, found.audio_end_s) == (None, None, None)


def test_size_is_that_of_the_upright_picture(tmp_path):
    found = probe(turned(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", 90))
    assert (found.width, found.height, found.rotation_deg) == (64, 96, -90)


def test_a_soundtrack_that_starts_late_is_seen(tmp_path):
    found = probe(shifted(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", "audio", 0.7))
    assert found.audio_start_offset_s == pytest.approx(0.7, abs=0.03)
    assert found.video_start_s == 0


def test_a_picture_that_starts_late_leaves_the_clock_to_the_sound(tmp_path):
    found = probe(shifted(video(tmp_path / "a.mp4"), tmp_path / "b.mp4", "video", 0.7))
    assert (found.video_start_s, found.audio_start_offset_s) == pytest.approx((0.7, -0.7), abs=0.03)
    assert found.duration_s == pytest.approx(2.7, abs=0.03)


def test_a_file_of_zero_bytes_is_empty(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert code_of(tmp_path / "a.mp4") == "empty_file"


@pytest.mark.parametrize("text", ["hello\n", "1\n00:00:00,000 --> 00:00:05,000\nhello\n", "#!/bin/sh\nexit 0\n", "\x00" * 5000])
def test_a_text_called_mp4_is_not_a_video(tmp_path, text):
    (tmp_path / "a.mp4").write_text(text * 20)
    assert code_of(tmp_path / "a.mp4") == "not_a_video"


@pytest.mark.parametrize(
    "playlist",
    ["ffconcat version 1.0\nfile '{}'\n", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"],
)
def test_a_playlist_called_mp4_opens_no_other_file(tmp_path, playlist):
    secret = video(tmp_path / "secret.mp4")
    (tmp_path / "a.mp4").write_text(playlist.format(secret))
    assert code_of(tmp_path / "a.mp4") == "not_a_video"


def test_a_reject_does_not_carry_the_place_of_the_file(tmp_path):
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(Rejected) as caught:
        probe(tmp_path / "a.mp4")
    assert str(tmp_path) not in caught.value.detail


def test_sound_in_a_video_container_has_no_video_stream(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(beep_at(0, 1)))
    path = tmp_path / "a.mp4"
    with av.open(str(tmp_path / "a.wav")) as given, av.open(str(path), "w") as made:
        stream = made.add_stream("aac", rate=44100)
        for frame in given.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    assert code_of(path) == "no_video_stream"


@pytest.mark.parametrize("kept", [0.02, 0.2])
def test_an_mp4_cut_off_before_its_index_is_truncated(tmp_path, kept):
    data = encoded(tmp_path / "index_last.mp4", "libx264", "aac").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: int(len(data) * kept)])
    assert code_of(tmp_path / "b.mp4") == "truncated"


def test_an_mp4_cut_off_within_its_index_is_truncated(tmp_path):
    data = video(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: data.index(b"mdat") - 200])
    assert code_of(tmp_path / "b.mp4") == "truncated"


def test_an_mp4_cut_off_right_after_its_index_is_truncated(tmp_path):
    data = video(tmp_path / "a.mp4", duration_s=6).read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[: data.index(b"mdat") + 30])
    assert code_of(tmp_path / "b.mp4") == "truncated"


def test_the_usable_first_part_of_a_cut_off_file_is_measured_and_marked(tmp_path):
    data = video(tmp_path / "a.mp4", duration_s=10).read_bytes()
    path = tmp_path / "b.mp4"
    path.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    found = probe(path)
    assert found.truncated
    assert 2 < found.duration_s < 8
    assert found.duration_s + found.missing_s == pytest.approx(10)
    assert len(sample_frames(path, 0, found.duration_s, 5, "keyframes")) == 5


def test_damaged_pictures_are_known_by_their_times(tmp_path):
    whole = encoded(tmp_path / "a.mp4", "libx264", "aac")
    found = probe(broken(whole, tmp_path / "b.mp4", "video", 2.0, 3.0))
    assert len(found.broken_s) == 25
    assert (min(found.broken_s), max(found.broken_s)) == pytest.approx((2.0, 2.96))
    assert (probe(whole).broken_s, probe(whole).still_s) == ((), ())


def test_pictures_that_a_container_lost_leave_a_still_one(tmp_path):
    data = bytearray(encoded(tmp_path / "a.mkv", "libx264", "libopus").read_bytes())
    start, end = len(data) * 2 // 5, len(data) * 3 // 5
    data[start:end] = bytes(end - start)
    (tmp_path / "b.mkv").write_bytes(data)
    ((start_s, end_s),) = probe(tmp_path / "b.mkv").still_s
    assert 0.5 < end_s - start_s < 1.5


def test_a_slideshow_of_even_pace_does_not_stand_still(tmp_path):
    assert probe(slideshow(tmp_path / "even.mp4", [0, 2, 4, 6, 8])).still_s == ()
    uneven = [*(index / 25 for index in range(25)), 4.0, 4.04]
    assert probe(slideshow(tmp_path / "uneven.mp4", uneven)).still_s == (pytest.approx((0.96, 4.0)),)


def test_a_file_that_lacks_its_last_moments_only_is_whole(tmp_path):
    data = video(tmp_path / "a.mp4", duration_s=10).read_bytes()
    (tmp_path / "b.mp4").write_bytes(data[:-200])
    assert not probe(tmp_path / "b.mp4").truncated


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    assert code_of(tmp_path / "gone.mp4") == "unreadable"
    assert code_of(tmp_path) == "unreadable"


def test_a_file_without_read_permission_is_unreadable(tmp_path):
    path = video(tmp_path / "a.mp4")
    path.chmod(0)
    try:
        path.open("rb").close()
    except PermissionError:
        assert code_of(path) == "unreadable"
    else:
        pytest.skip("this user may read everything")


@pytest.mark.parametrize(
    "name", ["with space.mp4", "노래 1.mp4", "🎤 party.MP4", "100% 'quoted' \"x\".mp4", "a:b?c*.mp4", "-dash.mp4"]
)
def test_names_of_any_script_open(tmp_path, name):
    assert probe(video(tmp_path / "a.mp4").rename(tmp_path / name)).n_frames == 50


def test_a_path_relative_to_the_current_folder_opens(tmp_path, monkeypatch):
    video(tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    with open_media(Path("a.mp4")) as container:
        assert container.streams.video


@needs_real_data
def test_pictures_that_start_long_after_the_sound_are_known_as_such():
    assert probe(DATA / "clips" / "talk_2.mp4").video_start_s == pytest.approx(8.33, abs=0.01)
