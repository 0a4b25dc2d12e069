"""Who is compared with whom: every face with every voice of the people under test, scored in blocks.

A combination of one person is *right* when face and voice come from different source videos; a person who has only one source
counts with that one (a stratum of its own). The other combinations of one person are left out: neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onscreen.matching.data import PairSet

BLOCK = 4_000_000  # scores held at once; 16 MB as float32


@dataclass(frozen=True)
class Items:
    """vectors: (N, D) float32, L2 = 1. person, source: (N,) int64, numbers below the counts of people and sources."""

    vectors: np.ndarray
    person: np.ndarray
    source: np.ndarray


@dataclass(frozen=True)
class Trials:
    """All combinations of faces and voices. apart: (P,) bool, people who have a face and a voice of different sources.

    counted: (P,) bool, people whose right combinations count (a stratum); everybody's stay as wrong answers to others.
    """

    faces: Items
    voices: Items
    apart: np.ndarray
    counted: np.ndarray

    @cached_property
    def people(self) -> np.ndarray:
        """Numbers of the people who have both a face and a voice, sorted."""
        return np.intersect1d(self.faces.person, self.voices.person)

    def turned(self) -> Trials:
        """The same combinations with voices asking for faces."""
        return Trials(self.voices, self.faces, self.apart, self.counted)

    def stratum(self, counted: np.ndarray) -> Trials:
        """The same combinations, of which only these people's right ones count."""
        return Trials(self.faces, self.voices, self.apart, self.counted & counted)

    def permuted(self, seed: int) -> Trials:
        """Voices given to people at random (anyone, also the right one): every figure must land on its chance level."""
        order = np.random.default_rng(seed).permutation(len(self.apart))
        voices = Items(self.voices.vectors, order[self.voices.person], self.voices.source)
        return Trials(self.faces, voices, np.zeros_like(self.apart), np.ones_like(self.counted))

    def blocks(self) -> Iterator[Block]:
        """Rows of the table faces x voices, as many as BLOCK allows."""
        rows = max(1, BLOCK // max(1, len(self.voices.person)))
        for start in range(0, len(self.faces.person), rows):
            yield self._block(slice(start, start + rows))

    def _block(self, rows: slice) -> Block:
        person = self.faces.person[rows, None]
        same = person == self.voices.person
        fit = (self.faces.source[rows, None] != self.voices.source) | ~self.apart[person]
        right = same & fit & self.counted[person]
        return Block(rows, self.faces.vectors[rows] @ self.voices.vectors.T, right, ~same)


@dataclass(frozen=True)
class Block:
    """Some rows. scores: (b, G) float32, cosine. right, wrong: (b, G) bool; what is neither is left out."""

    rows: slice
    scores: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


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
