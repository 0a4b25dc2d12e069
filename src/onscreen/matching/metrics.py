"""The figures of a face-voice model: value, chance level and 95% interval, or null and the reason why there is none.

Rules against lucky figures: one person gives none at all; Top-K is null where chance alone would find more than half (with one
clip a person, a gallery below 2 K); fewer than 10 people give no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from onscreen.matching import bootstrap
from onscreen.matching.retrieval import Ranks, chance_of, chance_of_top, rank
from onscreen.matching.trials import Trials
from onscreen.matching.verification import auc, eer, errors_at, min_dcf, roc_of, threshold_of

FEWEST_PEOPLE = 2
FEWEST_FOR_INTERVAL = 10
PRIORS = {"min_dcf_p05": 0.05, "min_dcf_p50": 0.5}
FEWEST_PERMUTATIONS, MOST_PERMUTATIONS = 3, 200
PERMUTED_COMBINATIONS = 20_000_000  # scored for the check in all: seconds
STRATA = ("all", "different_source", "same_source")
_VERIFICATION = ("auc", "eer", *PRIORS)

Figure = dict[str, Any]


@dataclass(frozen=True)
class Scoring:
    """top_k: ranks counted as found. resamples, seed: of the bootstrap."""

    top_k: Sequence[int]
    resamples: int
    seed: int


@dataclass(frozen=True)
class Scored:
    """Trials with what several figures need of them."""

    trials: Trials
    scoring: Scoring

    @cached_property
    def counted(self) -> np.ndarray:
        """Numbers of the people whose right combinations count."""
        people = self.trials.people
        return np.asarray(people[self.trials.counted[people]])

    @cached_property
    def drawn(self) -> np.ndarray:
        return bootstrap.draws(len(self.trials.apart), self.scoring.resamples, self.scoring.seed)

    @cached_property
    def group(self) -> np.ndarray:
        return bootstrap.groups_of(len(self.trials.apart), self.scoring.seed)

    @cached_property
    def drawn_groups(self) -> np.ndarray:
        return bootstrap.draws(int(self.group.max()) + 1, self.scoring.resamples, self.scoring.seed)

    @property
    def too_few(self) -> str | None:
        """Why there is no figure, or None."""
        if not len(self.counted):
            return "no person has such a pair"
        if len(self.counted) < FEWEST_PEOPLE or len(self.trials.people) < FEWEST_PEOPLE:
            return f"{len(self.counted)} person; at least {FEWEST_PEOPLE} are needed"
        return None

    def figure(self, value: float, chance: float, samples: np.ndarray) -> Figure:
        """samples: (B,) resampled values."""
        known: Figure = {"value": float(value), "chance": float(chance)}
        if len(self.counted) < FEWEST_FOR_INTERVAL:
            reason = f"{len(self.counted)} people; an interval needs {FEWEST_FOR_INTERVAL}"
            return known | {"low": None, "high": None, "interval_reason": reason}
        low, high = bootstrap.interval(samples)
        if high - low > 1e-9:  # sums of weights differ by rounding
            return known | {"low": low, "high": high}
        return known | {"low": None, "high": None, "interval_reason": "no person differs, so drawing people anew shows no spread"}

    def share(self, values: np.ndarray, chance: float, samples: np.ndarray) -> Figure:
        """A share of hits. values: (Q,) 0 or 1. Where all hit, or all miss, the exact binomial interval over people is taken:
        nobody among n people is found with a probability above 1 - 0.025^(1/n) in under 2.5% of such sets."""
        found = self.figure(values.mean(), chance, samples)
        people = len(self.counted)
        if people < FEWEST_FOR_INTERVAL or found["low"] is not None or values.mean() not in (0, 1):
            return found
        del found["interval_reason"]
        bound = 0.025 ** (1 / people)
        return found | ({"low": 0.0, "high": 1 - bound} if values.mean() == 0 else {"low": bound, "high": 1.0})


def null(reason: str) -> Figure:
    """A figure that does not exist."""
    return {"value": None, "reason": reason}


def evaluate(trials: Trials, scoring: Scoring, threshold: float | str) -> dict[str, Any]:
    """All figures of one model, by stratum.

    all: people are scored on different source videos where they have several, else on one. different_source, same_source: only
    the former, only the latter people count (as wrong answers all of them stay). threshold: score from which a combination is
    taken for one person, chosen on validation people, or the reason why there is none.
    """
    parts = (trials, trials.stratum(trials.apart), trials.stratum(~trials.apart))
    return {name: _stratum(part, scoring, threshold) for name, part in zip(STRATA, parts, strict=True)}


def _stratum(trials: Trials, scoring: Scoring, threshold: float | str) -> dict[str, Any]:
    scored = Scored(trials, scoring)
    turned = Scored(trials.turned(), scoring)
    return {
        "people": len(scored.counted),
        "face_to_voice": retrieval(scored),
        "voice_to_face": retrieval(turned),
        "verification": verification(scored, threshold),
    }


def no_figures(scoring: Scoring, reason: str) -> dict[str, Any]:
    """The same keys as those of evaluate, every figure null for this reason."""
    way = {name: null(reason) for name in _retrieval_names(scoring)}
    pairs = {name: null(reason) for name in (*_VERIFICATION, "at_threshold")}
    return {name: {"face_to_voice": way, "voice_to_face": way, "verification": pairs} for name in STRATA}


def _retrieval_names(scoring: Scoring) -> list[str]:
    return [*(f"top{k}" for k in scoring.top_k), "mrr", "map", "median_rank", "one_of_two"]


def retrieval(scored: Scored) -> dict[str, Any]:
    """Figures of asking for voices with faces (turn the trials for the other way)."""
    people = len(np.unique(scored.trials.voices.person))
    gallery: dict[str, Any] = {"gallery": len(scored.trials.voices.person), "gallery_people": people}
    if scored.too_few:
        return gallery | {name: null(scored.too_few) for name in _retrieval_names(scored.scoring)}
    ranks = rank(scored.trials)
    chance = chance_of(ranks)
    found = {f"top{k}": _top(scored, ranks, k) for k in scored.scoring.top_k}
    reciprocal = 1 / ranks.best
    found["mrr"] = scored.figure(reciprocal.mean(), chance.reciprocal_rank, bootstrap.means(ranks, reciprocal, scored.drawn))
    found["map"] = scored.figure(ranks.precision.mean(), chance.precision, bootstrap.means(ranks, ranks.precision, scored.drawn))
    found["median_rank"] = scored.figure(np.median(ranks.best), chance.median_rank, bootstrap.medians(ranks, scored.drawn))
    found["one_of_two"] = _one_of_two(scored)
    return gallery | {"queries": len(ranks.best)} | found


def _top(scored: Scored, ranks: Ranks, k: int) -> Figure:
    chance = float(chance_of_top(k, ranks.gallery, ranks.right).mean())
    if chance > 0.5:
        return null(f"chance alone would find {chance:.0%} among the first {k} of {ranks.gallery.max()}") | {"chance": chance}
    hits = (ranks.best <= k).astype(np.float64)
    return scored.share(hits, chance, bootstrap.means(ranks, hits, scored.drawn))


def _one_of_two(scored: Scored) -> Figure:
    """Share of choices between a right and one wrong answer, all of them, that fall on the right one; ties count one half."""
    trials, group = scored.trials, scored.group
    size = int(group.max()) + 1
    won, asked = np.zeros((size, size)), np.zeros((size, size))
    answers = group[trials.voices.person]
    for block in trials.blocks():
        askers = group[trials.faces.person[block.rows]]
        for asker, scores, right, wrong in zip(askers, block.scores, block.right, block.wrong, strict=True):
            if right.any() and wrong.any():
                known = np.sort(scores[right])
                below, not_above = (np.searchsorted(known, scores[wrong], side=side) for side in ("left", "right"))
                wins = 1 - (below + not_above) / (2 * len(known))
                won[asker] += np.bincount(answers[wrong], weights=wins, minlength=size) / wrong.sum()
                asked[asker] += np.bincount(answers[wrong], minlength=size) / wrong.sum()
    drawn = scored.drawn_groups.astype(np.float64)
    total, count = bootstrap.both(drawn, won), bootstrap.both(drawn, asked)
    samples = np.divide(total, count, out=np.full(len(drawn), np.nan), where=count > 0)
    return scored.figure(won.sum() / asked.sum(), 0.5, samples)


def verification(scored: Scored, threshold: float | str) -> dict[str, Any]:
    """AUC, EER, minDCF and the errors at a threshold chosen elsewhere, over all combinations of the trials."""
    if scored.too_few:
        return {name: null(scored.too_few) for name in (*_VERIFICATION, "at_threshold")}
    roc = roc_of(scored.trials)
    tables = bootstrap.histograms(scored.trials, scored.group)
    samples = np.concatenate([_of_curves(*rates) for rates in bootstrap.curves(tables, scored.drawn_groups)], axis=1)
    values = _of_curves(roc.false_positive, roc.true_positive)
    values[0] = auc(roc)
    chances = (0.5, 0.5, *(1.0 for _ in PRIORS))
    rows = zip(_VERIFICATION, values, chances, samples, strict=True)
    found = {name: scored.figure(value, chance, drawn) for name, value, chance, drawn in rows}
    return {"positives": roc.positives, "negatives": roc.negatives, **found, "at_threshold": _errors(scored.trials, threshold)}


def _of_curves(false_positive: np.ndarray, true_positive: np.ndarray) -> np.ndarray:
    """(4, ...) AUC, EER and both minDCF of curves (..., M)."""
    area = np.trapezoid(true_positive, false_positive, axis=-1)
    costs = [min_dcf(false_positive, true_positive, prior) for prior in PRIORS.values()]
    return np.stack([area, eer(false_positive, true_positive), *costs])


def _errors(trials: Trials, threshold: float | str) -> Figure:
    if isinstance(threshold, str):
        return null(threshold)
    missed, accepted = errors_at(trials, threshold)
    return {"value": threshold, "missed": missed, "accepted": accepted, "balanced_accuracy": 1 - (missed + accepted) / 2}


def choose_threshold(trials: Trials | None) -> float | str:
    """The score where misses and false alarms differ least, on validation people; or why there is none."""
    people = 0 if trials is None else len(trials.people)
    if trials is None or people < FEWEST_PEOPLE:
        return f"{people} validation people; a threshold needs {FEWEST_PEOPLE}, and is never chosen on those under test"
    return threshold_of(roc_of(trials))


def permuted_check(trials: Trials, seed: int) -> dict[str, Any]:
    """AUC and Top-1 with voices given to people at random, mean over 3 to 200 permutations. Anything but chance is an error here."""
    if len(trials.people) < FEWEST_PEOPLE:
        return null(f"{len(trials.people)} person; at least {FEWEST_PEOPLE} are needed")
    areas, hits, chances = [], [], []
    combinations = len(trials.faces.person) * len(trials.voices.person)
    permutations = int(np.clip(PERMUTED_COMBINATIONS // combinations, FEWEST_PERMUTATIONS, MOST_PERMUTATIONS))
    for number in range(permutations):
        mixed = trials.permuted(seed + number)
        ranks = rank(mixed)
        areas.append(auc(roc_of(mixed)))
        hits.append(float((ranks.best == 1).mean()))
        chances.append(float(chance_of_top(1, ranks.gallery, ranks.right).mean()))
    return {
        "permutations": permutations,
        "auc": {"value": float(np.mean(areas)), "chance": 0.5, "low": min(areas), "high": max(areas)},
        "face_to_voice_top1": {
            "value": float(np.mean(hits)),
            "chance": float(np.mean(chances)),
            "low": min(hits),
            "high": max(hits),
        },
    }
