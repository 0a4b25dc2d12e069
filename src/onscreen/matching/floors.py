"""What a model reaches that knows everybody's gender and nothing else, in closed form from who is in the test.

It takes all of the asker's gender before all others, in random order. On VoxCeleb1's people (690 men, 561 women) it is right in
74.7% of choices between two, and has an EER of 33.6%: below that a face-voice model has shown nothing but that it hears gender.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onscreen.matching.counting import Counts
from onscreen.matching.retrieval import Chance, Ranks, beats, chance_of, chance_of_top
from onscreen.matching.trials import Items, Trials


@dataclass(frozen=True)
class Oracle:
    """Each query whose person's gender is known: how many of its answers are right, wrong, wrong and of the asker's gender, all (Q,).

    alike: share of wrong combinations within one gender, over all faces and voices of known gender. labelled: queries counted here.
    """

    right: np.ndarray
    wrong: np.ndarray
    wrong_alike: np.ndarray
    alike: float

    @cached_property
    def chance(self) -> Chance:
        """Its mean reciprocal rank, mean average precision and median rank: those of chance among its own gender."""
        return chance_of(self._own_gender)

    def top(self, k: int) -> float:
        """Its Top-K."""
        return float(chance_of_top(k, self.right + self.wrong_alike, self.right).mean())

    def one_of(self, size: int) -> float:
        """How often it is right among `size` answers."""
        return float(np.nanmean(beats(self.wrong - self.wrong_alike, self.wrong_alike, self.wrong, size - 1)))

    @property
    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """(3,) false and true positive rates: nothing accepted, one gender accepted, everything accepted."""
        return np.array([0.0, self.alike, 1.0]), np.array([0.0, 1.0, 1.0])

    @property
    def auc(self) -> float:
        """Its area under the curve: 1 less half of the wrong combinations that it cannot tell."""
        return 1 - self.alike / 2

    @property
    def eer(self) -> float:
        """f = 1 - f / alike: accepting part of its own gender at random, misses and false alarms are equal."""
        return self.alike / (1 + self.alike)

    @property
    def _own_gender(self) -> Ranks:
        size = len(self.right)
        return Ranks(np.zeros(size, np.int64), np.ones(size), np.ones(size), self.right + self.wrong_alike, self.right)


def oracle_of(trials: Trials, counts: Counts, gender: np.ndarray) -> Oracle | None:
    """The oracle among the people of known gender. gender: (people,) int64, -1 where unknown. None where nobody asks."""
    kind = np.zeros(len(gender), np.int64) if trials.kind is None else trials.kind
    _, first, right = np.unique(counts.face, return_index=True, return_counts=True)
    known = gender[counts.person[first]] >= 0
    wrong, alike = _answers(trials.voices, kind, gender)
    person = counts.person[first][known]
    if not len(person) or not wrong[person].all():
        return None
    asking = trials.faces.person[(gender[trials.faces.person] >= 0) & (kind[trials.faces.person] >= 0)]
    share = alike[asking].sum() / wrong[asking].sum()
    return Oracle(right[known], wrong[person], alike[person], float(share))


def _answers(voices: Items, kind: np.ndarray, gender: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(people,) wrong answers of known gender and of the same kind that each person has, and those of their own gender."""
    people = len(gender)
    own = np.bincount(voices.person, minlength=people)
    told = (gender >= 0) & (kind >= 0)
    counts = np.zeros((int(kind.max(initial=0)) + 1, int(gender.max(initial=0)) + 1), np.int64)
    np.add.at(counts, (kind[told], gender[told]), own[told])
    own = np.where(told, own, 0)
    every, same = counts[kind].sum(axis=1), counts[kind, gender]
    return np.where(told, every - own, 0), np.where(told, same - own, 0)
