"""The batches of an epoch: who is in them, drawn from (seed, epoch) alone, and their items, read ahead by threads.

What a batch holds never depends on how many threads read or how many processes share it: all that is random about a pair
comes from (seed, epoch, its position in the epoch).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from onscreen.matching.data import Batch, PairSet, collate, crop
from onscreen.matching.distributed import ALONE, Share

VALIDATION_ROUNDS = 8  # pairs a person gives to the validation loss at most
AHEAD = 2  # batches a thread reads before they are asked for
MIDDLE = 0.5
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Draw:
    """One batch before it is read, arrays (B,): person, face, voice int64; where: of a window, 0 (start) to 1 (end).

    position: of each pair in its epoch, from which its augmentation is drawn; None where nothing is augmented.
    """

    person: np.ndarray
    face: np.ndarray
    voice: np.ndarray
    where: np.ndarray
    position: np.ndarray | None

    def part(self, rows: np.ndarray) -> Draw:
        """Some rows of it."""
        position = None if self.position is None else self.position[rows]
        return Draw(self.person[rows], self.face[rows], self.voice[rows], self.where[rows], position)


def training_draws(pairs: PairSet, batch_size: int, seed: int, epoch: int) -> list[Draw]:
    """One epoch: every person once, with one of their pairs and a window at a random place.

    All people of a batch are different. Batches are of almost equal size; one left with a single person, who would have no
    negative, is dropped (another one in the next epoch).
    """
    random = np.random.default_rng([seed, epoch])  # the order of people, and which of their pairs; no value of an item
    table = pairs.table
    order = random.permutation(len(table.count))
    link = (table.start + random.integers(0, table.count))[order]
    where = random.random(len(order))
    epoch_draw = Draw(table.person[link], table.face[link], table.voice[link], where, np.arange(len(order)))
    return [epoch_draw.part(rows) for rows in _groups(len(order), batch_size) if len(rows) > 1]


def validation_draws(pairs: PairSet, batch_size: int) -> list[Draw]:
    """The same batches every time: round r holds the r-th pair of each person (from the first again where they are used up)."""
    table = pairs.table
    where = np.full(len(table.count), MIDDLE)
    draws = []
    for number in range(min(VALIDATION_ROUNDS, table.count.max(initial=0))):
        link = table.start + number % table.count
        of_round = Draw(table.person[link], table.face[link], table.voice[link], where, None)
        draws += [of_round.part(rows) for rows in _groups(len(link), batch_size) if len(rows) > 1]
    return draws


def batches_per_epoch(people: int, batch_size: int) -> int:
    """Batches that training_draws gives."""
    return sum(len(rows) > 1 for rows in _groups(people, batch_size))


def _groups(people: int, batch_size: int) -> list[np.ndarray]:
    """Positions in parts of almost equal size, none above batch_size."""
    return np.array_split(np.arange(people), max(1, -(-people // batch_size)))


class Side(Protocol):
    """Faces or voices that batches are made of."""

    def take(self, index: np.ndarray, where: np.ndarray, random: Sequence[np.random.Generator] | None) -> tuple[Tensor, Tensor]:
        """Items and lengths as collate gives them. index, where: (B,). random: a generator an item, or nothing is augmented."""


class Stacked:
    """Vectors, one or several (windows) an item, in one tensor on the device: a batch is an index into it."""

    def __init__(self, items: Sequence[np.ndarray], device: torch.device) -> None:
        windows = [item[None] if item.ndim == 1 else item.T for item in items]
        self._count = np.array([len(rows) for rows in windows], np.int64)
        self._start = np.cumsum(self._count) - self._count
        rows = np.concatenate(windows).astype(np.float32, copy=False) if windows else np.zeros((0, 1), np.float32)
        self._rows = torch.from_numpy(rows)[:, :, None].to(device)
        self._length = torch.ones(1, dtype=torch.int64, device=device)
        self._several = bool((self._count != 1).any())

    def take(self, index: np.ndarray, where: np.ndarray, random: Sequence[np.random.Generator] | None) -> tuple[Tensor, Tensor]:
        """See Side; vectors are not augmented."""
        rows = self._start[index] + np.rint(where * (self._count[index] - 1)).astype(np.int64) if self._several else index
        taken = self._rows.index_select(0, torch.from_numpy(rows).to(self._rows.device))
        return taken, self._length.expand(len(rows))


@dataclass(frozen=True)
class Read:
    """Items that are read one by one. frames: of a stretch that is cut out of longer ones; None cuts nothing. augment: or None."""

    items: Sequence[np.ndarray]
    frames: int | None
    augment: Augment | None

    def take(self, index: np.ndarray, where: np.ndarray, random: Sequence[np.random.Generator] | None) -> tuple[Tensor, Tensor]:
        """See Side."""
        items = [self.items[at] for at in index]
        if self.frames is not None:
            items = [crop(item, self.frames, float(place)) for item, place in zip(items, where, strict=True)]
        if random is not None and self.augment is not None:
            items = [self.augment(item, one) for item, one in zip(items, random, strict=True)]
        return collate(items)


@dataclass(frozen=True)
class Loader:
    """Makes batches. seed: of augmentation. share: which rows of a batch this process reads. workers: threads, 0 = none."""

    faces: Side
    voices: Side
    seed: int
    share: Share = ALONE
    workers: int = 0

    def batches(self, draws: Sequence[Draw], epoch: int = 0) -> Iterator[Batch]:
        """The batches of these draws, in their order."""
        if not self.workers or (isinstance(self.faces, Stacked) and isinstance(self.voices, Stacked)):
            yield from (self._batch(draw, epoch) for draw in draws)
            return
        todo = iter(draws)
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque[Future[Batch]] = deque()
            try:
                for draw in islice(todo, AHEAD * self.workers):
                    waiting.append(pool.submit(self._batch, draw, epoch))
                while waiting:
                    made = waiting.popleft().result()
                    for draw in islice(todo, 1):
                        waiting.append(pool.submit(self._batch, draw, epoch))
                    yield made
            finally:
                pool.shutdown(cancel_futures=True)

    def _batch(self, draw: Draw, epoch: int) -> Batch:
        own = draw if self.share.processes == 1 else draw.part(self.share.rows(len(draw.person)))
        faces = self.faces.take(own.face, np.full(len(own.face), MIDDLE), self._random(own, epoch, 0))
        voices = self.voices.take(own.voice, own.where, self._random(own, epoch, 1))
        pairs = len(draw.person)
        person = None if len(set(draw.person.tolist())) == pairs else torch.from_numpy(draw.person)
        return Batch(*faces, *voices, pairs, person)

    def _random(self, own: Draw, epoch: int, side: int) -> list[np.random.Generator] | None:
        """A generator of its own for each item: what it draws depends on nothing that other items draw."""
        items = (self.faces, self.voices)[side]
        if own.position is None or not isinstance(items, Read) or items.augment is None:
            return None
        # for the changes of training items (augment.py), never for what is scored
        return [np.random.default_rng([self.seed, epoch, 1 + int(position), 1 + side]) for position in own.position]
