"""How clear the border between people is: the margin around the threshold, and the pairs of faces that lie near it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.faces.neighbours import Pairs, no_pairs, pair_blocks

_BLOCK = 2048  # faces a block: 16 MB of distances
_HELD = 1 << 20  # pairs held before they are thinned


def margin(embeddings: np.ndarray, people: np.ndarray) -> tuple[float | None, float | None]:
    """The largest distance inside a person and the smallest between two; None where there is no such pair. Exact, in blocks.

    embeddings: (N, D) float32, L2 = 1. people: (N,) int64. Costs N * N / 2 distances.
    """
    inside, across = -1.0, np.inf
    for distance, same in _blocks(embeddings, people):
        inside = max(inside, float(distance[same].max(initial=-1.0)))
        across = min(across, float(distance[~same].min(initial=np.inf)))
    return (None if inside < 0 else inside), (None if np.isinf(across) else across)


def _blocks(embeddings: np.ndarray, people: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Distances of all pairs i < j and whether both are one person, a block at a time, each (P,)."""
    for first in range(0, len(embeddings), _BLOCK):
        rows = slice(first, first + _BLOCK)
        for second in range(first, len(embeddings), _BLOCK):
            columns = slice(second, second + _BLOCK)
            distance = np.maximum(1 - embeddings[rows] @ embeddings[columns].T, 0)
            same = people[rows, None] == people[None, columns]
            upper = np.triu_indices(len(distance), 1) if first == second else (slice(None), slice(None))
            yield distance[upper].ravel(), same[upper].ravel()


def border_pairs(
    embeddings: np.ndarray,
    people: np.ndarray,
    clips: np.ndarray,
    decided: tuple[np.ndarray, np.ndarray],
    band: tuple[float, float],
    most: int,
) -> Pairs | None:
    """One pair of faces for every two people, and for every one, that have a pair at a distance within the band.

    embeddings: (N, D) float32, L2 = 1. people, clips: (N,) int64. band: least and largest cosine distance.
    Between two people the closest such pair, inside one the farthest. Left out is what needs no look: faces of one clip, who were
    seen beside each other, and pairs that a person has decided. decided: (N,) int64 twice: faces that were called one person share
    a number of the first; of two people whose numbers of the second differ it was said that they are two.
    Returns i (P,), j (P,) int32 and distance (P,) float32; None as soon as there are more than `most`, because single photos of many
    people have pairs in a wide band by the hundred million. Holds one pair for every two people, never all.
    """
    one, two = decided
    held: list[Pairs] = []
    size, limit = 0, _HELD
    for i, j, distance in pair_blocks(embeddings, band[1]):
        open_ = np.where(people[i] == people[j], one[i] != one[j], two[i] == two[j])
        kept = np.flatnonzero((distance >= band[0]) & (clips[i] != clips[j]) & open_)
        held.append(_one_each((i[kept], j[kept], distance[kept]), people))
        size += len(held[-1][0])
        if size > limit:
            held = [_one_each(_joined(held), people)]
            size = len(held[0][0])
            limit = _HELD + 2 * size
            if size > most:
                return None
    found = _one_each(_joined(held), people)
    return found if len(found[0]) <= most else None


def _joined(held: list[Pairs]) -> Pairs:
    i, j, distance = (np.concatenate(part) for part in zip(no_pairs(), *held, strict=True))
    return i, j, distance


def _one_each(pairs: Pairs, people: np.ndarray) -> Pairs:
    """Of the pairs between the same two people the closest, of those inside one the farthest; of equals the first faces."""
    i, j, distance = pairs
    low, high = np.minimum(people[i], people[j]), np.maximum(people[i], people[j])
    order = np.lexsort((j, i, np.where(low == high, -distance, distance), high, low))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    chosen = order[first]
    return i[chosen], j[chosen], distance[chosen]
