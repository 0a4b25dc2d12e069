"""What evaluate draws of each model: ROC, DET, CMC and histograms of scores, as tables that DVC draws, and for the report.

Every file is always there, with no row where a model could not be scored: `dvc plots` fails on a file that is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from onscreen.matching.counting import Counts, counts_of
from onscreen.matching.retrieval import Ranks, chance_of_top, ranks_of
from onscreen.matching.trials import Trials
from onscreen.matching.verification import Roc, roc_of_counts
from onscreen.report.page import Curves
from onscreen.store import atomic_folder, write_csv

MOST_POINTS = 500  # of a curve that are kept for its plot
MOST_RANKS = 100
BINS = 40
WAYS = ("face_to_voice", "voice_to_face")
COLUMNS = {
    "roc": ("false_positive_rate", "true_positive_rate"),
    "det": ("false_positive_rate", "miss_rate", "false_positive_deviate", "miss_deviate"),
    "cmc": ("rank", *WAYS, *(f"{way}_chance" for way in WAYS)),
    "scores": ("score", "same_person", "different_people", "same_person_count", "different_people_count"),
}
"""File in a model's folder of plots -> its columns. Rates and shares are 0-1; a deviate is the normal distribution's; score is the
middle of a bin of cosines."""

Rows = Sequence[tuple[float, ...]]


@dataclass(frozen=True)
class Drawn:
    """tables: name of COLUMNS -> rows. curves: for the report's charts."""

    tables: Mapping[str, Rows]
    curves: Curves


def drawn_of(trials: Trials) -> Drawn:
    """What is drawn of a model's scores on two or more people, all combinations."""
    edges = np.linspace(-1, 1, BINS + 1)
    counts = counts_of(trials, edges[1:-1].tolist())
    roc = roc_of_counts(counts)
    right = np.histogram(np.clip(counts.score, -1, 1), edges)[0]
    wrong = -np.diff([counts.negatives, *counts.reached, 0])
    kept = np.unique(np.linspace(0, len(roc.false_positive) - 1, MOST_POINTS).round().astype(np.int64))
    false, true = roc.false_positive[kept].tolist(), roc.true_positive[kept].tolist()
    tables = {
        "roc": list(zip(false, true, strict=True)),
        "det": det(roc),
        "cmc": cmc(counts),
        "scores": _scores(edges, right, wrong),
    }
    return Drawn(tables, Curves(false, true, edges.tolist(), right.tolist(), wrong.tolist()))


def det(roc: Roc) -> Rows:
    """Corners of the curve of misses against false alarms, evenly spaced as they are drawn. A rate of 0 or 1 has no place on axes
    of normal deviates, as on logarithmic ones: such corners are left out."""
    false, missed = roc.false_positive, 1 - roc.true_positive
    inside = (false > 0) & (false < 1) & (missed > 0) & (missed < 1)
    if not inside.any():
        return []
    false, missed = false[inside], missed[inside]
    deviate = NormalDist().inv_cdf
    across, up = (np.array([deviate(rate) for rate in rates.tolist()]) for rates in (false, missed))
    way = np.r_[0.0, np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up)))]
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS), side="left"))
    return list(zip(*(column[kept].tolist() for column in (false, missed, across, up)), strict=True))


def cmc(counts: Counts) -> Rows:
    """Share of queries whose first right answer stands at this rank or before it, both ways, and what chance would find. Ranks
    are those of the larger gallery, beyond the first ones in steps that grow."""
    both = ranks_of(counts), ranks_of(counts.turned())
    last = int(max(ranks.gallery.max() for ranks in both))
    shown = np.unique(np.geomspace(1, last, MOST_RANKS).round().astype(np.int64)).tolist()
    return [(rank, *(_found(ranks, rank) for ranks in both), *(_chance(ranks, rank) for ranks in both)) for rank in shown]


def _found(ranks: Ranks, rank: int) -> float:
    return float((ranks.best <= rank).mean())


def _chance(ranks: Ranks, rank: int) -> float:
    kinds, count = np.unique(np.stack([ranks.gallery, ranks.right]), axis=1, return_counts=True)
    return float(np.average(chance_of_top(rank, kinds[0], kinds[1]), weights=count))


def _scores(edges: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> Rows:
    """Shares beside counts: there are far more wrong combinations than right ones."""
    shares = (found / max(1, found.sum()) for found in (right, wrong))
    columns = (((edges[:-1] + edges[1:]) / 2).round(6), *shares, right, wrong)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def write_plots(folder: Path, models: Iterable[str], drawn: Mapping[str, Drawn]) -> None:
    """Write <model>_<table>.csv of each model. drawn: of those that could be scored."""
    with atomic_folder(folder) as out:
        for model in models:
            tables = drawn[model].tables if model in drawn else {}
            for name, columns in COLUMNS.items():
                write_csv(out / f"{model}_{name}.csv", columns, tables.get(name, []))
