"""Counting wrong answers: for every right combination, how many wrong ones score above it. All figures follow from these counts.

Exact, in memory of the right combinations and of a few tiles, whatever the number of wrong ones: a tile is scored, sorted along
its rows, its columns and as a whole, and every right score is looked up in its row, in its column and in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onscreen.matching.trials import Trials


@dataclass(frozen=True)
class Before:
    """Wrong combinations beside each right one. at_or_above, above: (P,) int64, those that score as much or more, and more."""

    at_or_above: np.ndarray
    above: np.ndarray

    def only(self, kept: np.ndarray) -> Before:
        """Of some right combinations."""
        return Before(self.at_or_above[kept], self.above[kept])


@dataclass(frozen=True)
class Counts:
    """All right combinations, sorted by face, and what stands before each.

    face, voice: (P,) int64, indexes into the trials' items. person: (P,) int64, whose they are. score: (P,) float32.
    for_face: among wrong voices for its face; for_voice: among wrong faces for its voice; overall: among all wrong combinations.
    wrong_voices, wrong_faces: (F,), (V,) int64, how many wrong answers each face and voice has. negatives: all wrong combinations.
    reached: (L,) int64, wrong combinations at or above each of the levels that were asked for.
    """

    face: np.ndarray
    voice: np.ndarray
    person: np.ndarray
    score: np.ndarray
    for_face: Before
    for_voice: Before
    overall: Before
    wrong_voices: np.ndarray
    wrong_faces: np.ndarray
    negatives: int
    reached: np.ndarray

    def turned(self) -> Counts:
        """The same with voices asking for faces."""
        swapped = replace(
            self,
            face=self.voice,
            voice=self.face,
            for_face=self.for_voice,
            for_voice=self.for_face,
            wrong_voices=self.wrong_faces,
            wrong_faces=self.wrong_voices,
        )
        return swapped._taken(np.argsort(swapped.face, kind="stable"))

    def of_people(self, counted: np.ndarray) -> Counts:
        """Only these people's right combinations. counted: (people,) bool."""
        return self._taken(np.flatnonzero(counted[self.person]))

    def _taken(self, kept: np.ndarray) -> Counts:
        rows = {name: getattr(self, name)[kept] for name in ("face", "voice", "person", "score")}
        before = {name: getattr(self, name).only(kept) for name in ("for_face", "for_voice", "overall")}
        return replace(self, **rows, **before)


def counts_of(trials: Trials, levels: Sequence[float] = ()) -> Counts:
    """Count in all combinations of the trials. levels: scores at which `reached` is counted."""
    face, voice, score = _right(trials)
    by_face, by_voice = _Places(score, face, len(trials.faces.person)), _Places(score, voice, len(trials.voices.person))
    overall = _Places(score, np.argsort(np.argsort(score, kind="stable")), 0)
    marks, reached = _least_at(levels), np.zeros(len(levels), np.int64)
    wrong_voices, wrong_faces = np.zeros(len(trials.faces.person), np.int64), np.zeros(len(trials.voices.person), np.int64)
    for tile in trials.tiles():
        wrong = tile.wrong_scores()
        rows, columns = tile.own
        wrong_voices[tile.rows] += wrong.shape[1] - np.bincount(rows, minlength=wrong.shape[0])
        wrong_faces[tile.columns] += wrong.shape[0] - np.bincount(columns, minlength=wrong.shape[1])
        by_voice.look_up_items(tile.columns, np.sort(wrong.T, axis=1))
        wrong.sort(axis=1)
        by_face.look_up_items(tile.rows, wrong)
        every = wrong.ravel()
        every.sort()
        overall.look_up(slice(None), every)
        reached += len(every) - every.searchsorted(marks)
    return Counts(
        face=face,
        voice=voice,
        person=trials.faces.person[face],
        score=score,
        for_face=by_face.before(),
        for_voice=by_voice.before(),
        overall=overall.before(),
        wrong_voices=wrong_voices,
        wrong_faces=wrong_faces,
        negatives=int(wrong_voices.sum()),
        reached=reached,
    )


def _right(trials: Trials) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Face, voice and score of all right combinations, sorted by face. Scored in the same tiles as the wrong ones, so that equal
    embeddings score equal to the last bit: a tie is a tie."""
    faces, voices, scores = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for tile in trials.tiles():
        if tile.right.any():
            rows, columns = (place[tile.right] for place in tile.own)
            faces.append(tile.rows[rows])
            voices.append(tile.columns[columns])
            scores.append(tile.scores()[rows, columns])
    face, voice, score = (np.concatenate(parts) for parts in (faces, voices, scores))
    order = np.lexsort((voice, face))
    return face[order], voice[order], score[order]


def _least_at(levels: Sequence[float]) -> np.ndarray:
    """(L,) float32: the least scores that reach these levels."""
    exact = np.asarray(levels, np.float64)
    rounded = exact.astype(np.float32)
    return np.where(rounded < exact, np.nextafter(rounded, np.float32(np.inf)), rounded)


class _Places:
    """Right scores in the order of their items, and what was found so far beside each."""

    def __init__(self, score: np.ndarray, item: np.ndarray, items: int) -> None:
        self._order = np.argsort(item, kind="stable")
        self._score = score[self._order]
        self._start = np.searchsorted(item[self._order], np.arange(items + 1)).tolist()
        self._at, self._above = np.zeros(len(score), np.int64), np.zeros(len(score), np.int64)

    def look_up(self, place: slice, wrong: np.ndarray) -> None:
        """Count for some right scores. wrong: (n,) sorted upwards."""
        scores = self._score[place]
        self._at[place] += len(wrong) - wrong.searchsorted(scores, side="left")
        self._above[place] += len(wrong) - wrong.searchsorted(scores, side="right")

    def look_up_items(self, items: np.ndarray, wrong: np.ndarray) -> None:
        """Count for the right scores of each of these items. wrong: (items, n), each row sorted upwards."""
        for item, row in zip(items.tolist(), wrong, strict=True):
            first, last = self._start[item], self._start[item + 1]
            if first < last:
                self.look_up(slice(first, last), row)

    def before(self) -> Before:
        """What was found, in the order that the scores were given in."""
        back = np.argsort(self._order, kind="stable")
        return Before(self._at[back], self._above[back])
