"""Who is compared with whom: every face with every voice of the people under test, scored in tiles.

A combination of one person is *right* when face and voice come from different source videos; a person who has only one source
counts with that one (a stratum of its own). The other combinations of one person are left out: neither right nor wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from onscreen.matching.data import PairSet

BLOCK = 4_000_000  # scores in a tile; 16 MB as float32
ALIGNED = 32  # rows; BLAS sums what is left of a matrix at its edges in another order, and equal embeddings must score the same


@dataclass(frozen=True)
class Items:
    """vectors: (N, D) float32, L2 = 1. person, source: (N,) int64, numbers below the counts of people and sources."""

    vectors: np.ndarray
    person: np.ndarray
    source: np.ndarray

    def only(self, kept: np.ndarray) -> Items:
        """Some of the items. kept: (N,) bool."""
        return Items(self.vectors[kept], self.person[kept], self.source[kept])


@dataclass(frozen=True)
class Trials:
    """All combinations of faces and voices. apart: (P,) bool, people who have a face and a voice of different sources.

    counted: (P,) bool, people whose right combinations count (a stratum); everybody's stay as wrong answers to others.
    kind: (P,) int64, the kind of each person: wrong answers are only people of the same kind (of the same gender, say), and people
    of kind -1 take no part. None: all are of one kind.
    """

    faces: Items
    voices: Items
    apart: np.ndarray
    counted: np.ndarray
    kind: np.ndarray | None = None

    @cached_property
    def people(self) -> np.ndarray:
        """Numbers of the people who take part with both a face and a voice, sorted."""
        both = np.intersect1d(self.faces.person, self.voices.person)
        return both if self.kind is None else both[self.kind[both] >= 0]

    def turned(self) -> Trials:
        """The same combinations with voices asking for faces."""
        return replace(self, faces=self.voices, voices=self.faces)

    def stratum(self, counted: np.ndarray) -> Trials:
        """The same combinations, of which only these people's right ones count."""
        return replace(self, counted=self.counted & counted)

    def within(self, kind: np.ndarray) -> Trials:
        """The combinations of people of one kind. kind: see the class."""
        return replace(self, kind=kind)

    def of_people(self, wanted: np.ndarray) -> Trials:
        """The faces and voices of these people alone. wanted: (P,) bool."""
        faces, voices = (side.only(wanted[side.person]) for side in (self.faces, self.voices))
        return replace(self, faces=faces, voices=voices)

    def permuted(self, seed: int) -> Trials:
        """Voices given to people at random (anyone, also the right one): every figure must land on its chance level."""
        order, there = np.arange(len(self.apart)), np.union1d(self.faces.person, self.voices.person)
        # a check of the figures themselves, beside them and under its own name
        order[there] = np.random.default_rng(seed).permutation(there)
        voices = Items(self.voices.vectors, order[self.voices.person], self.voices.source)
        return Trials(self.faces, voices, np.zeros_like(self.apart), np.ones_like(self.counted))

    def tiles(self) -> Iterator[Tile]:
        """All combinations of people of one kind, BLOCK of them at most in a tile, items of one person beside each other."""
        for faces, voices in self._by_kind():
            rows = min(len(faces), max(1, math.isqrt(BLOCK)))
            columns = min(len(voices), max(1, BLOCK // rows))
            for down in _parts(faces, max(1, BLOCK // columns)):
                for across in _parts(voices, columns):
                    yield Tile(self, down, across)

    def _by_kind(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indexes of the faces and of the voices of each kind, sorted by person."""
        faces, voices = (np.argsort(side.person, kind="stable") for side in (self.faces, self.voices))
        if self.kind is None:
            if len(faces) and len(voices):
                yield faces, voices
            return
        of_face, of_voice = self.kind[self.faces.person[faces]], self.kind[self.voices.person[voices]]
        for number in np.intersect1d(of_face, of_voice):
            if number >= 0:
                yield faces[of_face == number], voices[of_voice == number]


def _parts(indexes: np.ndarray, most: int) -> list[np.ndarray]:
    """Stretches of almost equal length, none above `most`."""
    return np.array_split(indexes, -(-len(indexes) // most))


def _padded(vectors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Some rows, and zeros up to a whole number of ALIGNED ones."""
    found = np.zeros((-(-len(chosen) // ALIGNED) * ALIGNED, vectors.shape[1]), np.float32)
    found[: len(chosen)] = vectors[chosen]
    return found


@dataclass(frozen=True)
class Tile:
    """Some faces with some voices of the trials. rows, columns: (b,), (c,) int64 indexes into faces and voices."""

    trials: Trials
    rows: np.ndarray
    columns: np.ndarray

    @cached_property
    def own(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) row and (n,) column, within the tile, of combinations of one person."""
        asking, answering = self.trials.faces.person[self.rows], self.trials.voices.person[self.columns]
        first, last = (np.searchsorted(answering, asking, side=side) for side in ("left", "right"))
        counts = last - first
        row = np.repeat(np.arange(len(asking)), counts)
        within = np.arange(len(row)) - np.repeat(counts.cumsum() - counts, counts)
        return row, first[row] + within

    @cached_property
    def right(self) -> np.ndarray:
        """(n,) bool: which of `own` are right."""
        row, column = self.own
        faces, voices = self.rows[row], self.columns[column]
        person = self.trials.faces.person[faces]
        fit = (self.trials.faces.source[faces] != self.trials.voices.source[voices]) | ~self.trials.apart[person]
        return np.asarray(fit & self.trials.counted[person])

    def scores(self) -> np.ndarray:
        """(b, c) float32, cosines; the same bits at every call."""
        faces, voices = _padded(self.trials.faces.vectors, self.rows), _padded(self.trials.voices.vectors, self.columns)
        return np.ascontiguousarray((faces @ voices.T)[: len(self.rows), : len(self.columns)])

    def wrong_scores(self) -> np.ndarray:
        """(b, c) float32: scores, with -inf for combinations of one person."""
        found = self.scores()
        found[self.own] = -np.inf
        return found


def trials_of(pairs: PairSet, faces: np.ndarray, voices: np.ndarray) -> Trials:
    """The trials of a set of pairs. faces, voices: (N, D) float32, L2 = 1, embedded items of `pairs` in their order."""
    face_person, voice_person = (np.full(len(items), -1) for items in (pairs.faces, pairs.voices))
    apart = np.zeros(len(pairs.people), bool)
    for link in pairs.links:
        face_person[link.face] = voice_person[link.voice] = link.person
        apart[link.person] |= not link.same_source
    numbers = {source: number for number, source in enumerate(sorted({*pairs.face_source, *pairs.voice_source}))}
    sides = [
        Items(vectors[person >= 0], person[person >= 0], np.array([numbers[source] for source in sources], np.int64)[person >= 0])
        for vectors, person, sources in ((faces, face_person, pairs.face_source), (voices, voice_person, pairs.voice_source))
    ]
    return Trials(sides[0], sides[1], apart, np.ones_like(apart))
