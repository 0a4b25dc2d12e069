"""Frames that go from one video into another: what is cut out, where it lands, its colours, and the sound beside it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media_cases import beep_at, onset_s, turned
from onscreen.media.audio import Audio, decode_audio
from onscreen.media.cropping import Cropper
from onscreen.media.film import Film
from onscreen.media.probe import probe
from onscreen.media.video import constant_rate_frames, decoded_at_rate, write_video
from onscreen.motion.framing import Window, show

SIZE = (360, 480)


def hills(shift: int = 0) -> np.ndarray:
    """A picture of soft spots in many colours."""
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(float)
    waves = [np.sin((columns + shift) / 40), np.sin(rows / 30 + 1), np.sin((columns + rows) / 50)]
    return np.stack([120 + 90 * wave for wave in waves], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    write_video(path, [hills(3 * index) for index in range(30)], 30, beep_at(0.5, 1.0))
    return path


WINDOWS = [Window(0, -60, 480), Window(-2, -2, 484), Window(101, 33, 256), Window(100, 100, 99)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("turn", [0, 90, 180])
def test_what_is_cut_out_is_what_the_picture_shows_there(source: Path, tmp_path: Path, window: Window, turn: int) -> None:
    path = turned(source, tmp_path / "t.mp4", turn) if turn else source
    if turn == 90:
        window = Window(window.y, window.x, window.side)
    _, decoded = next(iter(decoded_at_rate(path, 0.0, 0.5, 24)))
    frame = Cropper(window.x, window.y, window.side, 128)(decoded)
    expected = show(decoded.image, window, 128).astype(int)
    assert (frame.width, frame.height, frame.format.name) == (128, 128, "yuv420p")
    difference = np.abs(frame.to_ndarray(format="rgb24").astype(int) - expected)
    assert difference.mean() < 3  # colour is coded for two pixels at once
    assert np.quantile(difference, 0.95) < 12


def test_a_film_has_every_frame_its_sound_in_step_and_the_sources_colours(source: Path, tmp_path: Path) -> None:
    film, crop = Film(tmp_path / "b.mp4", 24), Cropper(0, -60, 480, 128)
    frames = list(constant_rate_frames(source, 0.0, 1.0, 24))
    for _, decoded in decoded_at_rate(source, 0.0, 1.0, 24):
        film.add(crop(decoded))
    film.finish(Audio(decode_audio(source, 0.0, 1.0, None, mono=False).samples, 44100))
    found = probe(film.path)
    assert (found.n_frames, found.fps, found.has_audio) == (24, 24, True)
    assert onset_s(decode_audio(film.path, 0.0, 1.0)) == pytest.approx(0.5, abs=0.002)
    for before, after in zip(frames, constant_rate_frames(film.path, 0.0, 1.0, 24), strict=True):
        assert np.abs(show(before.image, Window(0, -60, 480), 128).astype(int) - after.image).mean() < 4


def test_a_film_without_a_frame_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a frame"):
        Film(tmp_path / "a.mp4", 24).finish(beep_at(0.5, 1.0))


def test_five_channels_and_bass_become_two_that_keep_left_and_right(tmp_path: Path) -> None:
    path, rate = tmp_path / "surround.mkv", 48000
    channels = np.zeros((6, rate), np.float32)  # FL FR FC LFE BL BR
    for index, hz in enumerate((500, 700, 900, 60, 1100, 1300)):
        channels[index] = 0.9 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="5.1")
        frame = av.AudioFrame.from_ndarray((channels * 32767).astype(np.int16).T.reshape(1, -1), format="s16", layout="5.1")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    samples = decode_audio(path, 0.0, 1.0, None, mono=False, at_most_stereo=True).samples
    power = np.abs(np.fft.rfft(samples, axis=0)) / (rate / 2)
    assert samples.shape == (rate, 2)
    assert np.abs(samples).max() <= 1
    left, right = power[[500, 700, 900, 60, 1100, 1300]].T
    np.testing.assert_allclose(left / left[0], [1, 0, 0.707, 0, 0.707, 0], atol=0.02)
    np.testing.assert_allclose(right / right[1], [0, 1, 0.707, 0, 0, 0.707], atol=0.02)
