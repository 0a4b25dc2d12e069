"""Music features: the layout, known sounds, the video's clock, real music."""

from pathlib import Path

import numpy as np
import pytest

from onscreen.errors import Rejected
from onscreen.media.audio import decode_audio
from onscreen.motion import music
from real_data import DATA

RATE = music.rate_hz(24)
TRACKS = sorted((DATA / "dance" / "music").glob("*.ogg"))


def clicks(bpm: float, seconds: float, first_s: float = 0.3) -> np.ndarray:
    """Short decaying noises at a steady tempo."""
    rng = np.random.default_rng(0)
    click = (np.exp(-np.arange(1200) / 200) * rng.standard_normal(1200) * 0.5).astype(np.float32)
    samples = np.zeros(int(RATE * seconds), np.float32)
    for time_s in np.arange(first_s, seconds - 0.1, 60 / bpm):
        start = int(time_s * RATE)
        samples[start : start + 1200] += click
    return samples


def columns(name: str, offset: int = 0) -> slice:
    row = next(row for row in music.layout() if (row["name"], row["offset"]) == (name, offset))
    return slice(row["start"], row["stop"])


def test_the_layout_is_39_columns_now_and_207_for_each_of_23_frames() -> None:
    rows = music.layout()
    assert sum(row["width"] for row in rows if row["start"] < 39) == 39
    around = [row for row in rows if row["start"] >= 39]
    assert {row["offset"] for row in around} == set(range(-11, 12))
    assert all(sum(row["width"] for row in around if row["offset"] == offset) == 207 for offset in range(-11, 12))
    assert [row["start"] for row in rows[1:]] == [row["stop"] for row in rows[:-1]]
    assert rows[-1]["stop"] == music.WIDTH == 4800


@pytest.mark.parametrize("bpm", [75, 97, 110, 128, 160])
def test_the_tempo_of_a_click_track_is_found_within_one_bpm(bpm: float) -> None:
    assert music.find_beats(clicks(bpm, 15), 24).tempo_bpm == pytest.approx(bpm, abs=1)


@pytest.mark.parametrize("bpm", [97, 128])
def test_beats_lie_on_the_clicks_and_phase_is_zero_there(bpm: float) -> None:
    beats = music.find_beats(clicks(bpm, 15), 24)
    true = np.arange(0.3, 14.9, 60 / bpm)[2:-2]  # the tracker guesses beyond the first and the last
    nearest = np.abs(beats.times_s[None] - true[:, None]).min(axis=1)
    assert nearest.max() < 1 / 24
    phase = music.beat_phase(beats.times_s, true)
    assert np.abs((phase + 0.5) % 1 - 0.5).max() < 0.1


def test_beat_phase_runs_from_zero_to_one_and_goes_on_beyond_the_beats() -> None:
    phase = music.beat_phase(np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 1.25, 3.0, 4.0, 5.0, 6.0]))
    np.testing.assert_allclose(phase, [0.5, 0, 0.25, 0.5, 0, 0.5, 0])


def test_a_pure_a_stands_in_chroma_a_and_nowhere_else() -> None:
    time_s = np.arange(RATE * 6) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32) + clicks(120, 6) * 0.05
    features = music.measure(tone, 24, 24, 96).features
    assert set(features[:, columns("chroma")].argmax(axis=1)) == {9}  # C is 0
    assert set(features[:, columns("chroma_cqt")].argmax(axis=1) // 3) == {9}


def test_one_row_a_video_frame_and_the_same_numbers_twice() -> None:
    sound = clicks(120, 5)
    first, second = (music.measure(sound, 24, 0, 120) for _ in range(2))
    assert first.features.shape == (120, 4800)
    assert first.features.dtype == np.float32
    np.testing.assert_array_equal(first.features, second.features)


def test_context_columns_are_the_neighbouring_frames() -> None:
    features = music.measure(clicks(120, 6), 24, 24, 96).features
    np.testing.assert_array_equal(features[10:80, columns("rms", 3)], features[13:83, columns("rms", 0)])
    np.testing.assert_array_equal(features[20:80, columns("log_mel_db", -11)], features[9:69, columns("log_mel_db", 0)])


def test_a_click_is_loud_in_the_row_of_the_frame_that_it_falls_into() -> None:
    features = music.measure(clicks(60, 6, first_s=0.5), 24, 0, 144).features
    loud = features[:, columns("rms")][:, 0]
    assert {int(loud[start : start + 24].argmax()) + start for start in range(0, 120, 24)} <= {
        frame + shift for frame in range(12, 144, 24) for shift in (0, 1)
    }


def test_context_beyond_a_cut_comes_from_the_source_and_only_the_sources_ends_are_padded() -> None:
    sound = clicks(120, 8)
    whole = music.measure(sound, 24, 0, 192)
    inside = music.measure(sound, 24, 48, 96)
    assert whole.padded_frames == 22
    assert inside.padded_frames == 0
    np.testing.assert_array_equal(inside.features, whole.features[48:144])


def test_silence_and_too_short_a_sound_are_named() -> None:
    with pytest.raises(Rejected, match="silent"):
        music.measure(np.zeros(RATE * 3, np.float32), 24, 0, 72)
    with pytest.raises(Rejected, match="short_audio"):
        music.measure(clicks(120, 2), 24, 0, 72)


@pytest.mark.skipif(not TRACKS, reason=f"no music in {DATA}")
@pytest.mark.parametrize("track", TRACKS, ids=lambda path: path.stem)
def test_no_column_of_real_music_is_constant_or_the_same_as_another(track: Path) -> None:
    samples = decode_audio(track, 0.0, 12.0, RATE).samples
    features = music.measure(samples, 24, 24, 240).features
    constant = np.flatnonzero(features.std(axis=0) == 0)
    assert set(constant) <= set(range(*columns("tempo_bpm").indices(4800)))
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=1).T) == 4800


def chord(pitches: list[float], seconds: float) -> np.ndarray:
    time_s = np.arange(int(RATE * seconds)) / RATE
    tones = [np.sin(2 * np.pi * pitch * k * time_s) / k for pitch in pitches for k in (1, 2, 3)]
    return (0.05 * sum(tones) * np.exp(-time_s)).astype(np.float32)


@pytest.mark.parametrize(("tonic", "third", "key"), [(0, 4, "C major"), (9, 4, "A major"), (9, 3, "A minor"), (2, 3, "D minor")])
def test_a_cadence_has_the_key_of_its_tonic(tonic: int, third: int, key: str) -> None:
    def triad(root: int, middle: int) -> list[float]:
        return [261.63 * 2 ** ((tonic + root + step) / 12) for step in (0, middle, 7)]

    cadence = [triad(0, third), triad(5, third), triad(7, 4), triad(0, third)]  # I IV V I, i iv V i
    sound = np.concatenate([chord(triad, 1.0) for triad in cadence * 2])
    found = music.measure(sound, 24, 0, 192)
    assert found.key == key
    assert found.key_strength is not None
    assert found.key_strength > 0.7


def test_where_all_tones_or_none_are_heard_there_is_no_key() -> None:
    assert music.find_key(np.ones(12)) == (None, None)
    assert music.find_key(np.full(12, np.nan)) == (None, None)
    whole_tones = np.tile([1.0, 0.0], 6)  # every second tone: six keys are as good
    key, strength = music.find_key(whole_tones)
    assert key is None
    assert strength is not None


def test_silence_inside_a_clip_is_counted_in_its_own_frames_and_rests_are_not() -> None:
    sound = clicks(120, 10) + 0.001 * np.sin(2 * np.pi * 1000 * np.arange(RATE * 10) / RATE).astype(np.float32)
    assert music.measure(sound, 24, 24, 192).silent_s == 0
    sound[: 2 * RATE] = 0
    sound[5 * RATE : int(6.5 * RATE)] = 0
    found = music.measure(sound, 24, 24, 192)  # seconds 1 to 9: one of the first two, and the pause of 1.5
    assert found.silent_s == pytest.approx(2.5, abs=0.2)
    sound[int(8 * RATE) : int(8.2 * RATE)] = 0
    assert music.measure(sound, 24, 24, 192).silent_s == found.silent_s


def test_a_steady_click_has_a_clear_pulse_and_noise_has_none() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE * 8)).astype(np.float32)
    steady = music.find_beats(clicks(120, 8), 24)
    pulse = music.pulse_clarity(steady)
    assert pulse is not None
    assert pulse > 0.7
    assert music.other_tempo_bpm(steady) == pytest.approx(60, abs=1)
    weak = music.pulse_clarity(music.find_beats(noise, 24))
    assert weak is not None
    assert music.is_speech(weak, 0.9)
    assert not music.is_speech(weak, 0.1)
    assert not music.is_speech(pulse, 0.9)
    assert music.is_speech(None, 0.9)
    assert not music.is_speech(None, 0.1)
    assert music.pulse_clarity(music.find_beats(clicks(120, 4), 24)) is None


def test_samples_that_are_no_numbers_are_named() -> None:
    sound = clicks(120, 3)
    sound[100] = np.nan
    with pytest.raises(Rejected, match="sound_not_finite"):
        music.measure(sound, 24, 0, 72)


def outcome(sound: np.ndarray, frames: int) -> str:
    """Why a sound is refused; finite where its features are."""
    try:
        features = music.measure(sound, 24, 0, frames).features
    except Rejected as reject:
        return reject.code
    return "finite" if np.isfinite(features).all() else "not finite"


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_a_short_clipped_sound_is_measured_or_refused_for_a_reason(seconds: float) -> None:
    sound = np.clip(clicks(180, seconds, 0.1) * 20, -1, 1)
    assert outcome(sound, int(seconds * 24)) in ("finite", "no_beat")


@pytest.mark.parametrize("kind", ["tone", "noise", "impulse", "step"])
def test_sounds_that_are_no_music_give_finite_numbers_or_a_reason(kind: str) -> None:
    time_s = np.arange(RATE * 4) / RATE
    sounds = {"tone": 0.5 * np.sin(2 * np.pi * 440 * time_s), "noise": np.random.default_rng(0).uniform(-1, 1, len(time_s))}
    sounds |= {"impulse": (np.arange(len(time_s)) == 50000).astype(float), "step": np.full(len(time_s), 0.5)}
    assert outcome(sounds[kind].astype(np.float32), 96) in ("finite", "no_beat", "silent")
