"""Which of a person's faces and voices go together: those of different sources, and of many only some of all combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

MOST_OTHERS = 8  # of the more numerous kind, faces or voices, each item is paired with so many of the other at most

T = TypeVar("T")


def combinations(faces: Sequence[T], voices: Sequence[T], source: Callable[[T], str]) -> list[tuple[T, T]]:
    """Pairs of one person's faces and voices: of different sources, or all of one source where there are no others.

    Of a person with many of both, every item that has a partner is in some pair, and each of the more numerous kind in MOST_OTHERS,
    spread over all of the other kind (in more only where one of these had no partner else). The same for the same input.
    """
    if len(faces) < len(voices):
        return [(face, voice) for voice, face in combinations(voices, faces, source)]
    of_face, of_voice = [source(face) for face in faces], [source(voice) for voice in voices]
    apart = len({*of_face, *of_voice}) > 1
    return [(faces[face], voices[voice]) for face, voice in _some(of_face, of_voice, apart)]


def _some(many: Sequence[str], few: Sequence[str], apart: bool) -> Iterator[tuple[int, int]]:
    """Indexes of pairs. many, few: sources. apart: only pairs of different ones."""
    met = set[int]()
    for at, source in enumerate(many):
        fitting = (other for other in _spread(at, len(few)) if not (apart and few[other] == source))
        for other in islice(fitting, MOST_OTHERS):
            met.add(other)
            yield at, other
    for other in range(len(few)):  # whose own turns all fell on its own source
        partner = next((at for at, source in enumerate(many) if source != few[other]), None) if other not in met else None
        if partner is not None:
            yield partner, other


def _spread(start: int, size: int) -> Iterator[int]:
    """All numbers below size, once each: from start in MOST_OTHERS equal strides, then between these."""
    stride = -(-size // MOST_OTHERS)
    for first in range(stride):
        for place in range(first, size, stride):
            yield (start + place) % size
