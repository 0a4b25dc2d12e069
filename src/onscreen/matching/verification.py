"""Telling whether a face and a voice are one person's: ROC, AUC, EER, minDCF, exact and in memory of the right scores alone.

The ROC changes its true-positive rate only at right scores, so counting the wrong ones at and above each of them gives the
whole curve, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.matching.counting import Counts, counts_of
from onscreen.matching.trials import Trials


@dataclass(frozen=True)
class Roc:
    """The exact curve's corners, from nothing accepted to everything.

    false_positive, true_positive: (M,) rates 0-1, neither falling. positives, negatives: combinations behind them.
    scores: (P,) right scores, sorted upwards. wrong_at_or_above, wrong_above: (P,) wrong ones at or above, above each.
    """

    false_positive: np.ndarray
    true_positive: np.ndarray
    scores: np.ndarray
    wrong_at_or_above: np.ndarray
    wrong_above: np.ndarray
    negatives: int

    @property
    def positives(self) -> int:
        return len(self.scores)


def roc_of(trials: Trials) -> Roc:
    """The curve over all right and wrong combinations of the trials."""
    return roc_of_counts(counts_of(trials))


def roc_of_counts(counts: Counts) -> Roc:
    """The same, of counts that are there already."""
    order = np.argsort(counts.score, kind="stable")
    found = counts.overall.only(order)
    return _curve(counts.score[order], found.at_or_above, found.above, counts.negatives)


def roc_of_scores(right: np.ndarray, wrong: np.ndarray) -> Roc:
    """The curve over listed combinations. right, wrong: (P,), (N,) scores."""
    right, wrong = np.sort(right), np.sort(wrong)
    ahead = [len(wrong) - wrong.searchsorted(right, side=side) for side in ("left", "right")]
    return _curve(right, ahead[0], ahead[1], len(wrong))


def _curve(scores: np.ndarray, at_or_above: np.ndarray, above: np.ndarray, negatives: int) -> Roc:
    """Two corners for each different right score, from the highest: just above it, and at it."""
    different, first = np.unique(scores, return_index=True)
    last = np.searchsorted(scores, different, side="right")
    wrong = np.stack([above[first], at_or_above[first]], axis=1)[::-1].ravel() / max(1, negatives)
    found = np.stack([len(scores) - last, len(scores) - first], axis=1)[::-1].ravel() / max(1, len(scores))
    ends = np.array([0.0]), np.array([1.0])
    false_positive = np.concatenate([ends[0], wrong, ends[1]])
    true_positive = np.concatenate([ends[0], found, ends[1]])
    return Roc(false_positive, true_positive, scores, at_or_above, above, negatives)


def auc(roc: Roc) -> float:
    """Probability that a right combination scores above a wrong one; ties count one half."""
    ahead = roc.negatives - (roc.wrong_at_or_above + roc.wrong_above) / 2
    return float(ahead.mean() / roc.negatives)


def eer(false_positive: np.ndarray, true_positive: np.ndarray) -> np.ndarray:
    """The rate at which misses and false alarms are equal, on straight lines between corners. (..., M) -> (...)."""
    gap = false_positive - (1 - true_positive)  # rises from -1 to 1
    after = np.argmax(gap >= 0, axis=-1)[..., None]
    before = np.maximum(after - 1, 0)
    low, high = np.take_along_axis(gap, before, -1), np.take_along_axis(gap, after, -1)
    part = np.where(high > low, -low / np.where(high > low, high - low, 1), 0.0)
    start, end = (np.take_along_axis(false_positive, index, -1) for index in (before, after))
    return np.asarray(start + part * (end - start))[..., 0]


def min_dcf(false_positive: np.ndarray, true_positive: np.ndarray, prior: float) -> np.ndarray:
    """Least detection cost at equal costs of both errors, by that of the better constant answer: 1 is chance. (..., M) -> (...)."""
    cost = prior * (1 - true_positive) + (1 - prior) * false_positive
    return np.asarray(cost.min(axis=-1) / min(prior, 1 - prior))


def threshold_of(roc: Roc) -> float:
    """The right score at which misses and false alarms differ least when it and all above are accepted."""
    missed = np.searchsorted(roc.scores, roc.scores, side="left") / roc.positives
    return float(roc.scores[np.argmin(np.abs(missed - roc.wrong_at_or_above / roc.negatives))])


def errors_at(trials: Trials, threshold: float) -> tuple[float, float]:
    """Share of right combinations below the threshold, share of wrong ones at or above it."""
    counts = counts_of(trials, (threshold,))
    return float((counts.score < threshold).mean()), float(counts.reached[0] / counts.negatives)
