"""How clear the border between people is: the margin around the threshold, and the pairs of faces that lie near it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onscreen.faces.clustering import close_pairs

_BLOCK = 2048  # faces a block: 16 MB of distances


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One pair of faces for every two people, and for every one, that have a pair at a distance within the band.

    embeddings: (N, D) float32, L2 = 1. people, clips: (N,) int64. band: least and largest cosine distance.
    Between two people the closest such pair, inside one the farthest. Left out is what needs no look: faces of one clip, who were
    seen beside each other, and pairs that a person has decided. decided: (N,) int64 twice: faces that were called one person share
    a number of the first; of two people whose numbers of the second differ it was said that they are two.
    Returns i (P,), j (P,) int64 and distance (P,) float32.
    """
    i, j, distance = close_pairs(embeddings, band[1])
    one, two = decided
    same = people[i] == people[j]
    open_ = np.where(same, one[i] != one[j], two[i] == two[j])
    kept = np.flatnonzero((distance >= band[0]) & (clips[i] != clips[j]) & open_)
    i, j, distance, same = i[kept], j[kept], distance[kept], same[kept]
    low, high = np.minimum(people[i], people[j]), np.maximum(people[i], people[j])
    order = np.lexsort((j, i, np.where(same, -distance, distance), high, low))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    chosen = order[first]
    return i[chosen], j[chosen], distance[chosen]
