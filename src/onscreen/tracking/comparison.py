"""Two models on the same people and the same items, and by how much they differ with the same people drawn for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onscreen.matching.data import Link, PairSet, of_people
from onscreen.matching.figures import FEWEST_FOR_INTERVAL
from onscreen.matching.metrics import Evaluation, Scoring, evaluation
from onscreen.matching.paired import paired_interval
from onscreen.matching.towers import FaceVoiceModel
from onscreen.matching.trials import trials_of

DECIDES = "all.verification.auc"
"""The figure that decides. It counts every right combination against every wrong one, so that of the chief figures it spreads least
with the people drawn, and it depends neither on a threshold nor on how many answers there are to choose from."""
FIGURES = {  # dotted name in an evaluation -> as it is printed
    DECIDES: "ROC-AUC",
    "all.verification.eer": "EER (lower is better)",
    "all.face_to_voice.top1": "Top-1, face to voice",
    "all.voice_to_face.top1": "Top-1, voice to face",
    "all.face_to_voice.mrr": "MRR, face to voice",
    "all.voice_to_face.mrr": "MRR, voice to face",
}
NO_THRESHOLD = "a comparison of models needs no threshold"


@dataclass(frozen=True)
class Compared:
    """One figure of two models; None where a model has none. other: of the champion, or the chance level where there is none.

    low, high: 95 % interval of value - other, with the same people drawn for both; None, and a reason, where there is none.
    """

    value: float | None
    other: float | None
    low: float | None
    high: float | None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        return None if self.value is None or self.other is None else self.value - self.other

    def as_json(self) -> dict[str, Any]:
        """What a tag keeps of it."""
        known = {"challenger": self.value, "other": self.other, "difference": self.difference, "low": self.low, "high": self.high}
        rounded = {name: None if value is None else round(value, 5) for name, value in known.items()}
        return rounded | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Comparison:
    """people: who is left to compare on. test_set_sha256: of PairSet. figures: name of FIGURES -> compared."""

    people: int
    test_set_sha256: str
    figures: Mapping[str, Compared]

    @property
    def decisive(self) -> Compared:
        """The figure that decides."""
        return self.figures[DECIDES]


def shared(ours: PairSet, others: PairSet) -> tuple[PairSet, PairSet]:
    """The pairs that both sets have, in the same order in both: models whose inputs differ may each lose other items."""
    common = {*_named(ours)} & {*_named(others)}
    first, second = (
        of_people(replace(pairs, links=tuple(_kept(pairs, common)), face_digest=(), voice_digest=()), lambda person: True)
        for pairs in (ours, others)
    )
    return first, second


def _kept(pairs: PairSet, common: set[tuple[str, str, str]]) -> list[Link]:
    return [link for name, link in zip(_named(pairs), pairs.links, strict=True) if name in common]


def _named(pairs: PairSet) -> list[tuple[str, str, str]]:
    """(person, face, voice) of each link by name."""
    faces, voices = pairs.face_name or pairs.face_source, pairs.voice_name or pairs.voice_source
    return [(pairs.people[link.person], faces[link.face], voices[link.voice]) for link in pairs.links]


def compare(
    ours: tuple[FaceVoiceModel, PairSet], others: tuple[FaceVoiceModel, PairSet] | None, scoring: Scoring
) -> Comparison | str:
    """Compare two models, each with the same pairs as it takes them in (shared); with others None, one with chance.

    Returns the reason where there is nothing to compare: too few people, or embeddings that are no numbers.
    """
    people = len(ours[1].by_person)
    if people < FEWEST_FOR_INTERVAL:
        return f"{people} people are left to compare on; {FEWEST_FOR_INTERVAL} are needed for an interval"
    mine = _evaluated(*ours, scoring)
    if mine is None:
        return "embeddings of the challenger are not finite numbers"
    theirs = _chance(mine, scoring) if others is None else _evaluated(*others, scoring)
    if theirs is None:
        return "embeddings of the champion are not finite numbers"
    return Comparison(people, ours[1].test_set_sha256, {name: _compared(mine, theirs, name) for name in FIGURES})


def _evaluated(model: FaceVoiceModel, pairs: PairSet, scoring: Scoring) -> Evaluation | None:
    trials = trials_of(pairs, model.embed_faces(pairs.faces), model.embed_voices(pairs.voices))
    if not all(np.isfinite(side.vectors).all() for side in (trials.faces, trials.voices)):
        return None
    return evaluation(trials, scoring, NO_THRESHOLD)


def _chance(beside: Evaluation, scoring: Scoring) -> Evaluation:
    """One who guesses, on the trials of an evaluation: every figure at its chance level, whoever is drawn."""
    levels = {name: _figure(beside, name).get("chance") for name in FIGURES}
    figures: dict[str, Any] = {}
    for name, level in levels.items():
        stratum, part, figure = name.split(".")
        figures.setdefault(stratum, {}).setdefault(part, {})[figure] = {"value": level}
    samples = {name: np.full(scoring.resamples, level) for name, level in levels.items() if level is not None}
    return Evaluation(figures, samples)


def _compared(mine: Evaluation, theirs: Evaluation, name: str) -> Compared:
    found, other = _figure(mine, name), _figure(theirs, name)
    values = found.get("value"), other.get("value")
    if name not in mine.samples or name not in theirs.samples:
        why = found.get("reason") or other.get("reason") or "it has no interval"
        return Compared(*values, None, None, why)
    interval = paired_interval(mine.samples[name].tolist(), theirs.samples[name].tolist())
    return Compared(*values, None, None, interval) if isinstance(interval, str) else Compared(*values, *interval)


def _figure(of: Evaluation, name: str) -> dict[str, Any]:
    stratum, part, figure = name.split(".")
    found: dict[str, Any] = of.figures[stratum][part][figure]
    return found
