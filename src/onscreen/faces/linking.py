"""Average link over cosine distances without a matrix of distances: exact, and as large as the faces themselves.

The mean distance of two clusters is 1 - a . b, with a and b the means of their vectors. Two facts make it cheap. Merging can only bring
clusters nearer to a third than the farther of the two was, never nearer than the nearer one (average link is reducible, also where
some pairs are kept apart), so that all clusters that are each other's nearest may merge at once, and a pair beyond the threshold may
be forgotten. And where two clusters' mean distance is within the threshold so is the distance of one of their pairs of faces.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from onscreen.faces.neighbours import Graph

_CELLS = 1 << 23  # distances held at once when nearest clusters are looked for: 32 MB
_EDGES = 1 << 13  # pairs measured at once: 32 MB of vectors of 512 numbers
_TIE = 3e-7  # float32 distances nearer than this are equal


class Clusters:
    """Clusters by the number of their first node. node: a vector with the clips that show it."""

    def __init__(self, vectors: np.ndarray, sizes: np.ndarray, clips: csr_array) -> None:
        """vectors: (M, D) float32, changed in place. sizes: (M,) faces a node. clips: (M, C) bool, the clips that keep nodes apart."""
        self.means, self.sizes, self.clips = vectors, sizes.astype(np.int64), clips
        self.owner = np.arange(len(vectors))

    def copy(self) -> Clusters:
        """One that can be merged while this one stays."""
        return Clusters(self.means.copy(), self.sizes, self.clips)

    def merge(self, kept: np.ndarray, gone: np.ndarray) -> np.ndarray:
        """Join gone[k] to kept[k]; no cluster stands twice among them. Returns (M,) where each number went."""
        target = np.arange(len(self.owner))
        target[gone] = kept
        weight = self.sizes[kept] / (self.sizes[kept] + self.sizes[gone])
        joined = self.means[kept] * weight[:, None] + self.means[gone] * (1 - weight)[:, None]
        self.means[kept] = joined
        self.sizes[kept] += self.sizes[gone]
        self.owner = target[self.owner]
        if self.clips.nnz:
            ones = np.ones(len(target), np.int32)
            self.clips = csr_array((ones, (target, np.arange(len(target)))), shape=(len(target),) * 2) @ self.clips
        return target

    def distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Mean distances (P,) float32 of pairs of clusters; infinite where they are kept apart."""
        found = np.empty(len(a), np.float32)
        for start in range(0, len(a), _EDGES):
            part = slice(start, start + _EDGES)
            found[part] = 1 - np.einsum("nd,nd->n", self.means[a[part]], self.means[b[part]])
            if self.clips.nnz:
                found[part][(self.clips[a[part]] * self.clips[b[part]]).sum(axis=1) > 0] = np.inf
        return found

    def nearest(self, rows: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of the clusters `among` to each row, and its distance; of equals the one whose number differs least in bits."""
        nearest, best = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
        columns = self.means[among]
        place = np.full(len(self.owner), -1)
        place[among] = np.arange(len(among))
        step = max(1, _CELLS // len(among) // (8 if self.clips.nnz else 1))  # what is kept apart takes more than a distance
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            similarity = self.means[rows[part]] @ columns.T
            similarity[np.arange(len(similarity)), place[rows[part]]] = -np.inf
            if self.clips.nnz:
                shared = (self.clips[rows[part]] @ self.clips[among].T).tocoo()
                similarity[shared.coords] = -np.inf
            top = similarity.max(axis=1)
            nearest[part], best[part] = among[similarity.argmax(axis=1)], 1 - top
            _break_ties(rows[part], among, similarity, top, nearest[part])
        return nearest, best


def _break_ties(rows: np.ndarray, among: np.ndarray, similarity: np.ndarray, top: np.ndarray, nearest: np.ndarray) -> None:
    """Bits that differ say the same from both sides, so that of many equal clusters half can merge at once."""
    equal = similarity >= (top - _TIE)[:, None]
    for row in np.flatnonzero(np.count_nonzero(equal, axis=1) > 1):
        tied = among[equal[row]]
        nearest[row] = tied[(tied ^ rows[row]).argmin()]


def link(clusters: Clusters, graph: Graph, threshold: float) -> np.ndarray:
    """Average-link clusters: while any two are within the threshold, the two nearest merge. graph: of the clusters' nodes.

    Returns (M,) int64, the number of each node's cluster.
    """
    _link_pairs(clusters, graph, threshold)
    crowd = np.flatnonzero(graph.crowded)
    order = crowd[np.argsort(graph.label[crowd], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(graph.label[order])) + 1):
        _link_crowd(clusters, np.sort(members), threshold)
    return clusters.owner


def _link_pairs(clusters: Clusters, graph: Graph, threshold: float) -> None:
    """Merge along the pairs that are held, which shrink to those of the clusters."""
    a, b, distance = graph.i, graph.j, graph.distance
    near = clusters.distances(a, b) <= threshold if clusters.clips.nnz else np.ones(len(a), bool)
    a, b, distance = a[near], b[near], distance[near]
    while len(a):
        chosen = _mutual(len(clusters.owner), a, b, distance)
        moved = np.zeros(len(clusters.owner), bool)
        moved[a[chosen]] = moved[b[chosen]] = True
        target = clusters.merge(a[chosen], b[chosen])
        stale = moved[a] | moved[b]
        fresh_a, fresh_b = _distinct(target[a[stale]], target[b[stale]], len(target))
        measured = clusters.distances(fresh_a, fresh_b)
        near, kept = measured <= threshold, ~stale
        a, b = np.concatenate([a[kept], fresh_a[near]]), np.concatenate([b[kept], fresh_b[near]])
        distance = np.concatenate([distance[kept], measured[near]])


def _distinct(a: np.ndarray, b: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    apart = a != b
    low, high = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
    low, high = np.divmod(np.unique(low * count + high), count)
    return low.astype(np.int32), high.astype(np.int32)


def _mutual(count: int, a: np.ndarray, b: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The pairs of clusters that are each other's nearest; at least the nearest pair of all."""
    chosen = np.arange(len(a))
    for value in (distance, (a ^ b).astype(np.float64)):
        best = np.full(count, np.inf, value.dtype)
        np.minimum.at(best, a[chosen], value[chosen])
        np.minimum.at(best, b[chosen], value[chosen])
        chosen = chosen[(value[chosen] == best[a[chosen]]) & (value[chosen] == best[b[chosen]])]
    return chosen


def _link_crowd(clusters: Clusters, active: np.ndarray, threshold: float) -> None:
    """Merge the clusters `active`, measuring again from all to all what a merge has changed. Memory: O(M)."""
    nearest, best = np.zeros(len(clusters.owner), np.int64), np.full(len(clusters.owner), np.inf, np.float32)
    stale = active
    while len(stale):
        nearest[stale], best[stale] = clusters.nearest(stale, active)
        active = active[best[active] <= threshold]  # the others stay as they are: nothing comes nearer to them
        kept, gone = _pairs_of(active, nearest, best)
        if not len(kept):
            return
        clusters.merge(kept, gone)
        moved = np.zeros(len(clusters.owner), bool)
        moved[kept] = moved[gone] = True
        active = active[~np.isin(active, gone)]
        stale = active[moved[active] | moved[nearest[active]]] if len(active) > 1 else active[:0]


def _pairs_of(active: np.ndarray, nearest: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clusters that are each other's nearest; the nearest pair of all where rounding hides that."""
    kept = active[(nearest[nearest[active]] == active) & (active < nearest[active])]
    if len(active) and not len(kept):
        kept = active[[best[active].argmin()]]
    return kept, nearest[kept]
