import av
import numpy as np
import pytest

from media_cases import SIZE, beep_at, broken, encoded, number_of, numbered, onset_s, pictures, shifted, slideshow, turned, video
from onscreen.errors import Rejected
from onscreen.media.audio import Audio, decode_audio
from onscreen.media.probe import probe
from onscreen.media.sampling import sample_frames
from onscreen.media.video import constant_rate_frames, write_video


@pytest.fixture(scope="module")
def five_seconds(tmp_path_factory):
    return encoded(tmp_path_factory.mktemp("media") / "five.mp4", "libx264", "aac")


def test_a_written_video_gives_back_its_pictures_and_its_sound_in_step(tmp_path):
    path = video(tmp_path / "a.mp4", duration_s=3, beep_s=1.0)
    frames = list(constant_rate_frames(path, 0, 3, 25))
    assert [number_of(frame.image) for frame in frames] == list(range(75))
    assert onset_s(decode_audio(path, 0, 3)) == pytest.approx(1.0, abs=0.002)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    one, two = video(tmp_path / "1.mp4"), video(tmp_path / "2.mp4")
    assert one.read_bytes() == two.read_bytes()


def test_metadata_survives_with_any_key_and_script(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, pictures(5), 25, None, {"comment": "sample", "onscreen_song": "아리랑"})
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "sample"
        assert container.metadata["onscreen_song"] == "아리랑"


def test_the_index_stands_before_the_media_so_that_players_start_at_once(tmp_path):
    data = video(tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_sound_at_a_rate_that_aac_does_not_know_keeps_its_time_and_pitch(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, pictures(50), 25, beep_at(1.0, 2.0, rate_hz=24576, channels=2))
    found = decode_audio(path, 0, 2, mono=False)
    assert found.samples.shape == (2 * 48000, 2)
    assert onset_s(found) == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("frames", [[], [np.zeros((63, 96, 3), np.uint8)], [numbered(0), np.zeros((32, 32, 3), np.uint8)]])
def test_what_cannot_be_written_is_refused_and_leaves_no_file(tmp_path, frames):
    with pytest.raises(ValueError, match=r"frame|even"):
        write_video(tmp_path / "a.mp4", frames, 25, None)
    assert list(tmp_path.iterdir()) == []


def test_retiming_shows_what_is_on_screen_at_each_moment(five_seconds):
    numbers = [number_of(frame.image) for frame in constant_rate_frames(five_seconds, 0, 5, 24)]
    assert numbers == [int(index * 25 / 24 + 1e-6) for index in range(120)]


def test_retiming_from_the_middle_starts_with_the_picture_on_screen_there(five_seconds):
    frames = list(constant_rate_frames(five_seconds, 2.015, 3.03, 50))
    assert [number_of(frame.image) for frame in frames] == [int((2.015 + index / 50) * 25) for index in range(50)]
    assert frames[10].time_s == pytest.approx(0.2)


def test_retiming_refuses_to_make_up_pictures_beyond_the_end(five_seconds):
    with pytest.raises(Rejected) as caught:
        list(constant_rate_frames(five_seconds, 4, 6, 24))
    assert caught.value.code == "picture_ends_early"
    assert caught.value.numbers["missing_s"] == pytest.approx(1, abs=0.1)


def test_retiming_refuses_to_make_up_pictures_before_the_first(tmp_path):
    late = shifted(video(tmp_path / "a.mp4"), tmp_path / "late.mp4", "video", 1.0)
    with pytest.raises(Rejected) as caught:
        list(constant_rate_frames(late, 0, 3, 24))
    assert caught.value.code == "picture_starts_late"
    assert [number_of(frame.image) for frame in constant_rate_frames(late, 1, 3, 25)] == list(range(50))


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.ts", "a.mpg"])
def test_retiming_refuses_to_hold_a_picture_over_broken_packets(tmp_path, name):
    codecs = {"a.mp4": ("libx264", "aac"), "a.avi": ("mpeg4", "pcm_s16le"), "a.mpg": ("mpeg2video", "mp2")}
    whole = encoded(tmp_path / name, *codecs.get(name, ("libx264", "aac")))
    start_s = probe(whole).video_start_s
    path = broken(whole, tmp_path / f"broken_{name}", "video", start_s + 2.0, start_s + 3.0)
    with pytest.raises(Rejected) as caught:
        list(constant_rate_frames(path, start_s, start_s + 4.5, 24))
    assert caught.value.code == "picture_has_gap"
    assert caught.value.numbers["held_s"] > 0.9
    assert [number_of(frame.image) for frame in constant_rate_frames(path, start_s, start_s + 1.0, 25)] == list(range(25))


def test_one_broken_picture_is_bridged_as_players_do(tmp_path, five_seconds):
    path = broken(five_seconds, tmp_path / "b.mp4", "video", 2.96, 3.0)
    assert len(list(constant_rate_frames(path, 0, 5, 25))) == 125


def test_a_file_of_variable_rate_may_stand_still(tmp_path):
    path = slideshow(tmp_path / "a.mp4", [0, 0.04, 0.08, 3.0, 3.04])
    numbers = [number_of(frame.image) for frame in constant_rate_frames(path, 0, 3, 25)]
    assert numbers == [0, 1] + [2] * 73


@pytest.mark.parametrize(("clockwise", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_pictures_come_upright_whatever_way_the_phone_was_held(tmp_path, clockwise, corner):
    image = np.full((64, 96, 3), 16, np.uint8)
    image[:24, :24] = (235, 16, 16)  # red in the corner at the top left
    write_video(tmp_path / "a.mp4", [image] * 5, 25, None)
    path = turned(tmp_path / "a.mp4", tmp_path / "b.mp4", clockwise)
    found = sample_frames(path, 0, 1, 1, "first")[0].image
    assert found.shape == ((96, 64, 3) if clockwise != 180 else (64, 96, 3))
    assert (probe(path).height, probe(path).width) == found.shape[:2]
    row, column = (8 if corner[0] == 0 else -8), (8 if corner[1] == 0 else -8)
    assert found[row, column, 0] > 180
    assert (found[..., 0] > 180).mean() < 0.15


@pytest.mark.parametrize(
    ("name", "video_codec", "audio_codec"),
    [
        ("a.mov", "mpeg4", "aac"),
        ("a.mkv", "libx264", "libopus"),
        ("a.webm", "libvpx", "libopus"),
        ("a.mpg", "mpeg2video", "mp2"),
        ("a.avi", "mpeg4", "pcm_s16le"),
        ("a.ts", "libx264", "aac"),
    ],
)
def test_picture_and_sound_stay_together_in_every_container(tmp_path, name, video_codec, audio_codec):
    path = encoded(tmp_path / name, video_codec, audio_codec)
    found = probe(path)
    assert found.n_frames == 125
    assert found.duration_s - found.video_start_s == pytest.approx(5, abs=0.001)
    shown_s = found.video_start_s + 3.0  # the beep is heard with picture 75
    assert onset_s(decode_audio(path, 0, found.duration_s)) == pytest.approx(shown_s, abs=1 / 24)
    assert 2.5 + onset_s(decode_audio(path, 2.5, 4)) == pytest.approx(shown_s, abs=1 / 24)
    frame = next(constant_rate_frames(path, shown_s + 0.01, found.duration_s, 24))
    assert number_of(frame.image) == 75


def test_sound_of_three_channels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one or two channels"):
        write_video(tmp_path / "a.mp4", pictures(5), 25, Audio(np.zeros((100, 3), np.float32), 48000))


def test_an_avi_with_b_frames_gives_its_pictures_in_order_though_it_holds_no_times(tmp_path):
    path = tmp_path / "b.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "g": "20"})
        (stream.height, stream.width), stream.pix_fmt = SIZE, "yuv420p"
        for index in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index))))
        container.mux(stream.encode(None))
    assert [number_of(frame.image) for frame in constant_rate_frames(path, 0.0, 2.4, 25)] == list(range(60))
    assert [number_of(frame.image) for frame in constant_rate_frames(path, 1.2, 2.0, 25)] == list(range(30, 50))
    for mode in ("keyframes", "uniform"):
        assert all(number_of(frame.image) == round(frame.time_s * 25) for frame in sample_frames(path, 0.0, 2.4, 5, mode))
