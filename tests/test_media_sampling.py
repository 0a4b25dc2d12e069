import av
import numpy as np
import pytest

from media_cases import broken, encoded, number_of, slideshow, video
from onscreen.errors import Rejected
from onscreen.media.sampling import FILL_S, glance, sample_frames
from onscreen.media.video import constant_rate_frames


@pytest.fixture(scope="module")
def five_seconds(tmp_path_factory):
    return encoded(tmp_path_factory.mktemp("media") / "five.mp4", "libx264", "aac")


@pytest.fixture(scope="module")
def one_keyframe(tmp_path_factory):
    return encoded(tmp_path_factory.mktemp("media") / "one_keyframe.mp4", "libx264", "aac", count=100, keyframes_s=10)


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
@pytest.mark.parametrize("count", [1, 3, 5, 8, 40])
def test_every_clip_gives_the_number_of_frames_that_was_asked_for(five_seconds, count, mode):
    frames = sample_frames(five_seconds, 0, 5, count, mode)
    times = [frame.time_s for frame in frames]
    assert len(frames) == count
    assert times == sorted(set(times))
    assert [number_of(frame.image) for frame in frames] == [round(time_s * 25) for time_s in times]


def test_keyframes_come_first_and_are_spread_evenly(five_seconds):
    assert [frame.time_s for frame in sample_frames(five_seconds, 0, 5, 5, "keyframes")] == pytest.approx([0, 1, 2, 3, 4])
    times = [frame.time_s for frame in sample_frames(five_seconds, 0, 5, 3, "keyframes")]
    assert times == pytest.approx([0, 2, 4])


def test_frames_that_fill_up_are_spread_over_the_second_after_each_keyframe(one_keyframe, five_seconds):
    times = [frame.time_s for frame in sample_frames(one_keyframe, 0, 4, 5, "keyframes")]
    assert times == pytest.approx([0, FILL_S / 4, FILL_S / 2, 3 * FILL_S / 4, FILL_S], abs=0.05)
    times = [frame.time_s for frame in sample_frames(five_seconds, 0, 5, 8, "keyframes")]
    assert {0, 1, 2, 3, 4} < set(times)
    assert np.diff(times).min() > 0.4


def test_filling_up_decodes_no_more_than_the_second_after_each_keyframe(one_keyframe, monkeypatch):
    decoded = []
    monkeypatch.setattr("onscreen.media.sampling.frames_of", lambda packet: decoded.append(packet) or packet.decode())
    assert len(sample_frames(one_keyframe, 0, 4, 5, "keyframes")) == 5
    assert len(decoded) <= FILL_S * 25 + 5


def test_where_the_second_after_the_keyframes_holds_too_few_the_whole_clip_is_used(tmp_path):
    path = slideshow(tmp_path / "slides.mp4", [0, 2, 4, 6, 8])
    assert [number_of(frame.image) for frame in sample_frames(path, 0, 10, 4, "keyframes")] == [0, 1, 2, 4]


def test_uniform_frames_are_spread_evenly_in_time(one_keyframe, five_seconds):
    for path, end_s in ((one_keyframe, 4.0), (five_seconds, 5.0)):
        times = [frame.time_s for frame in sample_frames(path, 0, end_s, 5, "uniform")]
        assert times == pytest.approx((np.arange(5) + 0.5) * end_s / 5, abs=0.05)


def test_uniform_frames_of_a_file_that_stands_still_are_all_different(tmp_path):
    path = slideshow(tmp_path / "slides.mp4", [0, 0.04, 0.08, 3.0, 9.0])
    assert [number_of(frame.image) for frame in sample_frames(path, 0, 10, 5, "uniform")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mp4", "libx265", "aac"),
        ("a.mov", "mpeg4", "aac"),
        ("a.mkv", "libx264", "libopus"),
        ("a.webm", "libvpx", "libopus"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.mpg", "mpeg2video", "mp2"),
        ("a.avi", "mpeg4", "pcm_s16le"),
        ("a.ts", "libx264", "aac"),
    ],
)
def test_a_sampled_frame_has_the_pixels_that_decoding_everything_gives_it(tmp_path, name, codec, sound, mode):
    path = encoded(tmp_path / name, codec, sound)
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0) if frame.pts is not None]
        whole = {number_of(image): image for image in (frame.to_ndarray(format="rgb24") for frame in frames)}
    sampled = sample_frames(path, 0, 6, 9, mode)
    assert len(sampled) == 9
    for frame in sampled:
        assert np.array_equal(frame.image, whole[number_of(frame.image)])


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
def test_broken_packets_cost_no_clip_its_number_of_frames(tmp_path, five_seconds, mode):
    path = broken(five_seconds, tmp_path / "broken.mp4", "video", 1.9, 3.3)
    frames = sample_frames(path, 0, 5, 5, mode)
    assert len({frame.time_s for frame in frames}) == 5


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
def test_a_clip_with_fewer_frames_gives_all_it_has(tmp_path, mode):
    path = video(tmp_path / "short.mp4", duration_s=3 / 25, beep_s=None)
    assert [number_of(frame.image) for frame in sample_frames(path, 0, 3 / 25, 5, mode)] == [0, 1, 2]


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
def test_frames_of_a_cut_lie_within_it_and_count_from_its_start(five_seconds, one_keyframe, mode):
    for path in (five_seconds, one_keyframe):
        frames = sample_frames(path, 2.5, 3.9, 5, mode)
        assert len(frames) == 5
        assert [number_of(frame.image) for frame in frames] == [round((2.5 + frame.time_s) * 25) for frame in frames]
        assert all(0 <= frame.time_s < 1.4 for frame in frames)


@pytest.mark.parametrize("mode", ["keyframes", "uniform"])
def test_two_neighbouring_cuts_share_no_frame(five_seconds, mode):
    numbers = [
        {number_of(frame.image) for frame in sample_frames(five_seconds, start_s, end_s, 70, mode)}
        for start_s, end_s in ((0, 2.5), (2.5, 5))
    ]
    assert [len(found) for found in numbers] == [63, 62]
    assert not numbers[0] & numbers[1]


def test_the_first_mode_gives_only_the_first_frame(five_seconds):
    frames = sample_frames(five_seconds, 0, 5, 5, "first")
    assert [(frame.time_s, number_of(frame.image)) for frame in frames] == [(0.0, 0)]


@pytest.mark.parametrize("mode", ["keyframes", "uniform", "first"])
def test_no_frame_between_two_times_is_a_named_reject(five_seconds, mode):
    with pytest.raises(Rejected, match="no_frames"):
        sample_frames(five_seconds, 7, 9, 5, mode)


def test_sampling_twice_gives_the_same(one_keyframe):
    one, two = (sample_frames(one_keyframe, 0, 4, 5, "keyframes") for _ in range(2))
    assert [frame.time_s for frame in one] == [frame.time_s for frame in two]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, two, strict=True))


def test_a_keyframe_shows_what_is_on_screen_then(five_seconds):
    retimed = list(constant_rate_frames(five_seconds, 0, 5, 25))
    for frame in sample_frames(five_seconds, 0, 5, 5, "keyframes"):
        assert np.array_equal(frame.image, retimed[round(frame.time_s * 25)].image)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mp4", "libx265"), ("a.webm", "libvpx-vp9"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")],
)
def test_a_glance_is_one_frame_of_each_part_of_the_clip_whatever_codec_it_has(tmp_path, name, codec):
    path = encoded(tmp_path / name, codec, "mp2" if name.endswith("mpg") else "libopus" if name.endswith("webm") else "aac")
    for start_s, end_s in ((0.0, 5.0), (1.3, 4.7)):
        frames = glance(path, start_s, end_s, 4)
        assert len(frames) == 4
        for part, frame in enumerate(frames):
            assert part - 0.1 <= 4 * frame.time_s / (end_s - start_s) <= part + 1.1
        exact = [number_of(frame.image) for frame in frames]
        assert exact == pytest.approx([(start_s + frame.time_s) * 25 for frame in frames], abs=1.1)  # AVI's times are late by one


def test_a_glance_decodes_keyframes_alone_where_each_part_has_one(five_seconds, monkeypatch):
    decoded = []
    monkeypatch.setattr("onscreen.media.sampling.frames_of", lambda packet: decoded.append(packet.size) or packet.decode())
    assert [frame.time_s for frame in glance(five_seconds, 0, 5, 5)] == pytest.approx([0, 1, 2, 3, 4], abs=0.2)
    assert sum(size > 0 for size in decoded) <= 30


def test_a_glance_at_a_clip_of_few_frames_gives_all_of_them(tmp_path):
    path = slideshow(tmp_path / "slides.mp4", [0, 0.04, 0.08, 3.0, 9.0])
    assert [number_of(frame.image) for frame in glance(path, 0, 10, 8)] == [0, 1, 2, 3, 4]
