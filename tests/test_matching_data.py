"""The batches of an epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching_cases import NOBODY, planted
from onscreen.matching.data import collate, crop, steps_per_epoch, training_batches, validation_batches


@given(people=st.integers(2, 40), batch_size=st.integers(2, 12), epoch=st.integers(0, 5))
def test_an_epoch_holds_every_person_once_in_batches_of_different_people(people: int, batch_size: int, epoch: int) -> None:
    batches = list(training_batches(planted(people), batch_size, 10, 0, epoch))
    seen = [int(person) for batch in batches for person in batch.person]
    assert len(seen) == len(set(seen))
    assert people - len(seen) <= (batch_size == 2 and people % 2 == 1)
    assert all(2 <= len(batch.person) <= batch_size for batch in batches)
    assert len(batches) == steps_per_epoch(people, batch_size)


def test_a_batch_pairs_a_face_with_a_voice_of_the_same_person() -> None:
    pairs = planted(12, clips=3)
    for batch in training_batches(pairs, 5, 10, 0, 0):
        for face, voice, person in zip(batch.faces, batch.voices, batch.person, strict=True):
            face_at = next(i for i, item in enumerate(pairs.faces) if np.array_equal(item, face[:, 0].numpy()))
            voice_at = next(i for i, item in enumerate(pairs.voices) if np.array_equal(item, voice[:, 0].numpy()))
            assert (int(person), face_at, voice_at) in {(link.person, link.face, link.voice) for link in pairs.links}


def test_epochs_differ_and_repeat_themselves() -> None:
    def order(epoch: int) -> list[int]:
        return [int(person) for batch in training_batches(planted(20), 8, 10, 7, epoch) for person in batch.person]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_validation_uses_every_pair_of_a_person_and_never_changes() -> None:
    pairs = planted(5, clips=2)
    first, again = ([batch.faces.numpy() for batch in validation_batches(pairs, 4, 10)] for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    used = {face.tobytes() for batch in first for face in batch}
    assert used == {item[:, None].tobytes() for item in pairs.faces}


def test_one_person_or_nobody_gives_no_validation_batch() -> None:
    assert not list(validation_batches(planted(1), 4, 10))
    assert not list(validation_batches(NOBODY, 4, 10))


def test_a_crop_lies_within_the_mel_and_short_ones_stay_whole() -> None:
    mel = np.arange(20.0).reshape(1, 20)
    assert crop(mel, 5, 0.0).tolist() == [[0, 1, 2, 3, 4]]
    assert crop(mel, 5, 1.0).tolist() == [[15, 16, 17, 18, 19]]
    assert crop(mel, 30, 0.3) is mel


def test_items_are_filled_up_and_their_lengths_kept() -> None:
    stacked, lengths = collate([np.ones((2, 3), np.float32), np.ones((2, 5), np.float32)])
    assert stacked.shape == (2, 2, 5)
    assert lengths.tolist() == [3, 5]
    assert stacked[0].sum() == 6


@pytest.mark.parametrize("change", ["faces", "voices", "people"])
def test_the_digest_changes_with_everything_that_training_sees(change: str) -> None:
    pairs, other = planted(4), planted(4)
    assert pairs.digest == other.digest
    if change == "people":
        other = planted(4, first=1)
    else:
        getattr(other, change)[3][0] += 1
        other = type(other)(other.people, other.faces, other.voices, other.links, other.face_source, other.voice_source)
    assert pairs.digest != other.digest
