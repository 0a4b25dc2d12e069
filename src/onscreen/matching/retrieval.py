"""Finding a person's voice by a face among many, and what chance would find.

A tie counts against the model: an embedding that says the same of everybody finds nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.matching.counting import Counts, counts_of
from onscreen.matching.trials import Trials


@dataclass(frozen=True)
class Ranks:
    """One value a query that has a right answer; all (Q,).

    person: int64. best: rank of the first right answer, from 1. precision: average precision, 0-1. gallery: answers to choose
    from. right: of them, how many are right.
    """

    person: np.ndarray
    best: np.ndarray
    precision: np.ndarray
    gallery: np.ndarray
    right: np.ndarray


def rank(trials: Trials) -> Ranks:
    """Ask for voices with every face. Every clip of the right person is a right answer."""
    return ranks_of(counts_of(trials))


def ranks_of(counts: Counts) -> Ranks:
    """The same, of counts that are there already."""
    best_first = np.lexsort((-counts.score.astype(np.float64), counts.face))
    ahead = counts.for_face.at_or_above[best_first]
    asked, first, right = np.unique(counts.face, return_index=True, return_counts=True)
    if not len(asked):
        none = np.empty(0)
        return Ranks(none.astype(np.int64), none, none, none, none)
    number = np.arange(len(ahead)) - np.repeat(first, right) + 1
    precision = np.add.reduceat(number / (number + ahead), first) / right
    return Ranks(counts.person[first], 1 + ahead[first], precision, right + counts.wrong_voices[asked], right)


def one_of(counts: Counts, size: int) -> np.ndarray:
    """(Q,) probability of choosing right among `size` answers, a right one and others drawn from all wrong ones, by query.

    Exact: the mean over right answers and over all choices of the others; among equal scores the choice is at random. NaN for a
    query with fewer wrong answers than that.
    """
    wrong = counts.wrong_voices[counts.face]
    below = wrong - counts.for_face.at_or_above
    tied = counts.for_face.at_or_above - counts.for_face.above
    _, first, right = np.unique(counts.face, return_index=True, return_counts=True)
    chosen = beats(below, tied, wrong, size - 1)
    return np.asarray(np.add.reduceat(chosen, first) / right if len(first) else chosen)


def beats(below: np.ndarray, tied: np.ndarray, wrong: np.ndarray, others: int) -> np.ndarray:
    """Probability of being first against `others` drawn without replacement from `wrong`, of which `below` score less and `tied`
    the same: sum over j of C(tied, j) C(below, others - j) / C(wrong, others) / (j + 1). NaN where there are fewer than `others`.
    """
    won = _choose(below, others)
    some = np.flatnonzero(tied)
    for equal in range(1, others + 1):
        won[some] += _choose(tied[some], equal) * _choose(below[some], others - equal) / (equal + 1)
    every = _choose(wrong, others)
    return np.asarray(np.divide(won, every, out=np.full(len(won), np.nan), where=every > 0))


def _choose(of: np.ndarray, number: int) -> np.ndarray:
    """C(of, number) as float64: its rounding, 1e-15 of the value, is all that is lost up to C(1e30, 10)."""
    found = np.ones(len(of))
    for taken in range(number):
        found *= np.maximum(of - taken, 0) / (taken + 1)
    return found


def chance_of_top(k: int, gallery: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(Q,) probability that a random order has a right answer among the first k: 1 - C(G-R, k) / C(G, k)."""
    missed = np.ones(len(gallery))
    for taken in range(k):
        left = np.maximum(gallery - taken, 1)
        missed *= np.clip((gallery - right - taken) / left, 0, 1)
    return 1 - missed


@dataclass(frozen=True)
class Chance:
    """What a random order reaches on average over queries: mean reciprocal rank, mean average precision, median rank."""

    reciprocal_rank: float
    precision: float
    median_rank: float


def chance_of(ranks: Ranks) -> Chance:
    """Exact, from each query's gallery size and number of right answers."""
    kinds, counts = np.unique(np.stack([ranks.gallery, ranks.right]), axis=1, return_counts=True)
    share = counts / counts.sum()
    first = np.zeros(int(kinds[0].max()))  # probability that the first right answer stands at rank 1, 2, ...
    for (gallery, right), weight in zip(kinds.T, share, strict=True):
        first[: gallery - right + 1] += weight * _first_right(int(gallery), int(right))
    precision = sum(weight * _expected_precision(int(g), int(r)) for (g, r), weight in zip(kinds.T, share, strict=True))
    reached = first.cumsum()
    median = 1 + (np.searchsorted(reached, 0.5 - 1e-9) + np.searchsorted(reached, 0.5 + 1e-9)) / 2
    return Chance(float((first / np.arange(1, len(first) + 1)).sum()), float(precision), float(median))


def _first_right(gallery: int, right: int) -> np.ndarray:
    """(G-R+1,) probability that the first of R right answers stands at rank 1, 2, ... of G in random order."""
    taken = np.arange(gallery - right + 1)
    missed = np.concatenate([[1.0], np.cumprod((gallery - right - taken[:-1]) / (gallery - taken[:-1]))])
    return np.asarray(missed * right / (gallery - taken))


def _expected_precision(gallery: int, right: int) -> float:
    """Mean average precision of a random order of G answers, R of them right (Bestgen 2015)."""
    if gallery == right:
        return 1.0
    harmonic = float((1 / np.arange(1, gallery + 1)).sum())
    return (right - 1) / (gallery - 1) * (1 - harmonic / gallery) + harmonic / gallery
