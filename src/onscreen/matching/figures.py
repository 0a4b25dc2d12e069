"""A figure: its value, chance level and 95% interval, or null and the reason why there is none.

Rules against lucky figures: one person gives none at all; Top-K is null where chance alone would find more than half (with one
clip a person, a gallery below 2 K); fewer than 10 people give no interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from onscreen.matching import bootstrap
from onscreen.matching.counting import Counts, counts_of
from onscreen.matching.floors import Oracle, oracle_of
from onscreen.matching.trials import Trials

FEWEST_PEOPLE = 2
FEWEST_FOR_INTERVAL = 10

SAMPLES = "samples"

Figure = dict[str, Any]


def without_samples(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Nested figures as metrics tell them."""
    return {
        name: without_samples(found) if isinstance(found, Mapping) else found
        for name, found in figures.items()
        if name != SAMPLES
    }


def samples_of(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """(dotted name, (B,) values in each draw of people) of nested figures that have an interval or show no spread."""
    for name, found in figures.items():
        if isinstance(found, Mapping):
            if SAMPLES in found:
                yield prefix + name, found[SAMPLES]
            else:
                yield from samples_of(found, f"{prefix}{name}.")


def null(reason: str) -> Figure:
    """A figure that does not exist."""
    return {"value": None, "reason": reason}


def with_interval(known: Figure, samples: np.ndarray, people: int) -> Figure:
    """A figure with its 95% interval or the reason why there is none. samples: (B,) values with people drawn anew."""
    if people < FEWEST_FOR_INTERVAL:
        reason = f"{people} people; an interval needs {FEWEST_FOR_INTERVAL}"
        return known | {"low": None, "high": None, "interval_reason": reason}
    low, high = bootstrap.interval(samples)
    if high - low > 1e-9:  # sums of weights differ by rounding
        return known | {"low": low, "high": high}
    return known | {"low": None, "high": None, "interval_reason": "no person differs, so drawing people anew shows no spread"}


@dataclass(frozen=True)
class Scoring:
    """top_k: ranks counted as found. resamples, seed: of the bootstrap."""

    top_k: Sequence[int]
    resamples: int
    seed: int


@dataclass(frozen=True)
class Pool:
    """Trials with what every stratum of their people needs: counted and resampled once.

    threshold: score from which a combination is taken for one person, chosen elsewhere, or the reason why there is none.
    gender: (people,) int64 code of each person, -1 where unknown; None where nobody's is known.
    """

    trials: Trials
    scoring: Scoring
    threshold: float | str = "no threshold was chosen"
    gender: np.ndarray | None = None

    @cached_property
    def counts(self) -> Counts:
        return counts_of(self.trials, () if isinstance(self.threshold, str) else (self.threshold,))

    @cached_property
    def group(self) -> np.ndarray:
        return bootstrap.groups_of(len(self.trials.apart), self.scoring.seed)

    @cached_property
    def tables(self) -> bootstrap.Tables:
        return bootstrap.tables_of(self.trials, self.counts, self.group)

    @cached_property
    def drawn(self) -> np.ndarray:
        return bootstrap.draws(len(self.trials.apart), self.scoring.resamples, self.scoring.seed)

    @cached_property
    def drawn_groups(self) -> np.ndarray:
        return bootstrap.draws(int(self.group.max()) + 1, self.scoring.resamples, self.scoring.seed)


@dataclass(frozen=True)
class Scored:
    """The trials of a pool, of which only some people's right combinations count. as_voices: voices ask for faces."""

    pool: Pool
    trials: Trials
    as_voices: bool = False

    @classmethod
    def of(cls, trials: Trials, scoring: Scoring) -> Scored:
        """Trials alone."""
        return cls(Pool(trials, scoring), trials)

    def turned(self) -> Scored:
        """The same with voices asking for faces."""
        return replace(self, trials=self.trials.turned(), as_voices=not self.as_voices)

    @cached_property
    def counts(self) -> Counts:
        counts = (
            self.pool.counts
            if self.trials.counted is self.pool.trials.counted
            else self.pool.counts.of_people(self.trials.counted)
        )
        return counts.turned() if self.as_voices else counts

    @cached_property
    def tables(self) -> bootstrap.Tables:
        return self.pool.tables.turned() if self.as_voices else self.pool.tables

    @cached_property
    def oracle(self) -> Oracle | None:
        """What a model reaches that knows genders and nothing else."""
        return None if self.pool.gender is None else oracle_of(self.trials, self.counts, self.pool.gender)

    @cached_property
    def counted(self) -> np.ndarray:
        """Numbers of the people whose right combinations count."""
        people = self.trials.people
        return np.asarray(people[self.trials.counted[people]])

    @property
    def too_few(self) -> str | None:
        """Why there is no figure, or None."""
        if not len(self.counted):
            return "no person has such a pair"
        if len(self.counted) < FEWEST_PEOPLE or len(self.trials.people) < FEWEST_PEOPLE:
            return f"{len(self.counted)} person; at least {FEWEST_PEOPLE} are needed"
        return None

    def figure(self, value: float, chance: float, samples: np.ndarray, floor: float | None = None) -> Figure:
        """samples: (B,) resampled values, NaN in a draw without one. They go with the figure until metrics are told, with enough
        people for an interval. floor: what knowing gender alone reaches."""
        known: Figure = {"value": float(value), "chance": float(chance)}
        if floor is not None:
            known["gender_floor"] = float(floor)
        people = len(self.counted)
        kept = {SAMPLES: samples} if people >= FEWEST_FOR_INTERVAL else {}
        return with_interval(known, samples, people) | kept

    def share(self, values: np.ndarray, chance: float, samples: np.ndarray, floor: float | None = None) -> Figure:
        """A share of hits. values: (Q,) 0 or 1. Where all hit, or all miss, the exact binomial interval over people is taken:
        nobody among n people is found with a probability above 1 - 0.025^(1/n) in under 2.5% of such sets."""
        found = self.figure(values.mean(), chance, samples, floor)
        people = len(self.counted)
        if people < FEWEST_FOR_INTERVAL or found["low"] is not None or values.mean() not in (0, 1):
            return found
        del found["interval_reason"]
        bound = 0.025 ** (1 / people)
        return found | ({"low": 0.0, "high": 1 - bound} if values.mean() == 0 else {"low": bound, "high": 1.0})
