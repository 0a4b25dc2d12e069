"""Counts against counting one by one; choices among N against all choices there are; kinds of people; ties."""

import itertools

import numpy as np
import pytest

from onscreen.matching import trials as trials_module
from onscreen.matching.counting import counts_of
from onscreen.matching.retrieval import beats, one_of
from onscreen.matching.trials import Items, Trials
from test_metrics import made, unit


def one_by_one(trials: Trials) -> dict[tuple[int, int], tuple[int, ...]]:
    """face, voice -> wrong ones at or above and above for the face, for the voice and overall."""
    table = trials.faces.vectors @ trials.voices.vectors.T
    kind = np.zeros(len(trials.apart), int) if trials.kind is None else trials.kind
    asking, answering = trials.faces.person, trials.voices.person
    wrong = (asking[:, None] != answering) & (kind[asking][:, None] == kind[answering]) & (kind[asking] >= 0)[:, None]
    found = {}
    for i, j in itertools.product(range(len(asking)), range(len(answering))):
        person = asking[i]
        fit = trials.faces.source[i] != trials.voices.source[j] or not trials.apart[person]
        if person == answering[j] and fit and trials.counted[person] and kind[person] >= 0:
            sides = (table[i][wrong[i]], table[:, j][wrong[:, j]], table[wrong])
            found[i, j] = tuple(int(op) for side in sides for op in ((side >= table[i, j]).sum(), (side > table[i, j]).sum()))
    return found


@pytest.mark.parametrize("block", [1, 30, 4_000_000])
@pytest.mark.parametrize("kinds", [None, [0, 0, 1, 1, 1, -1, 0]])
def test_counts_equal_counting_one_by_one(monkeypatch: pytest.MonkeyPatch, block: int, kinds: list[int] | None) -> None:
    monkeypatch.setattr(trials_module, "BLOCK", block)
    trials = made(7, 3, one_source=2, seed=4)
    shuffled = np.random.default_rng(1).permutation(21)
    faces = Items(*(getattr(trials.faces, name)[shuffled] for name in ("vectors", "person", "source")))
    trials = Trials(faces, trials.voices, trials.apart, trials.counted, None if kinds is None else np.array(kinds))
    counts = counts_of(trials, (0.1, -2.0))
    sides = (counts.for_face, counts.for_voice, counts.overall)
    columns = [column for side in sides for column in (side.at_or_above, side.above)]
    rows = zip(counts.face.tolist(), counts.voice.tolist(), *(column.tolist() for column in columns), strict=True)
    assert {(i, j): tuple(rest) for i, j, *rest in rows} == one_by_one(trials)
    assert counts.reached[1] == counts.negatives == counts.wrong_voices.sum() == counts.wrong_faces.sum()
    turned, asked_anew = counts.turned(), counts_of(trials.turned())
    assert np.array_equal(turned.face, asked_anew.face)
    assert np.array_equal(turned.for_face.at_or_above, asked_anew.for_face.at_or_above)


def test_equal_embeddings_tie_to_the_last_bit_in_every_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    sides = [Items(np.repeat(unit(random.normal(size=(1, 512))), 301, 0), np.arange(301), np.arange(301)) for _ in range(2)]
    trials = Trials(*sides, np.zeros(301, bool), np.ones(301, bool))
    for block in (4_000_000, 3_000, 301):
        monkeypatch.setattr(trials_module, "BLOCK", block)
        counts = counts_of(trials)
        assert (counts.overall.at_or_above == counts.negatives).all()
        assert (counts.overall.above == 0).all()


@pytest.mark.parametrize("size", [2, 3, 4])
def test_choices_among_n_equal_the_mean_over_all_choices_there_are(size: int) -> None:
    trials = made(5, 2, seed=2)
    found = one_of(counts_of(trials), size)
    table = trials.faces.vectors @ trials.voices.vectors.T
    for i, person in enumerate(trials.faces.person):
        same = trials.voices.person == person
        wins = [
            float(table[i, right] > max(table[i, list(others)]))
            for right in np.flatnonzero(same & (trials.voices.source != trials.faces.source[i]))
            for others in itertools.combinations(np.flatnonzero(~same), size - 1)
        ]
        assert found[i] == pytest.approx(np.mean(wins))


@pytest.mark.parametrize(("below", "tied", "above"), [(5, 2, 1), (0, 6, 0), (3, 0, 4), (1, 1, 0)])
def test_ties_are_broken_at_random(below: int, tied: int, above: int) -> None:
    ranks = [-1] * below + [0] * tied + [1] * above
    for others in range(1, min(5, len(ranks)) + 1):
        wins = [0.0 if max(chosen) > 0 else 1 / (1 + chosen.count(0)) for chosen in itertools.combinations(ranks, others)]
        counted = (np.array([below]), np.array([tied]), np.array([len(ranks)]))
        assert beats(*counted, others)[0] == pytest.approx(np.mean(wins))
    assert np.isnan(beats(np.array([1]), np.array([0]), np.array([2]), 3)).all()
