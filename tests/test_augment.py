"""What training items may look and sound like, and that the pitch of a voice stays what it is."""

import numpy as np
import pytest

from onscreen.matching.augment import COLOUR, augmentation, picture, waveform
from stage_cases import portrait, spoken

RATE = 16_000


def face() -> np.ndarray:
    return np.ascontiguousarray(portrait(3).transpose(2, 0, 1))


def voice(pitch_hz: float) -> np.ndarray:
    """(1, n): a vowel of ten harmonics."""
    time = np.arange(RATE) / RATE
    return sum(np.sin(2 * np.pi * pitch_hz * n * time) / n for n in range(1, 11)).astype(np.float32)[None] / 10


def pitch(item: np.ndarray) -> float:
    """Hz, by the autocorrelation's first peak above 60 Hz, between samples by a parabola."""
    samples = item[0].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)[: RATE // 60]
    lags = np.arange(RATE // 400, RATE // 60 - 1)
    best = int(lags[np.argmax(correlation[lags])])
    before, at, after = correlation[best - 1 : best + 2]
    return RATE / (best + 0.5 * (before - after) / (before - 2 * at + after))


@pytest.mark.parametrize("pitch_hz", [95.0, 140.0, 233.0])
def test_no_waveform_changes_its_pitch_or_its_length(pitch_hz: float) -> None:
    item = voice(pitch_hz)
    assert pitch(item) == pytest.approx(pitch_hz, rel=0.002)
    for seed in range(30):
        changed = waveform(item, np.random.default_rng(seed))
        assert changed.shape == item.shape
        assert pitch(changed) == pytest.approx(pitch_hz, rel=0.005)


def test_noise_lies_15_to_40_db_below_speech_and_half_of_the_waveforms_get_none() -> None:
    item = spoken(1, 0)[None]
    found = []
    for seed in range(200):
        changed = waveform(item, np.random.default_rng(seed)).astype(np.float64)
        gain = (changed * item).sum() / (item.astype(np.float64) ** 2).sum()
        left = changed - gain * item
        found.append(10 * np.log10((gain * item).var() / max(left.var(), 1e-30)))
        assert 0.49 < gain < 2.01
    noisy = [snr for snr in found if snr < 60]
    assert 70 < len(noisy) < 130
    assert 14 < min(noisy) < 20
    assert 35 < max(noisy) < 41


def test_half_of_the_pictures_are_mirrored_and_colours_stay_near() -> None:
    item = face()
    mirrored = 0
    for seed in range(100):
        changed = picture(item, np.random.default_rng(seed))
        assert changed.dtype == np.uint8
        assert changed.shape == item.shape
        same, other = (float(np.corrcoef(one.ravel(), changed.ravel())[0, 1]) for one in (item, item[:, :, ::-1]))
        mirrored += other > same
        assert max(same, other) > 0.97
        assert abs(changed.mean() / item.mean() - 1) < COLOUR + 0.02
    assert 30 < mirrored < 70


def test_the_same_generator_gives_the_same_item_and_the_given_one_is_not_touched() -> None:
    for change, item in ((picture, face()), (waveform, spoken(2, 1)[None])):
        before = item.copy()
        assert np.array_equal(change(item, np.random.default_rng([7, 1])), change(item, np.random.default_rng([7, 1])))
        assert not np.array_equal(change(item, np.random.default_rng([7, 1])), change(item, np.random.default_rng([7, 2])))
        assert np.array_equal(item, before)


@pytest.mark.parametrize("kind", ["embedding", "mel", "flatten"])
def test_embeddings_and_spectrograms_have_no_augmentation(kind: str) -> None:
    assert augmentation(kind) is None
