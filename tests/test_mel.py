"""Mel spectrograms: shape, normalisation, and that nothing is padded."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from onscreen.errors import Rejected
from onscreen.storage import StoredFile
from onscreen.voices.mel import MelTask, measure_mel, mel_power
from onscreen.voices.waveform import Speech, read_speech
from stage_cases import RATE, spoken


def task(tmp_path: Path, samples: np.ndarray, segments: list[tuple[float, float]] | None = None, **changes: float) -> MelTask:
    path = tmp_path / "voice.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    segments = [(0.0, len(samples) / RATE)] if segments is None else segments
    speech = Speech(StoredFile(path), tuple(start for start, _ in segments), tuple(end for _, end in segments))
    return MelTask(speech, **({"n_mels": 64, "win_ms": 25.0, "hop_ms": 10.0} | changes))


def test_it_is_bands_by_frames_each_band_of_mean_0_and_deviation_1(tmp_path: Path) -> None:
    item = measure_mel(task(tmp_path, spoken(1, 0)))
    mel = item.arrays["mel"]
    assert mel.dtype == np.float32
    assert mel.shape == (64, 1 + (3 * RATE - 1 - 400) // 160)
    assert mel.mean(axis=1) == pytest.approx(np.zeros(64), abs=1e-4)
    assert mel.std(axis=1) == pytest.approx(np.ones(64), abs=1e-3)
    assert item.meta == {"speech_s": 3.0, "constant_bands": 0}


def test_only_the_speech_is_heard(tmp_path: Path) -> None:
    whole = spoken(1, 0)
    cut = measure_mel(task(tmp_path, whole, [(0.5, 1.0), (2.0, 2.5)])).arrays["mel"]
    joined = np.concatenate([whole[8000:16000], whole[32000:40000]])
    assert np.array_equal(cut, measure_mel(task(tmp_path, joined)).arrays["mel"])


def test_level_and_length_change_nothing_else(tmp_path: Path) -> None:
    samples = spoken(2, 0)
    loud = measure_mel(task(tmp_path, samples)).arrays["mel"]
    assert measure_mel(task(tmp_path, samples / 4)).arrays["mel"] == pytest.approx(loud, abs=0.05)
    assert measure_mel(task(tmp_path, samples[:4000])).arrays["mel"].shape[1] == 1 + (4000 - 1 - 400) // 160


def test_a_tone_stands_in_the_band_of_its_frequency(tmp_path: Path) -> None:
    import librosa

    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    power = mel_power(tone, task(tmp_path, tone)).mean(axis=1)
    centres = librosa.mel_frequencies(66, fmin=0, fmax=8000, htk=True)[1:-1]
    assert abs(centres[power.argmax()] - 1000) < 40


def test_power_equals_librosas_frame_by_frame(tmp_path: Path) -> None:
    import librosa

    samples = spoken(3, 0)[:8000]
    emphasised = (samples[1:] - 0.97 * samples[:-1].astype(np.float64)) * 32768
    spectrum = librosa.stft(emphasised, n_fft=512, hop_length=160, win_length=400, window=np.hamming(400), center=False)
    expected = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=64, htk=True) @ np.abs(spectrum) ** 2
    frames = mel_power(samples, task(tmp_path, samples))[:, : expected.shape[1]]
    # librosa centres the window in the 512 samples of a frame, so its frames lie 56 samples later
    later = mel_power(samples[56:], task(tmp_path, samples[56:]))[:, : expected.shape[1]]
    assert later[:, :-1] == pytest.approx(expected[:, : later.shape[1] - 1], rel=1e-3)
    assert frames.shape[1] == expected.shape[1]


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"n_mels": 40}, (40, 298)),
        ({"n_mels": 80, "hop_ms": 20.0}, (80, 149)),
        ({"n_mels": 128}, (128, 298)),
        ({"n_mels": 64, "win_ms": 5.0}, (64, 300)),
    ],
)
def test_bands_window_and_hop_are_parameters_and_every_band_hears(
    tmp_path: Path, settings: dict[str, float], shape: tuple[int, int]
) -> None:
    item = measure_mel(task(tmp_path, spoken(1, 0), **settings))
    assert item.arrays["mel"].shape == shape
    assert item.meta["constant_bands"] == 0


def test_two_frames_are_the_least(tmp_path: Path) -> None:
    samples = spoken(1, 0)[:561]
    assert measure_mel(task(tmp_path, samples)).arrays["mel"].shape == (64, 2)
    with pytest.raises(Rejected, match="too_short"):
        measure_mel(task(tmp_path, samples[:560]))


def test_a_tenth_of_a_second_stays_a_tenth_of_a_second(tmp_path: Path) -> None:
    item = measure_mel(task(tmp_path, spoken(1, 0)[:1600]))
    assert item.arrays["mel"].shape == (64, 8)
    assert np.isfinite(item.arrays["mel"]).all()


@pytest.mark.parametrize(
    ("samples", "segments", "code"),
    [
        (np.zeros(RATE, np.float32), None, "silent"),
        (np.full(RATE, np.nan, np.float32), None, "not_finite"),
        (spoken(0, 0)[:300], None, "too_short"),
        (spoken(0, 0), [], "no_speech"),
        (spoken(0, 0), [(5.0, 6.0)], "no_speech"),
    ],
)
def test_what_has_no_mel_is_rejected_by_name(tmp_path: Path, samples, segments, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        measure_mel(task(tmp_path, samples, segments))
    assert caught.value.code == code


def test_sound_of_another_rate_or_no_sound_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    for samples, rate, code in ((np.zeros(800), 8000, "wrong_rate"), (np.zeros((800, 2)), RATE, "wrong_rate")):
        soundfile.write(path, samples, rate)
        with pytest.raises(Rejected, match=code):
            read_speech(Speech(StoredFile(path), (0.0,), (0.01,)))
    path.write_text("no sound")
    with pytest.raises(Rejected, match="unreadable_audio"):
        read_speech(Speech(StoredFile(path), (0.0,), (0.01,)))


def test_a_band_that_never_changes_is_0_and_counted(tmp_path: Path) -> None:
    low = np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE) * np.repeat(np.linspace(0.1, 1, 20), RATE // 10)
    item = measure_mel(task(tmp_path, low.astype(np.float32) * 1e-6))
    mel = item.arrays["mel"]
    assert item.meta["constant_bands"] > 0
    assert np.isfinite(mel).all()
    assert (np.abs(mel).max(axis=1) == 0).sum() == item.meta["constant_bands"]
