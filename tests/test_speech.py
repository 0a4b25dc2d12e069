from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from media_cases import broken, shifted, video
from onscreen import weights
from onscreen.errors import Rejected, WeightsError
from onscreen.media.audio import decode_audio
from onscreen.voices import speech
from onscreen.voices.speech import measure_video, speech_probability, speech_segments
from real_data import DATA, needs_real_data

WINDOW_S = 0.032
probabilities = arrays(np.float32, st.integers(0, 200), elements=st.floats(0, 1, width=32))


def windows(pattern):
    """'x' speech, '.' none."""
    return np.array([0.9 if letter == "x" else 0.1 for letter in pattern], np.float32)


def segments(pattern):
    found = speech_segments(windows(pattern), 0.5, len(pattern) * WINDOW_S)
    return [(round(start_s / WINDOW_S), round(end_s / WINDOW_S)) for start_s, end_s in found]


def test_a_run_of_windows_is_a_segment():
    assert segments("..xxxxxxxxxx...") == [(2, 12)]


def test_the_closure_of_a_consonant_does_not_end_a_segment_and_a_pause_does():
    assert segments("xxxxxxxx..xxxxxxxx") == [(0, 18)]
    assert segments("xxxxxxxx...xxxxxxxx") == [(0, 8), (11, 19)]


def test_clicks_are_no_speech():
    assert segments("..xxxxxxx....x....") == []


def test_no_windows_have_no_segments():
    assert segments("") == []


def test_a_segment_ends_with_the_sound():
    assert speech_segments(windows("x" * 10), 0.5, 0.31) == [(0.0, 0.31)]


@given(probabilities, st.floats(0.05, 0.95))
def test_segments_are_sorted_disjoint_and_within_the_sound(probability, threshold):
    duration_s = len(probability) * WINDOW_S - 0.01
    found = speech_segments(probability, threshold, duration_s)
    flat = [time for segment in found for time in segment]
    assert flat == sorted(flat)
    assert all(0 <= start_s < end_s <= duration_s for start_s, end_s in found)


@given(probabilities, st.floats(0.05, 0.9))
def test_a_higher_threshold_never_finds_more_speech(probability, threshold):
    duration_s = len(probability) * WINDOW_S

    def total(at):
        return sum(end_s - start_s for start_s, end_s in speech_segments(probability, at, duration_s))

    assert total(threshold + 0.1) <= total(threshold) + 1e-9


def test_silence_noise_and_a_tone_are_not_speech():
    time_s = np.arange(4 * 16000) / 16000
    noise = np.random.default_rng(0).normal(0, 0.05, len(time_s))
    for sound in (np.zeros_like(time_s), noise, 0.3 * np.sin(2 * np.pi * 440 * time_s)):
        probability = speech_probability(sound.astype(np.float32))
        assert probability.shape == (125,)
        assert speech_segments(probability, 0.5, 4.0) == []


def test_no_samples_have_no_probabilities():
    assert speech_probability(np.zeros(0, np.float32)).shape == (0,)


@needs_real_data
def test_our_loop_over_the_network_is_the_packages_own():
    from silero_vad import load_silero_vad

    samples = decode_audio(DATA / "clips" / "obama_20s.mp4", 0, 20, 16000).samples
    np.testing.assert_allclose(speech_probability(samples), load_silero_vad(sequence=True).audio_forward(samples), atol=1e-6)


@needs_real_data
@pytest.mark.parametrize("start_s", [0.0, 0.01, 0.02])
def test_speech_seconds_hardly_depend_on_where_windows_begin(start_s):
    samples = decode_audio(DATA / "clips" / "talk_1.mp4", start_s, 11.9, 16000).samples
    found = speech_segments(speech_probability(samples), 0.5, len(samples) / 16000)
    assert sum(end_s - begin_s for begin_s, end_s in found) == pytest.approx(8.0, abs=0.3)


def test_a_network_other_than_the_one_on_record_is_refused(monkeypatch):
    entry = weights.model(speech.WEIGHTS)
    other = replace(entry, files={speech.MODEL_FILE: weights.File(entry.files[speech.MODEL_FILE].member, "0" * 64)})
    monkeypatch.setattr(weights, "catalogue", lambda: {speech.WEIGHTS: other})
    speech._session.cache_clear()
    with pytest.raises(WeightsError, match="another file"):
        speech_probability(np.zeros(512, np.float32))


def test_a_measurement_holds_sound_on_the_files_clock_and_one_probability_a_window(tmp_path):
    path = shifted(video(tmp_path / "a.mp4", duration_s=3, beep_s=1.0), tmp_path / "late.mp4", "audio", 0.5)
    found = measure_video(str(path))
    assert found.arrays["sound"].dtype == np.int16
    assert found.arrays["sound"].shape == (48000,)
    assert found.arrays["speech"].shape == (94,)
    assert found.meta["missing_start_s"] == pytest.approx(0.5, abs=0.03)
    assert found.meta["probe"]["duration_s"] == pytest.approx(3.0)


def test_a_measurement_of_a_video_without_audio_says_why_there_is_no_sound(tmp_path):
    found = measure_video(str(video(tmp_path / "a.mp4", beep_s=None)))
    assert found.meta["no_sound"]["code"] == "no_audio"
    assert found.meta["missing_start_s"] is None
    assert len(found.arrays["sound"]) == len(found.arrays["speech"]) == 0


def test_a_measurement_of_a_damaged_soundtrack_says_where_it_is_silent(tmp_path):
    whole = video(tmp_path / "a.mp4", duration_s=4)
    found = measure_video(str(broken(whole, tmp_path / "b.mp4", "audio", 1.0, 2.0)))
    assert found.meta["sound_gaps_s"] == (pytest.approx((1.0, 2.0), abs=0.05),)
    assert measure_video(str(whole)).meta["sound_gaps_s"] == ()


def test_a_file_that_vanished_is_not_remembered_as_a_verdict_on_its_bytes(tmp_path):
    with pytest.raises(OSError, match="cannot be read"):
        measure_video(str(tmp_path / "gone.mp4"))
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(Rejected, match="not_a_video"):
        measure_video(str(tmp_path / "text.mp4"))
