"""The batches of an epoch."""

from collections.abc import Sequence

import numpy as np
import pytest

from matching_cases import planted
from onscreen.matching.data import Link, PairSet, collate, crop


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


class Unread(Sequence[np.ndarray]):
    """Items that must not be read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: object) -> np.ndarray:  # type: ignore[override]  # nothing is ever returned
        raise AssertionError("an item was read")


def test_items_whose_bytes_are_told_by_a_digest_are_not_read_for_that_of_all() -> None:
    def digest(voice: str) -> str:
        return PairSet(("p",), Unread(), Unread(), (Link(0, 0, 0, False),), ("a",), ("b",), ("face",), (voice,)).digest

    assert digest("voice") == digest("voice") != digest("another")
