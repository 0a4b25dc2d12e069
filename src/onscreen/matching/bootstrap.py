"""95% intervals by drawing people, not pairs, with replacement: pairs of one person are not independent of each other.

Ranks are those in the gallery as it is, and people are drawn as askers. Figures over combinations (AUC, EER, minDCF, one of two)
count a combination as often as the product of how often its two people were drawn. Beyond 100 people these are drawn in 100
random groups of people, which leaves the intervals valid and the tables small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # they load torch, which comparing two commits does without
    from onscreen.matching.counting import Counts
    from onscreen.matching.retrieval import Ranks
    from onscreen.matching.trials import Tile, Trials

GROUPS = 100
BINS = 400  # of the scores, for intervals only; the figures themselves are exact
MOST_RIGHT = 20  # right answers of one query that its choices of one of two are resampled from, spread over their scores
_CHUNK = 50  # resamples at once: 16 MB of weighted histograms
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Choices:
    """Of choosing one of two: by the group of the asker and that of the wrong answer, (S, G, G): choices won, choices asked.

    S: 0 for askers with one source, 1 for those with several, so that a stratum of people can be taken out.
    """

    won: np.ndarray
    asked: np.ndarray


@dataclass(frozen=True)
class Tables:
    """What resamples of one set of trials are weighed from.

    low, high: limits of the BINS bins; a bin more on either side holds wrong scores beyond. wrong: (G, G, BINS + 2) wrong
    combinations by the face's and the voice's group. by_face, by_voice: choices of one of two, either way.
    """

    low: float
    high: float
    wrong: np.ndarray
    by_face: Choices
    by_voice: Choices

    def turned(self) -> Tables:
        """The same with voices asking for faces."""
        return replace(self, wrong=self.wrong.swapaxes(0, 1), by_face=self.by_voice, by_voice=self.by_face)

    def bins(self, scores: np.ndarray) -> np.ndarray:
        """int32 bin of each score."""
        place = (scores - np.float32(self.low)) * np.float32(BINS / max(self.high - self.low, 1e-9))
        return np.asarray(np.clip(place, -1, BINS).astype(np.int32) + 1, np.int32)


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Percentile interval of resampled values; resamples without a value (nobody who counts was drawn) are left out."""
    low, high = np.percentile(samples[np.isfinite(samples)], PERCENTILES)
    return float(low), float(high)


def draws(people: int, resamples: int, seed: int) -> np.ndarray:
    """(B, P) float32: how often each person is drawn in each resample. The same people, in the same order, are drawn for every
    model that is scored with this seed, so values of one draw can be compared between models."""
    random = np.random.default_rng(seed)  # which people a resample counts, as the bootstrap asks; no score is drawn
    counts = [np.bincount(random.integers(people, size=people), minlength=people) for _ in range(resamples)]
    return np.asarray(counts, np.float32)


def groups_of(people: int, seed: int) -> np.ndarray:
    """(P,) group of each person: their own up to 100 people, else one of 100 random ones of almost equal size."""
    if people <= GROUPS:
        return np.arange(people)
    # who is resampled together; no score is drawn
    return np.asarray(np.random.default_rng(seed).permutation(people) % GROUPS)


def means(person: np.ndarray, values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(B,) mean over queries of (Q,) values, each query as often as its person (Q,) was drawn. NaN where nobody was."""
    people = drawn.shape[1]
    total = drawn @ np.bincount(person, weights=values, minlength=people)
    count = drawn @ np.bincount(person, minlength=people).astype(np.float64)
    return np.asarray(np.divide(total, count, out=np.full(len(drawn), np.nan), where=count > 0))


def medians(ranks: Ranks, drawn: np.ndarray) -> np.ndarray:
    """(B,) median of the best ranks, each query as often as its person was drawn. NaN where nobody was."""
    order = np.argsort(ranks.best, kind="stable")
    found = np.full(len(drawn), np.nan)
    for row, weights in enumerate(drawn):
        reached = weights[ranks.person[order]].cumsum(dtype=np.float64)
        if reached[-1]:
            middle = [np.searchsorted(reached, reached[-1] / 2, side=side) for side in ("left", "right")]
            found[row] = ranks.best[order][middle].mean()
    return found


def tables_of(trials: Trials, counts: Counts, group: np.ndarray) -> Tables:
    """One pass over all combinations. group: (people,) of each person."""
    size = int(group.max()) + 1
    low, high = (float(end(counts.score)) for end in (np.min, np.max))
    empty = [Choices(np.zeros((2, size, size)), np.zeros((2, size, size))) for _ in range(2)]
    tables = Tables(low, high, np.zeros((size, size, BINS + 2)), *empty)
    asking = _Asking(counts, group, trials.apart), _Asking(counts.turned(), group, trials.apart)
    for tile in trials.tiles():
        scores = tile.scores()
        _add_bins(tables, tile, scores, group)
        rows, columns = (group[side.person[at]] for side, at in ((trials.faces, tile.rows), (trials.voices, tile.columns)))
        asking[0].add(tables.by_face, tile.rows, columns, scores, tile.own)
        asking[1].add(tables.by_voice, tile.columns, rows, scores.T, tile.own[::-1])
    return tables


def _add_bins(tables: Tables, tile: Tile, scores: np.ndarray, group: np.ndarray) -> None:
    """Count the wrong scores of a tile by group and bin. The tile's groups, which may be few, are numbered anew to keep it small."""
    faces, face = np.unique(group[tile.trials.faces.person[tile.rows]], return_inverse=True)
    voices, voice = np.unique(group[tile.trials.voices.person[tile.columns]], return_inverse=True)
    bins = tables.wrong.shape[2]
    place = tables.bins(scores)
    place += (face[:, None] * (len(voices) * bins)).astype(np.int32)
    place += (voice * bins).astype(np.int32)
    shape = (len(faces), len(voices), bins)
    size = len(faces) * len(voices) * bins
    found = np.bincount(place.ravel(), minlength=size) - np.bincount(place[tile.own], minlength=size)
    tables.wrong[np.ix_(faces, voices)] += found.reshape(shape)


class _Asking:
    """The right scores of each query, and how much each of its choices counts."""

    def __init__(self, counts: Counts, group: np.ndarray, apart: np.ndarray) -> None:
        order = np.lexsort((counts.score, counts.face))
        self._score = counts.score[order]
        asked, first, right = np.unique(counts.face, return_index=True, return_counts=True)
        queries = len(counts.wrong_voices)
        self._first, self._right = np.zeros(queries, np.int64), np.zeros(queries, np.int64)
        self._first[asked], self._right[asked] = first, right
        self._weight = np.where(self._right > 0, 1 / np.maximum(counts.wrong_voices, 1), 0.0)
        self._cell, self._size = np.zeros(queries, np.int64), int(group.max()) + 1
        person = counts.person[first]
        self._cell[asked] = group[person] + self._size * apart[person]

    def add(
        self, choices: Choices, queries: np.ndarray, group: np.ndarray, scores: np.ndarray, own: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Add the choices of a tile. scores: (queries, answers). group: of the answers."""
        told = np.flatnonzero(self._right[queries])
        if not len(told):
            return
        known, taken = self._known(queries[told])
        below = np.zeros((len(told), scores.shape[1]), np.uint8)  # 40 at most
        mine = np.zeros(scores.shape, bool)
        mine[own] = True
        scores, mine = scores[told], mine[told]
        for right in known.T:
            below += scores < right[:, None]
            below += scores <= right[:, None]
        wins = below.astype(np.float32) / (2 * taken[:, None]).astype(np.float32)
        wins[mine] = 0
        member = np.zeros((scores.shape[1], self._size), np.float32)
        member[np.arange(len(group)), group] = 1
        here = member.sum(axis=0) - mine.astype(np.float32) @ member
        for table, values in ((choices.won, wins @ member), (choices.asked, here)):
            flat = table.reshape(2 * self._size, self._size)
            np.add.at(flat, self._cell[queries[told]], values * self._weight[queries[told], None])

    def _known(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(queries, K) right scores of each, filled up with NaN, and (queries,) how many: all, or MOST_RIGHT spread over them."""
        right = self._right[queries]
        taken = np.minimum(MOST_RIGHT, right)
        number = np.arange(int(taken.max()))
        place = ((number + 0.5) * (right / taken)[:, None]).astype(np.int64)
        there = number < taken[:, None]
        known = self._score[self._first[queries][:, None] + np.where(there, place, 0)]
        return np.where(there, known, np.float32(np.nan)), taken


def curves(counts: Counts, tables: Tables, group: np.ndarray, drawn: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(b, K + 1) false and true positive rates of resamples, from nothing accepted to everything; b at a time.

    drawn: (B, G). Rows are in the order of the draws; one without a right or a wrong combination is NaN.
    """
    size, bins = tables.wrong.shape[1:]
    place = group[counts.person] * bins + tables.bins(counts.score)
    found = np.bincount(place, minlength=size * bins).reshape(size, bins).astype(np.float64)
    for start in range(0, len(drawn), _CHUNK):
        weights = drawn[start : start + _CHUNK].astype(np.float64)
        right, wrong = weights @ found, both(weights, tables.wrong)
        untold = (right.sum(axis=1) <= 0) | (wrong.sum(axis=1) <= 0)
        right[untold] = wrong[untold] = np.nan
        yield _rates(wrong), _rates(right)


def both(weights: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Sum over groups i, j of w_i w_j table[i, j], and of w_i alone where i is j. (B, G), (G, G, ...) -> (B, ...)."""
    groups = weights.shape[1]
    flat = table.reshape(groups, groups, -1)
    rows = (weights @ flat.reshape(groups, -1)).reshape(len(weights), groups, -1)
    inner = flat[np.arange(groups), np.arange(groups)]
    total = np.einsum("bj,bjk->bk", weights, rows) - (weights**2 - weights) @ inner
    return np.asarray(total.reshape(len(weights), *table.shape[2:]))


def _rates(counts: np.ndarray) -> np.ndarray:
    """Share of each row's counts at or above each bin, from none to all."""
    reached = counts[:, ::-1].cumsum(axis=1)
    return np.concatenate([np.zeros((len(counts), 1)), reached / reached[:, -1:]], axis=1)
