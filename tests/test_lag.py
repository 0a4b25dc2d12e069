"""Lags that are known are found: of signals, of music features and the sound beside them."""

from pathlib import Path

import numpy as np
import pytest

from onscreen.media.audio import Audio, decode_audio
from onscreen.media.video import write_video
from onscreen.motion import music
from onscreen.motion.lag import lag_s, music_lag_s
from real_data import DATA, needs_real_data

RATE = music.rate_hz(24)


def wave(shift_s: float, rate_hz: float = 96.0, seconds: float = 10.0) -> np.ndarray:
    """A sum of slow sines, shift_s later."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz - shift_s
    return np.asarray(sum(np.sin(2 * np.pi * pitch * time_s + pitch) for pitch in (0.7, 1.9, 3.1, 4.3)))


@pytest.mark.parametrize("shift_s", [-0.5, -0.2, -0.013, 0.0, 0.004, 0.2, 0.5])
def test_a_shift_is_found_between_samples_and_positive_when_the_second_is_later(shift_s: float) -> None:
    found, correlation = lag_s(wave(0), wave(shift_s), 96.0, 1.0)
    assert found == pytest.approx(shift_s, abs=0.001)
    assert correlation > 0.99


def test_signals_of_other_scales_lengths_and_levels_have_the_same_lag() -> None:
    found, correlation = lag_s(wave(0)[:700], wave(0.2) * 7 - 3, 96.0, 1.0)
    assert found == pytest.approx(0.2, abs=0.001)
    assert correlation > 0.99


def test_a_lag_beyond_the_reach_and_unrelated_noise_correlate_little() -> None:
    rng = np.random.default_rng(0)
    assert lag_s(rng.standard_normal(960), rng.standard_normal(960), 96.0, 1.0)[1] < 0.3


def test_what_does_not_vary_or_is_too_short_has_no_lag() -> None:
    assert lag_s(np.ones(100), wave(0), 96.0, 1.0) == (0.0, 0.0)
    assert lag_s(np.zeros(1), np.zeros(1), 96.0, 1.0) == (0.0, 0.0)
    with pytest.raises(ValueError, match="not finite"):
        lag_s(np.array([1.0, np.nan, 2.0]), wave(0), 96.0, 1.0)


@needs_real_data
@pytest.mark.parametrize("shift_s", [-0.2, 0.0, 0.2])
def test_200_ms_between_features_and_the_soundtrack_of_a_real_dance_are_found(shift_s: float, tmp_path: Path) -> None:
    source, rate = DATA / "dance" / "dance_with_music.mp4", 44100
    features = music.measure(decode_audio(source, 0.0, 6.0, RATE).samples, 24, 0, 144).features
    sound = decode_audio(source, 0.0, 6.0, rate).samples
    moved, moved_by = np.zeros_like(sound), round(shift_s * rate)
    moved[max(0, moved_by) : len(sound) + min(0, moved_by)] = sound[max(0, -moved_by) : len(sound) - max(0, moved_by)]
    video = tmp_path / "video.mp4"
    write_video(video, (np.zeros((64, 64, 3), np.uint8) for _ in range(144)), 24, Audio(moved, rate))
    found, correlation = music_lag_s(features, decode_audio(video, 0.0, 6.0, RATE).samples, 24)
    assert found == pytest.approx(shift_s, abs=0.021)
    assert correlation > 0.9


@needs_real_data
def test_the_sound_of_another_song_does_not_correlate() -> None:
    one, two = (decode_audio(DATA / "dance" / "music" / f"{name}.ogg", 10.0, 15.0, RATE).samples for name in ("waltz", "ragtime"))
    assert music_lag_s(music.measure(one, 24, 0, 120).features, two, 24)[1] < 0.7
    assert music_lag_s(np.zeros((120, music.WIDTH), np.float32), two, 24) == (0.0, 0.0)
