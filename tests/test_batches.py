"""The batches of an epoch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matching_cases import NOBODY, planted
from onscreen.matching.batches import Loader, Read, Stacked, batches_per_epoch, training_draws, validation_draws
from onscreen.matching.data import PairSet
from onscreen.matching.distributed import ALONE, Share

CPU = torch.device("cpu")


@given(people=st.integers(2, 40), batch_size=st.integers(2, 50), epoch=st.integers(0, 5))
def test_an_epoch_holds_every_person_once_in_batches_of_different_people(people: int, batch_size: int, epoch: int) -> None:
    draws = training_draws(planted(people), batch_size, 0, epoch)
    seen = [int(person) for draw in draws for person in draw.person]
    assert len(seen) == len(set(seen))
    assert people - len(seen) <= (batch_size == 2 and people % 2 == 1)
    assert all(2 <= len(draw.person) <= batch_size for draw in draws)
    assert len(draws) == batches_per_epoch(people, batch_size)


def test_a_batch_pairs_a_face_with_a_voice_of_the_same_person() -> None:
    pairs = planted(12, clips=3)
    links = {(link.person, link.face, link.voice) for link in pairs.links}
    for draw in training_draws(pairs, 5, 0, 0):
        assert set(zip(draw.person.tolist(), draw.face.tolist(), draw.voice.tolist(), strict=True)) <= links


def test_epochs_differ_and_repeat_themselves() -> None:
    def order(epoch: int) -> list[int]:
        return [int(person) for draw in training_draws(planted(20), 8, 7, epoch) for person in draw.person]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_validation_uses_every_pair_of_a_person_and_never_changes() -> None:
    pairs = planted(5, clips=2)
    first, again = ([draw.face.tolist() for draw in validation_draws(pairs, 4)] for _ in range(2))
    assert first == again
    assert {face for faces in first for face in faces} == set(range(10))


@pytest.mark.parametrize("pairs", [planted(1), NOBODY])
def test_one_person_or_nobody_gives_no_validation_batch(pairs: PairSet) -> None:
    assert validation_draws(pairs, 4) == []


def noisy(item: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return item + random.normal(size=item.shape).astype(np.float32)


def loaded(pairs: PairSet, share: Share, workers: int) -> list[list[np.ndarray]]:
    loader = Loader(Read(pairs.faces, None, None), Read(pairs.voices, 20, noisy), 3, share, workers)
    batches = loader.batches(training_draws(pairs, 6, 3, 1), 1)
    return [[batch.faces.numpy(), batch.voices.numpy(), batch.voice_lengths.numpy()] for batch in batches]


def test_threads_and_processes_change_nothing_in_a_batch() -> None:
    pairs = planted(20, mel_bands=5)
    alone = loaded(pairs, ALONE, 0)
    assert_same(alone, loaded(pairs, ALONE, 3))
    parts = [loaded(pairs, Share(rank, 2), rank) for rank in (0, 1)]
    assert_same(alone, [[np.concatenate(both) for both in zip(*one, strict=True)] for one in zip(*parts, strict=True)])


def assert_same(one: list[list[np.ndarray]], other: list[list[np.ndarray]]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_an_epoch_augments_anew() -> None:
    pairs = planted(4, mel_bands=5)
    loader = Loader(Read(pairs.faces, None, None), Read(pairs.voices, 20, noisy), 3)
    first, second = (next(loader.batches(training_draws(pairs, 4, 3, 0), epoch)).voices for epoch in (0, 1))
    assert not torch.equal(first, second)


@given(where=st.floats(0, 1))
def test_stacked_vectors_are_those_that_reading_one_by_one_gives(where: float) -> None:
    random = np.random.default_rng(0)
    items = [random.normal(size=(6, windows) if windows else 6).astype(np.float32) for windows in (0, 3, 1, 5)]
    index = np.array([3, 1, 0, 2])
    places = np.full(4, where)
    stacked, read = Stacked(items, CPU).take(index, places, None), Read(items, 1, None).take(index, places, None)
    assert torch.equal(stacked[0], read[0])
    assert torch.equal(stacked[1], read[1])
