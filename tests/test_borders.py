"""The border between people: exact in any number of blocks, one pair for every two people, nothing that needs no look."""

import numpy as np
import pytest

from onscreen.faces import borders
from onscreen.faces.borders import border_pairs, margin

DRAW = np.random.default_rng(0)
VECTORS = DRAW.normal(size=(60, 8)) + 2 * np.repeat(np.eye(8)[:6], 10, axis=0)
EMBEDDINGS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)
PEOPLE = np.repeat(np.arange(6), 10)
CLIPS = np.arange(60) // 2
ALONE, TOGETHER = np.arange(60), np.full(60, -1)
DISTANCES = 1 - EMBEDDINGS.astype(float) @ EMBEDDINGS.T


@pytest.fixture(autouse=True, params=[7, 2048])
def _in_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(borders, "_BLOCK", request.param)
    monkeypatch.setattr(borders, "_HELD", request.param)


def test_the_margin_is_that_of_all_pairs() -> None:
    upper = np.triu(np.ones((60, 60), bool), 1)
    same = PEOPLE[:, None] == PEOPLE[None]
    assert margin(EMBEDDINGS, PEOPLE) == pytest.approx((DISTANCES[upper & same].max(), DISTANCES[upper & ~same].min()), abs=1e-6)
    assert margin(EMBEDDINGS[:2], np.array([0, 0]))[1] is None
    assert margin(EMBEDDINGS[:1], np.array([0])) == (None, None)
    assert margin(np.empty((0, 8), np.float32), np.empty(0, np.int64)) == (None, None)


def test_one_pair_for_every_two_people_and_for_every_one() -> None:
    found = {
        (PEOPLE[i], PEOPLE[j]): d
        for i, j, d in zip(*border_pairs(EMBEDDINGS, PEOPLE, CLIPS, (ALONE, TOGETHER), (0.3, 0.6), 100), strict=True)
    }
    wanted = {}
    for i in range(60):
        for j in range(i + 1, 60):
            if 0.3 <= DISTANCES[i, j] <= 0.6 and CLIPS[i] != CLIPS[j]:
                wanted.setdefault((PEOPLE[i], PEOPLE[j]), []).append(DISTANCES[i, j])
    assert len(wanted) > 10
    assert found == pytest.approx(
        {people: max(of) if people[0] == people[1] else min(of) for people, of in wanted.items()}, abs=1e-6
    )


def test_what_a_person_has_decided_needs_no_look() -> None:
    same, apart = np.zeros(60, np.int64), np.where(PEOPLE == 0, 5, -1)
    i, j, _ = border_pairs(EMBEDDINGS, PEOPLE, CLIPS, (same, apart), (0.3, 0.9), 100)
    assert len(i) > 0
    assert not (PEOPLE[i] == PEOPLE[j]).any()
    assert 0 not in PEOPLE[[*i, *j]]


def test_more_pairs_than_may_be_held_are_none() -> None:
    found = border_pairs(EMBEDDINGS, PEOPLE, CLIPS, (ALONE, TOGETHER), (0.3, 0.6), 100)
    assert found is not None
    count = len(found[0])
    assert border_pairs(EMBEDDINGS, PEOPLE, CLIPS, (ALONE, TOGETHER), (0.3, 0.6), count) is not None
    assert border_pairs(EMBEDDINGS, PEOPLE, CLIPS, (ALONE, TOGETHER), (0.3, 0.6), count - 1) is None
