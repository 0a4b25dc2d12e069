"""Which faces are one person: exact distances in blocks, clusters, and ids that stay from run to run.

Two faces of one clip are never joined (cannot-link): they were seen beside each other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from onscreen.errors import ConfigError

Method = Literal["average_link", "connected", "greedy"]
Name = TypeVar("Name", int, str)

THRESHOLDS: dict[str, tuple[float, ...]] = {"Dlib": (0.070, 0.065, 0.057, 0.052, 0.049)}
"""Cosine distance below which two faces are one person, by embedder and frames pooled (1, 2, ...; the last for more).

Dlib: benchmarks/dedupe_threshold.py, on means of that many photos of one person, 15 people of LFW10 and johns: the middle
between the distance that 1 in 100 pairs of one person exceeds and the one that 1 in 100 pairs of two people stays below. For
one photo that would be 0.098; DeepFace's published 0.07 stands instead, because a set has far more pairs of two people than of one.
"""

_BLOCK = 2048  # faces a block: 16 MB of distances


def auto_threshold(embedder: str, frames: int) -> float:
    """The calibrated threshold of an embedder for the mean of that many frames (1 or more).

    frames: as the faces were meant to be made (faces.frames_per_clip), never as many as one of them happens to pool. A face that
    pools fewer is held to the same threshold, which is the stricter one: it may stay alone, it is not joined wrongly.
    Raises ConfigError for an embedder without a table.
    """
    if embedder not in THRESHOLDS:
        raise ConfigError(f"dedupe.threshold = auto: {embedder} has no calibrated threshold; give a number")
    table = THRESHOLDS[embedder]
    return table[min(frames, len(table)) - 1]


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


@dataclass(frozen=True)
class Merge:
    """Faces that the ledger knows as different people stand in one cluster. identity_ids: theirs."""

    identity_ids: tuple[str, ...]
    keys: tuple[str, ...]


def name_clusters(
    labels: np.ndarray, keys: Sequence[str], clips: Sequence[str], embeddings: np.ndarray, known: Mapping[str, str]
) -> tuple[list[str], list[Merge]]:
    """An identity_id for every face, the same from run to run where the ledger knows the person.

    known: face key -> identity_id of the ledger. A known face keeps its own. A new face takes that of the nearest known face of
    its cluster; a cluster without one is named after the smallest key in it. Known ids are never renamed: where two stand in one
    cluster, both stay and a Merge tells it. A new face whose person the ledger would put twice into one clip gets an id of its own.
    """
    names = [known.get(key, "") for key in keys]
    merges = []
    for members in together(labels.tolist()).values():
        old = sorted((face for face in members if keys[face] in known), key=lambda face: keys[face])
        new = [face for face in members if keys[face] not in known]
        if old:
            nearest = (embeddings[new] @ embeddings[old].T).argmax(1)  # the first of equals, which has the smallest key
            given = [names[old[other]] for other in nearest.tolist()]
        else:
            given = [_fresh_id(min(keys[face] for face in members))] * len(new)
        for face, name in zip(new, given, strict=True):
            names[face] = name
        ids = tuple(sorted({names[face] for face in old}))
        if len(ids) > 1:
            merges.append(Merge(ids, tuple(sorted(keys[face] for face in members))))
    return _apart_in_clips(names, keys, clips, known), merges


def together(names: Sequence[Name]) -> dict[Name, list[int]]:
    """The indices of each name, in their order; names in the order of their first."""
    people: dict[Name, list[int]] = defaultdict(list)
    for face, name in enumerate(names):
        people[name].append(face)
    return dict(people)


def strays(
    names: Sequence[str], keys: Sequence[str], embeddings: np.ndarray, known: Mapping[str, str], limit: float
) -> list[tuple[int, float]]:
    """Known faces that look like no other known face of their identity: (index, cosine distance to the nearest of them).

    names: identity_id of every face. limit: cosine distance above which a face is one. A face that is alone is none.
    """
    old = [face for face, key in enumerate(keys) if key in known]
    found = []
    for group in together([names[face] for face in old]).values():
        members = np.array([old[face] for face in group])
        distances = 1 - embeddings[members] @ embeddings[members].T
        np.fill_diagonal(distances, np.inf)
        nearest = distances.min(1)
        found += [(int(members[face]), float(nearest[face])) for face in np.flatnonzero((nearest > limit) & (nearest < np.inf))]
    return sorted(found)


def _apart_in_clips(names: list[str], keys: Sequence[str], clips: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Two clusters may carry one ledger id; their new faces of one clip are still two people."""
    names = list(names)
    taken: set[tuple[str, str]] = set()
    for face in sorted(range(len(keys)), key=lambda face: (keys[face] not in known, keys[face])):
        if (names[face], clips[face]) in taken and keys[face] not in known:
            names[face] = _fresh_id(keys[face])
        taken.add((names[face], clips[face]))
    return names


def _fresh_id(key: str) -> str:
    return "id_" + hashlib.sha256(key.encode()).hexdigest()[:12]


def representative(embeddings: np.ndarray, quality: np.ndarray) -> int:
    """Index of the face that stands for a person: the quality-weighted medoid.

    embeddings: (N, D) float32, L2 = 1, of one person. quality: (N,) in [0, 1]. It has the smallest sum of distances to the
    others, each counted by its quality, divided by its own quality; so of two faces it is the better one.
    """
    weight = np.maximum(quality.astype(np.float64), 1e-9)
    distances = np.maximum(1 - embeddings.astype(np.float64) @ embeddings.T.astype(np.float64), 0)
    np.fill_diagonal(distances, 0)
    cost = distances @ weight / weight
    return int(np.lexsort((np.arange(len(cost)), -weight, cost))[0])
