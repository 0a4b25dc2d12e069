"""Which faces are one person: exact distances in blocks, and clusters.

Two faces of one clip are never joined (cannot-link): they were seen beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Method = Literal["average_link", "connected", "greedy"]

_BLOCK = 2048  # faces a block: 16 MB of distances


def close_pairs(embeddings: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs i < j at a cosine distance of at most threshold; exact, in blocks, never an N x N matrix.

    embeddings: (N, D) float32, L2 = 1. Returns i (P,), j (P,) int64 and distance (P,) float32.
    """
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for first in range(0, len(embeddings), _BLOCK):
        for second in range(first, len(embeddings), _BLOCK):
            distance = 1 - embeddings[first : first + _BLOCK] @ embeddings[second : second + _BLOCK].T
            i, j = np.nonzero(distance <= threshold)
            upper = i + first < j + second
            i, j = i[upper], j[upper]
            found.append((i + first, j + second, distance[i, j]))
    empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    i, j, distance = (np.concatenate(part) for part in zip(empty, *found, strict=True))
    return i, j, distance


def cluster(embeddings: np.ndarray, clips: Sequence[str], threshold: float, method: Method) -> np.ndarray:
    """Number the people among faces. Faces of one clip are never one person.

    embeddings: (N, D) float32, L2 = 1, in an order of their own (sorted by key) for results that do not depend on it.
    Returns labels (N,) int64; equal labels are one person, numbered by the first face.
    average_link: joins the two nearest clusters while the mean of their distances is within the threshold. connected: any chain
    of close pairs. greedy: a face joins the first earlier one that leads a cluster and is close (the guide's rule).
    """
    clip = np.unique(np.asarray(clips, dtype=object).astype(str), return_inverse=True)[1] if len(clips) else np.empty(0, np.int64)
    i, j, distance = close_pairs(embeddings, threshold)
    if method == "greedy":
        return _greedy(len(embeddings), clip, i, j)
    if method == "connected":
        return _first_seen(_linked(len(embeddings), clip, i, j, distance))
    labels = np.arange(len(embeddings))
    for members in _components(len(embeddings), i, j):
        distances = 1 - embeddings[members] @ embeddings[members].T
        labels[members] = members[average_link(distances, clip[members], threshold)]
    return _first_seen(labels)


def average_link(distances: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    """Average-link clusters of one component. distances: (M, M); groups: (M,), members of one group are kept apart.

    Returns (M,) the index of each one's cluster's first member.
    """
    count = len(distances)
    mean = distances.astype(np.float64)
    mean[groups[:, None] == groups[None, :]] = np.inf
    size = np.ones(count)
    owner = np.arange(count)
    nearest, best = mean.argmin(1), mean.min(1)
    while best.size and best.min() <= threshold:
        a, b = sorted((int(best.argmin()), int(nearest[best.argmin()])))
        row = (size[a] * mean[a] + size[b] * mean[b]) / (size[a] + size[b])  # infinite where either is kept apart
        mean[a], mean[:, a] = row, row
        mean[b], mean[:, b] = np.inf, np.inf
        mean[a, a] = np.inf
        size[a] += size[b]
        owner[owner == b] = a
        stale = np.flatnonzero(np.isin(nearest, (a, b)) | (row < best))
        nearest[stale], best[stale] = mean[stale].argmin(1), mean[stale].min(1)
        nearest[[a, b]], best[[a, b]] = mean[[a, b]].argmin(1), mean[[a, b]].min(1)
    return owner


def _components(count: int, i: np.ndarray, j: np.ndarray) -> list[np.ndarray]:
    labels = connected_components(coo_array((np.ones(len(i), bool), (i, j)), shape=(count, count)), directed=False)[1]
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _linked(count: int, clip: np.ndarray, i: np.ndarray, j: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Components over close pairs, nearest first, leaving out a pair whose clusters hold faces of one clip."""
    owner = np.arange(count)
    members = {face: [face] for face in range(count)}
    for pair in np.lexsort((j, i, distance)):
        a, b = sorted((int(owner[i[pair]]), int(owner[j[pair]])))
        if a != b and not set(clip[members[a]]) & set(clip[members[b]]):
            members[a] += members.pop(b)
            owner[members[a]] = a
    return owner


def _greedy(count: int, clip: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    owner = np.full(count, -1)
    followers: dict[int, list[int]] = {}
    for first, second in sorted(zip(i.tolist(), j.tolist(), strict=True)):
        followers.setdefault(first, []).append(second)
    for face in range(count):
        if owner[face] >= 0:
            continue
        owner[face] = face
        taken = {int(clip[face])}
        for follower in followers.get(face, []):
            if owner[follower] < 0 and int(clip[follower]) not in taken:
                owner[follower] = face
                taken.add(int(clip[follower]))
    return owner


def _first_seen(labels: np.ndarray) -> np.ndarray:
    """The same clusters, each named by the index of its first member."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)
