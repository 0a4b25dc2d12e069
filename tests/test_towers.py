"""What the towers see of an item, and that filling a batch up changes nothing."""

import numpy as np
import pytest
import torch

from onscreen.matching import towers
from onscreen.matching.data import collate
from onscreen.matching.towers import FaceVoiceModel, MelTower, TowerSpec


def mel(bands: int, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(bands, frames)).astype(np.float32)


def model(bands: int = 40, frames: int = 500) -> FaceVoiceModel:
    torch.manual_seed(0)
    return FaceVoiceModel(TowerSpec("embedding", 16), TowerSpec("mel", bands), 32, frames).eval()


@pytest.mark.parametrize("bands", [8, 40, 80])
def test_mels_of_any_band_count_and_length_become_unit_vectors(bands: int) -> None:
    vectors = model(bands).embed_voices([mel(bands, frames) for frames in (1, 7, 333, 1234)])
    assert vectors.shape == (4, 32)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_a_batch_mate_of_another_length_changes_nothing() -> None:
    short, long = mel(40, 50, 1), mel(40, 400, 2)
    both = model().embed_voices([short, long])
    assert both[0] == pytest.approx(model().embed_voices([short])[0], abs=1e-6)
    assert both[1] == pytest.approx(model().embed_voices([long])[0], abs=1e-6)


def test_what_stands_beyond_the_length_is_not_heard() -> None:
    stacked, lengths = collate([mel(40, 60), mel(40, 100, 1)])
    noisy = stacked.clone()
    noisy[0, :, 60:] = 1e3
    tower = MelTower(40)
    assert torch.equal(tower(stacked, lengths), tower(noisy, lengths))


def test_every_frame_of_a_long_mel_is_heard() -> None:
    item, changed = mel(40, 1100), mel(40, 1100)
    changed[:, -1] += 3
    assert not np.allclose(model().embed_voices([item]), model().embed_voices([changed]))


def test_an_embedding_is_standardised_by_the_training_items_alone() -> None:
    items = list(np.random.default_rng(0).normal(0.9, 0.01, (50, 16)).astype(np.float32))
    tower = model().face_encoder
    tower.fit(items, np.arange(50))
    out = tower(*collate(items))
    assert out.mean(dim=0).numpy() == pytest.approx(np.zeros(16), abs=1e-4)
    assert float(out.std()) == pytest.approx(1.0, abs=0.01)


def test_mel_statistics_are_per_band_over_all_frames() -> None:
    items = [mel(4, 30) * 5 + 2, mel(4, 70, 1) * 5 - 1]
    tower = MelTower(4)
    tower.fit(items, np.arange(2))
    joined = np.concatenate(items, axis=1)
    assert tower.mean.numpy() == pytest.approx(joined.mean(axis=1), abs=1e-5)
    assert float(tower.deviation) == pytest.approx(np.sqrt(((joined - joined.mean(axis=1, keepdims=True)) ** 2).mean()), rel=1e-5)


def test_of_a_large_tree_the_statistics_are_of_some_spectrograms_from_its_start_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(towers, "FITTED", 3)
    tower = MelTower(1)
    tower.fit([np.full((1, 2), value, np.float32) for value in range(9)], np.arange(9))
    assert tower.mean.tolist() == [4.0]
    assert float(tower.deviation) == pytest.approx(np.std([0, 4, 8]))


def test_items_without_spread_do_not_divide_by_zero() -> None:
    tower = MelTower(4)
    tower.fit([np.ones((4, 9), np.float32)], np.zeros(1))
    assert float(tower.deviation) == 1.0
