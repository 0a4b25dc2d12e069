"""Finding a person's voice by a face among many, and what chance would find.

A tie counts against the model: an embedding that says the same of everybody finds nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    rows: list[tuple[int, int, float, int, int]] = []
    for block in trials.blocks():
        persons = trials.faces.person[block.rows]
        for person, scores, right, wrong in zip(persons, block.scores, block.right, block.wrong, strict=True):
            if right.any():
                found = np.sort(scores[right])
                ahead = wrong_ahead(found, scores[wrong])
                precision = np.arange(1, len(found) + 1) / (np.arange(1, len(found) + 1) + ahead[::-1])
                rows.append((person, 1 + ahead[-1], precision.mean(), len(found) + int(wrong.sum()), len(found)))
    columns = zip(*rows, strict=True) if rows else [()] * 5
    person, best, precision, gallery, count = (np.array(column) for column in columns)
    return Ranks(person, best, precision, gallery, count)


def wrong_ahead(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(R,) int64: how many wrong scores are at or above each right one. right: (R,) sorted upwards."""
    passed = np.bincount(np.searchsorted(right, wrong, side="right"), minlength=len(right) + 1)
    return np.asarray(passed[::-1].cumsum()[::-1][1:])


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
