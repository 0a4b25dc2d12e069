"""95% intervals by drawing people, not pairs, with replacement: pairs of one person are not independent of each other.

Ranks are those in the gallery as it is, and people are drawn as askers. Figures over combinations (AUC, EER, minDCF, one of two)
count a combination as often as the product of how often its two people were drawn. Beyond 100 people these are drawn in 100
random groups of people, which leaves the intervals valid and the tables small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onscreen.matching.retrieval import Ranks
from onscreen.matching.trials import Trials

GROUPS = 100
BINS = 400  # of the scores, for intervals only; the figures themselves are exact
_CHUNK = 50  # resamples at once: 16 MB of weighted histograms
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Histograms:
    """right: (G, K) right scores by the face's group. wrong: (G, G, K) wrong ones by the face's and the voice's group."""

    right: np.ndarray
    wrong: np.ndarray


def interval(samples: np.ndarray) -> tuple[float, float]:
    """Percentile interval of resampled values; resamples without a value (nobody who counts was drawn) are left out."""
    low, high = np.percentile(samples[np.isfinite(samples)], PERCENTILES)
    return float(low), float(high)


def draws(people: int, resamples: int, seed: int) -> np.ndarray:
    """(B, P) float32: how often each person is drawn in each resample."""
    random = np.random.default_rng(seed)
    counts = [np.bincount(random.integers(people, size=people), minlength=people) for _ in range(resamples)]
    return np.asarray(counts, np.float32)


def groups_of(people: int, seed: int) -> np.ndarray:
    """(P,) group of each person: their own up to 100 people, else one of 100 random ones of almost equal size."""
    if people <= GROUPS:
        return np.arange(people)
    return np.asarray(np.random.default_rng(seed).permutation(people) % GROUPS)


def means(ranks: Ranks, values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(B,) mean over queries of (Q,) values, each query as often as its person was drawn. NaN where nobody was."""
    people = drawn.shape[1]
    total = drawn @ np.bincount(ranks.person, weights=values, minlength=people)
    count = drawn @ np.bincount(ranks.person, minlength=people).astype(np.float64)
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


def histograms(trials: Trials, group: np.ndarray) -> Histograms:
    """Scores by group, in BINS equal steps between the least and the greatest."""
    count = int(group.max()) + 1
    limits = [(block.scores.min(), block.scores.max()) for block in trials.blocks()]
    low, high = min(least for least, _ in limits), max(greatest for _, greatest in limits)
    right, wrong = np.zeros(count * BINS), np.zeros(count * count * BINS)
    for block in trials.blocks():
        place = np.minimum(((block.scores - low) / max(high - low, 1e-9) * BINS).astype(np.int64), BINS - 1)
        faces = np.broadcast_to(group[trials.faces.person[block.rows], None], place.shape)
        voices = np.broadcast_to(group[trials.voices.person], place.shape)
        right += np.bincount((faces * BINS + place)[block.right], minlength=len(right))
        wrong += np.bincount(((faces * count + voices) * BINS + place)[block.wrong], minlength=len(wrong))
    return Histograms(right.reshape(count, BINS), wrong.reshape(count, count, BINS))


def curves(found: Histograms, drawn: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(b, K + 1) false and true positive rates of resamples, from nothing accepted to everything; b at a time.

    drawn: (B, G). Resamples without a right or a wrong combination are left out.
    """
    for start in range(0, len(drawn), _CHUNK):
        weights = drawn[start : start + _CHUNK].astype(np.float64)
        right, wrong = weights @ found.right, both(weights, found.wrong)
        told = (right.sum(axis=1) > 0) & (wrong.sum(axis=1) > 0)
        yield _rates(wrong[told]), _rates(right[told])


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
