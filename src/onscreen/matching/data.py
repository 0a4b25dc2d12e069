"""Faces and voices of people as arrays, and the batches that training takes from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
import torch
from torch import Tensor

VALIDATION_ROUNDS = 8  # pairs a person gives to the validation loss at most


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

    people: identity ids. faces, voices: items, each (inputs,) or (inputs, frames) float32. links: which belong together.
    face_source, voice_source: what each item was taken from (sha256 of the video); items of one source share its accidents.
    """

    people: tuple[str, ...]
    faces: Sequence[np.ndarray]
    voices: Sequence[np.ndarray]
    links: tuple[Link, ...]
    face_source: tuple[str, ...]
    voice_source: tuple[str, ...]

    @cached_property
    def by_person(self) -> tuple[tuple[Link, ...], ...]:
        """The links of every person who has one, in the order of people."""
        groups: dict[int, list[Link]] = {}
        for link in self.links:
            groups.setdefault(link.person, []).append(link)
        return tuple(tuple(groups[person]) for person in sorted(groups))

    @cached_property
    def digest(self) -> str:
        """sha256 over the people, the links and the bytes of every item."""
        sums = hashlib.sha256(repr((self.people, self.links)).encode())
        for item in (*self.faces, *self.voices):
            sums.update(f"{item.dtype}{item.shape}".encode())
            sums.update(np.ascontiguousarray(item).tobytes())
        return sums.hexdigest()


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
    )


@dataclass(frozen=True)
class Batch:
    """faces, voices: (B, inputs, T), shorter items filled up to the longest, and lengths (B,) say how far each is real."""

    faces: Tensor
    face_lengths: Tensor
    voices: Tensor
    voice_lengths: Tensor
    person: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def collate(items: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """(B, inputs, T) float32 and lengths (B,) int64. A vector is an item of one frame."""
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


def training_batches(pairs: PairSet, batch_size: int, frames: int, seed: int, epoch: int) -> Iterator[Batch]:
    """One epoch: every person once, with one of their pairs and a stretch of `frames`, in an order drawn from (seed, epoch).

    All people of a batch are different. Batches are of almost equal size; one left with a single person, who would have no
    negative, is dropped (another one in the next epoch).
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(pairs.by_person))
    chosen = [links[random.integers(len(links))] for links in pairs.by_person]
    where = random.random(len(chosen))
    for group in _groups(order, batch_size):
        if len(group) > 1:
            yield _batch(pairs, [chosen[index] for index in group], frames, [float(where[index]) for index in group])


def steps_per_epoch(people: int, batch_size: int) -> int:
    """Batches that training_batches yields."""
    return sum(len(group) > 1 for group in _groups(np.arange(people), batch_size))


def _groups(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Parts of almost equal size, none above batch_size."""
    return np.array_split(order, -(-len(order) // batch_size))


def validation_batches(pairs: PairSet, batch_size: int, frames: int) -> Iterator[Batch]:
    """The same batches every time: round r holds the r-th pair of each person (from the first again where they are used up)."""
    rounds = min(VALIDATION_ROUNDS, max((len(links) for links in pairs.by_person), default=0))
    for number in range(rounds):
        chosen = [links[number % len(links)] for links in pairs.by_person]
        for group in _groups(np.arange(len(chosen)), batch_size):
            if len(group) > 1:
                yield _batch(pairs, [chosen[index] for index in group], frames, [0.5] * len(group))


def _batch(pairs: PairSet, links: Sequence[Link], frames: int, where: Sequence[float]) -> Batch:
    faces = collate([pairs.faces[link.face] for link in links])
    voices = collate([crop(pairs.voices[link.voice], frames, at) for link, at in zip(links, where, strict=True)])
    return Batch(*faces, *voices, torch.tensor([link.person for link in links]))
