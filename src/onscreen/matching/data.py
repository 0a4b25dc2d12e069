"""Faces and voices of people as arrays, which of them belong together, and how some of them become one batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Link:
    """One pair: indexes into people, faces and voices. same_source: both come from one source video."""

    person: int
    face: int
    voice: int
    same_source: bool


@dataclass(frozen=True)
class PairSet:
    """Pairs of faces and voices of some people.

    people: identity ids. faces, voices: items, each (inputs,) or (inputs, frames) float32, or a picture (3, H, W) uint8.
    links: which belong together.
    face_source, voice_source: what each item was taken from (sha256 of the video); items of one source share its accidents.
    face_digest, voice_digest: what tells each item's bytes without reading it; empty where nothing does.
    face_name, voice_name: what each item is called in its tables; empty where it has no name.
    """

    people: tuple[str, ...]
    faces: Sequence[np.ndarray]
    voices: Sequence[np.ndarray]
    links: tuple[Link, ...]
    face_source: tuple[str, ...]
    voice_source: tuple[str, ...]
    face_digest: tuple[str, ...] = ()
    voice_digest: tuple[str, ...] = ()
    face_name: tuple[str, ...] = ()
    voice_name: tuple[str, ...] = ()

    @cached_property
    def by_person(self) -> tuple[tuple[Link, ...], ...]:
        """The links of every person who has one, in the order of people."""
        groups: dict[int, list[Link]] = {}
        for link in self.links:
            groups.setdefault(link.person, []).append(link)
        return tuple(tuple(groups[person]) for person in sorted(groups))

    @cached_property
    def face_person(self) -> np.ndarray:
        """(faces,) int64: whose each is, -1 without a link."""
        return self._person_of(self.table.face, len(self.faces))

    @cached_property
    def voice_person(self) -> np.ndarray:
        """(voices,) int64: whose each is, -1 without a link."""
        return self._person_of(self.table.voice, len(self.voices))

    def _person_of(self, item: np.ndarray, count: int) -> np.ndarray:
        person = np.full(count, -1)
        person[item] = self.table.person
        return person

    @cached_property
    def table(self) -> LinkTable:
        """The links as arrays, those of a person side by side."""
        groups = self.by_person
        rows = np.array([(link.person, link.face, link.voice) for links in groups for link in links], np.int64).reshape(-1, 3)
        count = np.array([len(links) for links in groups], np.int64)
        return LinkTable(rows[:, 0], rows[:, 1], rows[:, 2], np.cumsum(count) - count, count)

    @cached_property
    def digest(self) -> str:
        """sha256 over the people, the links and every item: what tells its bytes, or the bytes themselves."""
        sums = hashlib.sha256(repr((self.people, self.links)).encode())
        for items, known in ((self.faces, self.face_digest), (self.voices, self.voice_digest)):
            for digest in known or map(_digest, items):
                sums.update(digest.encode())
        return sums.hexdigest()

    @cached_property
    def test_set_sha256(self) -> str:
        """sha256 over who and what is compared: sorted person, face, voice of every link, with the sources of both.

        Equal only for equal people, items and sources, whatever model takes them in: then figures can be compared.
        """
        face, voice = self.face_name or self.face_source, self.voice_name or self.voice_source
        rows = sorted(
            (
                self.people[link.person],
                face[link.face],
                voice[link.voice],
                self.face_source[link.face],
                self.voice_source[link.voice],
            )
            for link in self.links
        )
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def _digest(item: np.ndarray) -> str:
    sums = hashlib.sha256(f"{item.dtype}{item.shape}".encode())
    sums.update(np.ascontiguousarray(item).tobytes())
    return sums.hexdigest()


@dataclass(frozen=True)
class LinkTable:
    """person, face, voice: (L,) int64 of each link. start, count: (P,) int64, where a person's links begin and how many there are."""

    person: np.ndarray
    face: np.ndarray
    voice: np.ndarray
    start: np.ndarray
    count: np.ndarray


class Chosen(Sequence[np.ndarray]):
    """Some items of a sequence, in this order; read when they are asked for, as the sequence itself may do."""

    def __init__(self, items: Sequence[np.ndarray], at: Sequence[int]) -> None:
        self._items, self._at = items, at

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Chosen: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Chosen:
        return Chosen(self._items, self._at[index]) if isinstance(index, slice) else self._items[self._at[index]]


def of_people(pairs: PairSet, wanted: Callable[[str], bool]) -> PairSet:
    """The pairs of these people, numbered anew: nobody and nothing without a link stays in the lists.

    wanted: whether an identity id is one of them.
    """
    links = [link for link in pairs.links if wanted(pairs.people[link.person])]
    people, faces, voices = (
        {old: new for new, old in enumerate(sorted(used))}
        for used in ({link.person for link in links}, {link.face for link in links}, {link.voice for link in links})
    )
    return PairSet(
        people=tuple(pairs.people[old] for old in people),
        faces=Chosen(pairs.faces, list(faces)),
        voices=Chosen(pairs.voices, list(voices)),
        links=tuple(Link(people[link.person], faces[link.face], voices[link.voice], link.same_source) for link in links),
        face_source=tuple(pairs.face_source[old] for old in faces),
        voice_source=tuple(pairs.voice_source[old] for old in voices),
        face_name=tuple(pairs.face_name[old] for old in faces) if pairs.face_name else (),
        voice_name=tuple(pairs.voice_name[old] for old in voices) if pairs.voice_name else (),
    )


@dataclass(frozen=True)
class Batch:
    """faces, voices: of the pairs of one process, as collate gives them, with how far each is real.

    pairs: how many all processes have. person: (pairs,) int64; None where all differ.
    """

    faces: Tensor
    face_lengths: Tensor
    voices: Tensor
    voice_lengths: Tensor
    pairs: int
    person: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        if device.type == "cpu":
            return self
        faces, voices = (
            (self.faces.to(device), self.face_lengths.to(device)),
            (self.voices.to(device), self.voice_lengths.to(device)),
        )
        return Batch(*faces, *voices, self.pairs, None if self.person is None else self.person.to(device))


def collate(items: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Items as one tensor, and lengths (B,) int64.

    Vectors (an item of one frame) and (inputs, frames) become (B, inputs, T) float32, shorter ones filled up to the longest.
    Pictures (C, H, W) of one size become (B, C, H, W) of their own dtype; their lengths are W.
    """
    if items[0].ndim == 3:
        return torch.from_numpy(np.stack(items)), torch.tensor([item.shape[2] for item in items])
    framed = [item[:, None] if item.ndim == 1 else item for item in items]
    lengths = torch.tensor([item.shape[1] for item in framed])
    stacked = torch.zeros(len(framed), framed[0].shape[0], int(lengths.max()))
    for row, item in zip(stacked, framed, strict=True):
        row[:, : item.shape[1]] = torch.tensor(np.asarray(item, np.float32))
    return stacked, lengths


def crop(item: np.ndarray, frames: int, where: float) -> np.ndarray:
    """A stretch of a spectrogram: `frames` long, `where` from its start (0) to its end (1). Vectors and short items as they are."""
    if item.ndim == 1 or item.shape[1] <= frames:
        return item
    start = round(where * (item.shape[1] - frames))
    return item[:, start : start + frames]
