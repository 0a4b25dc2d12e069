"""Which sounds are of one recording: changed, cut elsewhere, spoken over; and which are not."""

import numpy as np
import pytest
import soxr

from onscreen.media.audio import decode_audio
from onscreen.motion.songs import fingerprint, same_songs
from real_data import DATA, needs_real_data

RATE = 24576


def tune(seed: int, seconds: float = 8.0) -> np.ndarray:
    """Notes of five harmonics, four a second, another melody for every seed."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(RATE // 4) / RATE
    notes = 220 * 2 ** (rng.uniform(0, 24, int(seconds * 4)) / 12)
    sounds = [sum(np.sin(2 * np.pi * pitch * k * time_s) / k for k in range(1, 6)) * np.exp(-4 * time_s) for pitch in notes]
    return np.concatenate(sounds).astype(np.float32) * 0.2


def labels(*sounds: np.ndarray) -> list[int]:
    return same_songs([fingerprint(sound, RATE) for sound in sounds]).tolist()


def test_a_fingerprint_is_rows_of_hash_and_frame_in_order_of_time() -> None:
    found = fingerprint(tune(0), RATE)
    assert found.dtype == np.int32
    assert found.shape[1] == 2
    assert len(found) > 100
    assert (np.diff(found[:, 1]) >= 0).all()
    np.testing.assert_array_equal(found, fingerprint(tune(0), RATE))


def test_one_recording_quieter_clipped_resampled_and_cut_elsewhere_is_one_song() -> None:
    sound = tune(1)
    resampled = soxr.resample(soxr.resample(sound, RATE, 22050), 22050, RATE)
    assert labels(sound, sound * 0.1, np.clip(sound * 8, -1, 1), resampled, sound[int(1.237 * RATE) :]) == [0] * 5


def test_a_song_is_the_same_at_any_sample_rate() -> None:
    sound = tune(2)
    assert same_songs([fingerprint(sound, RATE), fingerprint(soxr.resample(sound, RATE, 48000), 48000)]).tolist() == [0, 0]


def test_noise_as_loud_as_the_song_hides_nothing() -> None:
    sound = tune(3)
    noise = np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32)
    assert labels(sound, sound + noise * sound.std()) == [0, 0]


def test_different_tunes_noises_hums_and_tones_are_different_songs() -> None:
    time_s = np.arange(RATE * 6) / RATE
    tones = [np.sin(2 * np.pi * 440 * time_s + phase).astype(np.float32) for phase in (0, 1)]
    noises = [np.random.default_rng(seed).standard_normal(RATE * 6).astype(np.float32) * 0.1 for seed in range(8)]
    hum = sum(np.sin(2 * np.pi * 50 * k * time_s) / k for k in range(1, 30)).astype(np.float32)
    sounds = [*(tune(seed) for seed in range(10, 20)), *tones, *noises[:4], *(hum + noise for noise in noises[4:])]
    assert labels(*sounds) == list(range(20))


def test_labels_count_songs_in_order_of_first_appearance_through_chains_of_overlaps() -> None:
    one, two = tune(4, 12), tune(5, 6)
    first, middle, last = one[: 6 * RATE], one[3 * RATE : 9 * RATE], one[6 * RATE :]
    assert labels(first, two, last, middle) == [0, 1, 0, 0]


def test_two_sounds_are_joined_or_not_however_many_others_there_are() -> None:
    pair = [tune(6), tune(6)[RATE:], tune(7)]
    crowd = [tune(seed, 4) for seed in range(100, 120)]
    assert labels(*pair) == [0, 0, 1]
    assert labels(*crowd, *pair)[-3:] == [20, 20, 21]


def test_silence_and_sounds_too_short_have_no_landmarks_and_are_alone() -> None:
    nothing = [np.zeros(RATE * 2, np.float32), np.zeros(0, np.float32), np.ones(100, np.float32)]
    assert [fingerprint(sound, RATE).shape for sound in nothing] == [(0, 2)] * 3
    assert labels(*nothing, tune(8)) == [0, 1, 2, 3]
    assert same_songs([]).tolist() == []


def test_samples_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        fingerprint(np.array([0.0, np.nan] * RATE, np.float32), RATE)


@needs_real_data
def test_excerpts_of_real_tracks_join_their_own_and_no_other() -> None:
    tracks = sorted((DATA / "dance" / "music").glob("*.ogg"))
    sounds = [decode_audio(track, 10.0 + late_s, 15.0 + late_s, RATE).samples for track in tracks for late_s in (0.0, 2.0)]
    assert labels(*sounds) == [0, 0, 1, 1, 2, 2, 3, 3]
