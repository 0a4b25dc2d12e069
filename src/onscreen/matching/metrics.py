"""The figures of a face-voice model on a set of people, both ways, by stratum: retrieval, 1:2 to 1:10, verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onscreen.matching import bootstrap
from onscreen.matching.counting import counts_of
from onscreen.matching.figures import FEWEST_PEOPLE, Figure, Pool, Scored, Scoring, null, samples_of, without_samples
from onscreen.matching.retrieval import Ranks, chance_of, chance_of_top, one_of, ranks_of
from onscreen.matching.strata import Labels
from onscreen.matching.trials import Trials
from onscreen.matching.verification import auc, eer, min_dcf, roc_of, roc_of_counts, threshold_of

__all__ = [
    "CHIEF",
    "Evaluation",
    "Scored",
    "Scoring",
    "choose_threshold",
    "evaluate",
    "evaluation",
    "figures_of",
    "no_figures",
    "permuted_check",
    "retrieval",
    "verification",
]

PRIORS = {"min_dcf_p05": 0.05, "min_dcf_p50": 0.5}
ONE_OF = {2: "one_of_two", **{size: f"one_of_{size}" for size in range(3, 11)}}
FEWEST_PERMUTATIONS, MOST_PERMUTATIONS = 3, 200
PERMUTED_COMBINATIONS = 20_000_000  # scored for the check in all: seconds
STRATA = ("all", "different_source", "same_source")
_VERIFICATION = ("auc", "eer", *PRIORS)
CHIEF = (
    "all.verification.auc",
    "all.verification.eer",
    "all.face_to_voice.top1",
    "all.voice_to_face.top1",
    "all.face_to_voice.mrr",
    "all.voice_to_face.mrr",
)
"""The figures that two models are compared by."""


@dataclass(frozen=True)
class Evaluation:
    """What is known of one model on one set of people, counted and resampled once.

    figures: see evaluate. samples: of each of CHIEF that has a value, its (B,) float64 values with people drawn anew, those that
    its interval was taken from; NaN in a draw that has none; no figure at all with fewer people than an interval needs.
    Two models' evaluations on trials of the same people in the same order (both of PairSets with equal test_set_sha256), with the
    same scoring, draw the same people: their samples can be taken from each other draw by draw (paired.paired_interval).
    """

    figures: dict[str, Any]
    samples: dict[str, np.ndarray]


def evaluate(
    trials: Trials, scoring: Scoring, threshold: float | str, labels: Mapping[str, Labels] | None = None
) -> dict[str, Any]:
    """The figures of evaluation."""
    return evaluation(trials, scoring, threshold, labels).figures


def evaluation(
    trials: Trials, scoring: Scoring, threshold: float | str, labels: Mapping[str, Labels] | None = None
) -> Evaluation:
    """All figures of one model, by stratum, and what the chief ones are in each draw of people.

    all: people are scored on different source videos where they have several, else on one. different_source, same_source: only
    the former, only the latter people count (as wrong answers all of them stay). same_<label>: wrong answers are people of the same
    label only; people whose label is unknown, and those who are the only ones of theirs, take no part. threshold: score from which
    a combination is taken for one person, chosen on validation people, or the reason why there is none.
    """
    labels = labels or {}
    known = labels["gender"].code if "gender" in labels else None
    gender = known if known is not None and (known >= 0).any() else None
    pool = Pool(trials, scoring, threshold, gender)
    parts = (trials, trials.stratum(trials.apart), trials.stratum(~trials.apart))
    found = {name: _figures_of(Scored(pool, part)) for name, part in zip(STRATA, parts, strict=True)}
    for name, label in labels.items():
        kind = label.shared(trials.people)
        if (kind >= 0).any():
            within = trials.within(kind)
            found[f"same_{name}"] = _figures_of(Scored(Pool(within, scoring, threshold, gender), within))
    samples = dict(samples_of(found))
    return Evaluation(without_samples(found), {name: samples[name] for name in CHIEF if name in samples})


def figures_of(scored: Scored) -> dict[str, Any]:
    """The figures of one stratum."""
    return without_samples(_figures_of(scored))


def _figures_of(scored: Scored) -> dict[str, Any]:
    return {
        "people": len(scored.counted),
        "face_to_voice": retrieval(scored),
        "voice_to_face": retrieval(scored.turned()),
        "verification": verification(scored),
    }


def no_figures(scoring: Scoring, reason: str) -> dict[str, Any]:
    """The same keys as those of evaluate without labels, every figure null for this reason."""
    way = {name: null(reason) for name in _retrieval_names(scoring)}
    pairs = {name: null(reason) for name in (*_VERIFICATION, "at_threshold")}
    return {name: {"face_to_voice": way, "voice_to_face": way, "verification": pairs} for name in STRATA}


def _retrieval_names(scoring: Scoring) -> list[str]:
    return [*(f"top{k}" for k in scoring.top_k), "mrr", "map", "median_rank", *ONE_OF.values()]


def retrieval(scored: Scored) -> dict[str, Any]:
    """Figures of asking for voices with faces (turn it for the other way)."""
    answers = scored.trials.voices.person
    if scored.trials.kind is not None:
        answers = answers[scored.trials.kind[answers] >= 0]
    gallery: dict[str, Any] = {"gallery": len(answers), "gallery_people": len(np.unique(answers))}
    if scored.too_few:
        return gallery | {name: null(scored.too_few) for name in _retrieval_names(scored.pool.scoring)}
    ranks = ranks_of(scored.counts)
    found = {f"top{k}": _top(scored, ranks, k) for k in scored.pool.scoring.top_k}
    found |= _orders(scored, ranks)
    found |= {name: _one_of(scored, ranks, size) for size, name in ONE_OF.items()}
    return gallery | {"queries": len(ranks.best)} | found


def _top(scored: Scored, ranks: Ranks, k: int) -> Figure:
    chance = float(chance_of_top(k, ranks.gallery, ranks.right).mean())
    if chance > 0.5:
        return null(f"chance alone would find {chance:.0%} among the first {k} of {ranks.gallery.max()}") | {"chance": chance}
    hits = (ranks.best <= k).astype(np.float64)
    floor = scored.oracle.top(k) if scored.oracle else None
    return scored.share(hits, chance, bootstrap.means(ranks.person, hits, scored.pool.drawn), floor)


def _orders(scored: Scored, ranks: Ranks) -> dict[str, Figure]:
    """Figures of the whole order: mean reciprocal rank, mean average precision, median rank."""
    chance, drawn = chance_of(ranks), scored.pool.drawn
    floor = scored.oracle.chance if scored.oracle else None
    reciprocal, precision = 1 / ranks.best, ranks.precision
    rows = {
        "mrr": ("reciprocal_rank", reciprocal.mean(), bootstrap.means(ranks.person, reciprocal, drawn)),
        "map": ("precision", precision.mean(), bootstrap.means(ranks.person, precision, drawn)),
        "median_rank": ("median_rank", np.median(ranks.best), bootstrap.medians(ranks, drawn)),
    }
    return {
        name: scored.figure(float(value), getattr(chance, at), samples, getattr(floor, at) if floor else None)
        for name, (at, value, samples) in rows.items()
    }


def _one_of(scored: Scored, ranks: Ranks, size: int) -> Figure:
    """Share of choices among `size` answers, one of them right, that fall on the right one: over all choices of the wrong ones."""
    chosen = one_of(scored.counts, size)
    told = np.isfinite(chosen)
    if told.mean() <= 0.5 or len(np.unique(ranks.person[told])) < FEWEST_PEOPLE:
        fewest = int((ranks.gallery - ranks.right).max())
        return null(f"{size - 1} wrong answers are needed; most queries have fewer (none has more than {fewest})")
    floor = scored.oracle.one_of(size) if scored.oracle else None
    samples = _choices(scored) if size == 2 else bootstrap.means(ranks.person[told], chosen[told], scored.pool.drawn)
    figure = scored.figure(chosen[told].mean(), 1 / size, samples, floor)
    return figure if told.all() else figure | {"queries": int(told.sum())}


def _choices(scored: Scored) -> np.ndarray:
    """(B,) resampled shares of right choices between two, both people of a choice drawn anew."""
    choices, drawn = scored.tables.by_face, scored.pool.drawn_groups.astype(np.float64)
    kept = np.array([(scored.trials.counted & (scored.trials.apart == several)).any() for several in (False, True)])
    total, count = (bootstrap.both(drawn, table[kept].sum(axis=0)) for table in (choices.won, choices.asked))
    return np.asarray(np.divide(total, count, out=np.full(len(drawn), np.nan), where=count > 0))


def verification(scored: Scored) -> dict[str, Any]:
    """AUC, EER, minDCF and the errors at the pool's threshold, over all combinations of the trials."""
    if scored.too_few:
        return {name: null(scored.too_few) for name in (*_VERIFICATION, "at_threshold")}
    roc, pool = roc_of_counts(scored.counts), scored.pool
    resampled = bootstrap.curves(scored.counts, scored.tables, pool.group, pool.drawn_groups)
    samples = np.concatenate([_of_curves(*rates) for rates in resampled], axis=1)
    values = _of_curves(roc.false_positive, roc.true_positive)
    values[0] = auc(roc)
    floors = _of_curves(*scored.oracle.roc).tolist() if scored.oracle else [None] * len(_VERIFICATION)
    chances = (0.5, 0.5, *(1.0 for _ in PRIORS))
    rows = zip(_VERIFICATION, values, chances, samples, floors, strict=True)
    found = {name: scored.figure(value, chance, drawn, floor) for name, value, chance, drawn, floor in rows}
    return {"positives": roc.positives, "negatives": roc.negatives, **found, "at_threshold": _errors(scored)}


def _of_curves(false_positive: np.ndarray, true_positive: np.ndarray) -> np.ndarray:
    """(4, ...) AUC, EER and both minDCF of curves (..., M)."""
    area = np.trapezoid(true_positive, false_positive, axis=-1)
    costs = [min_dcf(false_positive, true_positive, prior) for prior in PRIORS.values()]
    return np.stack([area, eer(false_positive, true_positive), *costs])


def _errors(scored: Scored) -> Figure:
    threshold, counts = scored.pool.threshold, scored.counts
    if isinstance(threshold, str):
        return null(threshold)
    missed, accepted = float((counts.score < threshold).mean()), float(counts.reached[0] / counts.negatives)
    return {"value": threshold, "missed": missed, "accepted": accepted, "balanced_accuracy": 1 - (missed + accepted) / 2}


def choose_threshold(trials: Trials | None) -> float | str:
    """The score where misses and false alarms differ least, on validation people; or why there is none."""
    people = 0 if trials is None else len(trials.people)
    if trials is None or people < FEWEST_PEOPLE:
        return f"{people} validation people; a threshold needs {FEWEST_PEOPLE}, and is never chosen on those under test"
    return threshold_of(roc_of(trials))


def permuted_check(trials: Trials, seed: int) -> dict[str, Any]:
    """AUC and Top-1 with voices given to people at random, mean over 3 to 200 permutations. Anything but chance is an error here.

    Of a large set some people, drawn at random, are enough to tell.
    """
    if len(trials.people) < FEWEST_PEOPLE:
        return null(f"{len(trials.people)} person; at least {FEWEST_PEOPLE} are needed")
    trials = _some(trials, seed)
    areas, hits, chances = [], [], []
    combinations = len(trials.faces.person) * len(trials.voices.person)
    permutations = int(np.clip(PERMUTED_COMBINATIONS // combinations, FEWEST_PERMUTATIONS, MOST_PERMUTATIONS))
    for number in range(permutations):
        counts = counts_of(trials.permuted(seed + number))
        ranks = ranks_of(counts)
        areas.append(auc(roc_of_counts(counts)))
        hits.append(float((ranks.best == 1).mean()))
        chances.append(float(chance_of_top(1, ranks.gallery, ranks.right).mean()))
    people = {"people": len(trials.people)}
    return people | {
        "permutations": permutations,
        "auc": {"value": float(np.mean(areas)), "chance": 0.5, "low": min(areas), "high": max(areas)},
        "face_to_voice_top1": {
            "value": float(np.mean(hits)),
            "chance": float(np.mean(chances)),
            "low": min(hits),
            "high": max(hits),
        },
    }


def _some(trials: Trials, seed: int) -> Trials:
    """As many people as the combinations of the fewest permutations allow."""
    share = np.sqrt(PERMUTED_COMBINATIONS / FEWEST_PERMUTATIONS / (len(trials.faces.person) * len(trials.voices.person)))
    kept = max(FEWEST_PEOPLE, int(len(trials.people) * share))
    if kept >= len(trials.people):
        return trials
    wanted = np.zeros(len(trials.apart), bool)
    # a check of the figures themselves: fewer people serve it as well
    wanted[np.random.default_rng(seed).choice(trials.people, kept, replace=False)] = True
    return trials.of_people(wanted)
