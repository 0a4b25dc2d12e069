"""Which faces are one person, by their distances.

Two faces of one clip are never joined (cannot-link): they were seen beside each other.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from onscreen.faces.linking import Clusters, link
from onscreen.faces.neighbours import Graph, Pairs, bad_embeddings, checked, close_pairs, graph, within

__all__ = ["Method", "average_link", "bad_embeddings", "close_pairs", "cluster", "clusters_at"]

Method = Literal["average_link", "connected", "greedy"]

_BLOCK = 512  # faces that greedy looks at together
_LEADERS = 2048  # leaders that they are compared with together
_PAIRS = 1 << 14  # pairs that connected takes together


def cluster(embeddings: np.ndarray, clips: Sequence[str], threshold: float, method: Method) -> np.ndarray:
    """Number the people among faces. Faces of one clip are never one person.

    embeddings: (N, D) float32, L2 = 1. clips: N names. threshold: cosine distance in [0, 2].
    Returns labels (N,) int64; equal labels are one person, numbered by the first face. The order of faces changes nothing else,
    except for greedy. Memory beyond the embeddings: about as much again, however many faces are close; connected alone holds the pairs
    of components that have two faces of one clip, because it must take these by distance.
    average_link: joins the two nearest clusters while the mean of their distances is within the threshold. connected: any chain
    of close pairs. greedy: a face joins the first earlier one that leads a cluster and is close (the guide's rule).
    Raises CorruptTable for embeddings that are of no use (bad_embeddings), ConfigError for a threshold outside [0, 2] and for more
    pairs than can be held.
    """
    return clusters_at(embeddings, clips, [threshold], method)[0]


def clusters_at(embeddings: np.ndarray, clips: Sequence[str], thresholds: Sequence[float], method: Method) -> list[np.ndarray]:
    """What cluster() gives at each of the thresholds, of which there is one at least; close pairs are looked for once for all of them."""
    widest = max(thresholds)
    embeddings = checked(embeddings, widest)
    names = np.asarray(clips, dtype=str)
    clip = np.unique(names, return_inverse=True)[1] if len(names) else np.empty(0, np.int64)
    if method == "greedy":
        return [_greedy(embeddings, clip, threshold) for threshold in thresholds]
    node, nodes = _nodes(embeddings, clip)
    found = graph(nodes.means, widest)
    owners = [_owners(nodes, found, threshold, method) for threshold in thresholds]
    return [_first_seen(owner[node]) for owner in owners]


def _owners(nodes: Clusters, widest: Graph, threshold: float, method: Method) -> np.ndarray:
    """The cluster of each node. widest: their close pairs, at this threshold or a larger one."""
    if method == "average_link":
        return link(nodes.copy(), widest.narrowed(threshold), threshold)
    crowded = bool(widest.crowded.any())  # their pairs are not held
    return _linked(nodes, graph(nodes.means, threshold) if crowded else widest.narrowed(threshold), threshold)


def _nodes(embeddings: np.ndarray, clip: np.ndarray) -> tuple[np.ndarray, Clusters]:
    """Faces of equal vectors as one node, or as few as their clips allow; in an order that depends on vectors and clips alone.

    Equal vectors are at distance 0 and join before all others. Sorting is what makes results, rounding included, the same for any
    order of faces. Returns (N,) the node of each face, and the nodes.
    """
    vector = _rank(embeddings)
    order = np.lexsort((clip, vector))
    again = np.zeros(len(clip), np.int64)  # how many faces of this vector and clip came before
    again[order] = _run_positions(vector[order], clip[order])
    _, first, node, sizes = np.unique(
        vector * (again.max(initial=0) + 1) + again, return_index=True, return_inverse=True, return_counts=True
    )
    return node, Clusters(embeddings[first], sizes, _contested(node, clip))


def _rank(embeddings: np.ndarray) -> np.ndarray:
    """(N,) int64: equal numbers are equal vectors; ordered by their bytes."""
    if not len(embeddings):
        return np.empty(0, np.int64)
    rows = embeddings.view(np.dtype((np.void, embeddings.strides[0]))).ravel()
    return np.unique(rows, return_inverse=True)[1].astype(np.int64)


def _run_positions(*keys: np.ndarray) -> np.ndarray:
    """Position of each element within its run of equal keys."""
    place = np.arange(len(keys[0]))
    starts = np.ones(len(place), bool)
    starts[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return place - np.maximum.accumulate(np.where(starts, place, 0))


def _contested(node: np.ndarray, clip: np.ndarray) -> csr_array:
    """(nodes, clips) which node has a face of which clip; of clips with two faces or more, for others keep nothing apart."""
    several = np.flatnonzero(np.bincount(clip, minlength=1)[clip] > 1)
    ones = np.ones(len(several), np.int32)
    shape = (int(node.max(initial=-1)) + 1, int(clip.max(initial=-1)) + 1)
    return csr_array((ones, (node[several], clip[several])), shape=shape)


def average_link(distances: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    """Average-link clusters by a matrix of distances of any kind, for a few hundred items; cluster() holds none.

    distances: (M, M), symmetric. groups: (M,), members of one group are kept apart.

    Returns (M,) int64, the index of each one's cluster's first member.
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


def _linked(clusters: Clusters, found: Graph, threshold: float) -> np.ndarray:
    """The components; those in which a clip has two faces are joined pair by pair."""
    owner = found.label.astype(np.int64)
    if not clusters.clips.nnz:
        return owner
    of_component = csr_array((np.ones(len(owner), np.int32), (found.label, np.arange(len(owner))))) @ clusters.clips
    torn = of_component.nonzero()[0][of_component.data > 1]
    members = np.flatnonzero(np.isin(found.label, torn))
    i, j, distance = close_pairs(clusters.means[members], threshold)
    owner[members] = len(owner) + _nearest_first(i, j, distance, clusters.clips[members])
    return owner


def _nearest_first(i: np.ndarray, j: np.ndarray, distance: np.ndarray, clips: csr_array) -> np.ndarray:
    """Join along pairs, nearest first, leaving out a pair whose clusters hold faces of one clip."""
    owner = np.arange(clips.shape[0])
    members = [[node] for node in range(len(owner))]
    held = [set(clips.indices[a:b].tolist()) for a, b in itertools.pairwise(clips.indptr)]
    order = np.argsort(distance, kind="stable")
    for start in range(0, len(order), _PAIRS):
        part = order[start : start + _PAIRS]
        between = owner[i[part]] * len(owner) + owner[j[part]]  # what was joined or left apart once is so ever after
        for pair in part[np.sort(np.unique(between, return_index=True)[1])]:
            a, b = sorted((int(owner[i[pair]]), int(owner[j[pair]])))
            if a != b and held[a].isdisjoint(held[b]):
                owner[members[b]] = a
                members[a] += members[b]
                held[a] |= held[b]
    return owner


def _greedy(embeddings: np.ndarray, clip: np.ndarray, threshold: float) -> np.ndarray:
    """Each face in order joins the first leader that is close and has no face of its clip, or leads from now on. (N,) its leader."""
    owner = np.full(len(embeddings), -1)
    shared = np.bincount(clip, minlength=1)[clip] > 1
    taken = defaultdict[int, set[int]](set)  # clip -> leaders that have a face of it
    leaders = list[int]()
    for start in range(0, len(embeddings), _BLOCK):
        faces = np.arange(start, min(start + _BLOCK, len(embeddings)))
        for first in range(0, len(leaders), _LEADERS):
            some = np.array(leaders[first : first + _LEADERS])
            waiting = faces[owner[faces] < 0]
            face, leader, _ = within(embeddings[waiting], embeddings[some], threshold)
            _join_first(owner, waiting[face], some[leader], clip, shared, taken)
        waiting = faces[owner[faces] < 0]
        leaders += _lead(owner, waiting, within(embeddings[waiting], embeddings[waiting], threshold), clip, taken)
    return owner


def _join_first(
    owner: np.ndarray, faces: np.ndarray, leaders: np.ndarray, clip: np.ndarray, shared: np.ndarray, taken: dict[int, set[int]]
) -> None:
    """Join faces to leaders, both (P,) of close pairs by face and then leader."""
    starts = np.flatnonzero(np.diff(faces, prepend=-1))
    owner[faces[starts]] = leaders[starts]
    for start, end in itertools.pairwise([*starts.tolist(), len(faces)]):
        face, own = int(faces[start]), int(clip[faces[start]])
        if shared[face]:
            allowed = (leader for leader in leaders[start:end].tolist() if leader not in taken[own])
            owner[face] = next(allowed, -1)
            if owner[face] >= 0:
                taken[own].add(int(owner[face]))


def _lead(owner: np.ndarray, faces: np.ndarray, pairs: Pairs, clip: np.ndarray, taken: dict[int, set[int]]) -> list[int]:
    """Let faces that no earlier leader takes join each other, in order. pairs: places in `faces`. Returns those that lead."""
    row, column, _ = pairs
    starts = np.searchsorted(row, np.arange(len(faces) + 1))
    leaders = list[int]()
    for place, face in enumerate(faces.tolist()):
        own = taken[int(clip[face])]
        earlier = faces[column[starts[place] : starts[place + 1]]].tolist()
        owner[face] = next((other for other in earlier if other < face and owner[other] == other and other not in own), face)
        own.add(int(owner[face]))
        if owner[face] == face:
            leaders.append(face)
    return leaders


def _first_seen(labels: np.ndarray) -> np.ndarray:
    """The same clusters, each named by the index of its first member."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)
