"""Which faces are close: exact cosine distances in blocks, never an N x N matrix, and FAISS where faces are very many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from onscreen.errors import ConfigError, CorruptTable

EXACT_FACES = (
    200_000  # up to here every pair is looked at; beyond it FAISS looks at most, misses a few and finds none that is wrong
)
MAX_PAIRS = 25_000_000  # what close_pairs gives at most: 300 MB
LISTS_PER_ROOT = 4  # FAISS: lists of vectors = 4 sqrt(N), of which NPROBE are searched; recall: benchmarks/dedupe_speed.py
NPROBE = 64

_BLOCK = 1024  # faces a side of a block: 4 MB of distances
_ROUNDING = 2e-6  # float32 products are this exact; pairs nearer than this to the threshold are measured again in float64
_UNIT = 1e-4  # an embedding's length may differ from 1 by this
_CROWD = 64  # close pairs a face from which a component counts as crowded
_QUERIES = 256  # faces a FAISS search; bounds what one answer holds
_FOUND = 1 << 16  # of its pairs that are looked up together: 32 MB

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Graph:
    """Faces and their close pairs. label: (N,) the component of each. crowded: (N,) bool, members of components whose pairs are too
    many to hold and are left out. i, j: (P,) int32, distance: (P,) float32: all pairs of the other components."""

    label: np.ndarray
    crowded: np.ndarray
    i: np.ndarray
    j: np.ndarray
    distance: np.ndarray

    def narrowed(self, threshold: float) -> Graph:
        """The same at a smaller threshold; crowds are left as they are."""
        near = self.distance <= np.float32(threshold)
        i, j, count = self.i[near], self.j[near], len(self.label)
        known = np.where(self.crowded, np.unique(self.label, return_index=True)[1][self.label], np.arange(count))
        return Graph(_components(count, i, j, known), self.crowded, i, j, self.distance[near])


def bad_embeddings(embeddings: np.ndarray) -> dict[int, str]:
    """The rows that no distance can be measured to, with the reason in words. embeddings: (N, D) float."""
    length = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings, dtype=np.float64))
    bad = np.flatnonzero(~(np.abs(length - 1) <= _UNIT))  # NaN is not <= anything
    return {
        int(row): "length " + format(length[row], ".6g") + ", not 1" if np.isfinite(length[row]) else "not finite" for row in bad
    }


def checked(embeddings: np.ndarray, threshold: float) -> np.ndarray:
    """The embeddings as (N, D) contiguous float32.

    Raises CorruptTable naming the first row that is not finite or not of length 1, and ConfigError for a threshold outside [0, 2].
    """
    if not 0 <= threshold <= 2:
        raise ConfigError(f"dedupe.threshold is {threshold}; a cosine distance lies between 0 and 2")
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise CorruptTable(f"embeddings are {embeddings.dtype} of shape {embeddings.shape}, wanted one row of numbers a face")
    if bad := bad_embeddings(embeddings):
        row = min(bad)
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise CorruptTable(f"the embedding in row {row} is of no use ({bad[row]}){more}; run `onscreen extract_faces` again")
    return np.ascontiguousarray(embeddings, np.float32)


def close_pairs(embeddings: np.ndarray, threshold: float) -> Pairs:
    """All pairs i < j at a cosine distance of at most threshold, each once, block by block.

    embeddings: (N, D) float32, L2 = 1. Returns i (P,), j (P,) int32 and distance (P,) float32. Exact up to EXACT_FACES faces; beyond,
    pairs may be missed and none is wrong. Raises ConfigError where there are more than MAX_PAIRS, CorruptTable for bad embeddings.
    """
    embeddings = checked(embeddings, threshold)
    found, count = [no_pairs()], 0
    for pairs in pair_blocks(embeddings, threshold):
        count += len(pairs[0])
        if count > MAX_PAIRS:
            raise ConfigError(
                f"{len(embeddings)} faces make more than {MAX_PAIRS} pairs within dedupe.threshold {threshold}; "
                "lower it, or use dedupe.method average_link or greedy, which hold no pairs of crowds"
            )
        found.append(pairs)
    return _joined(found)


def graph(embeddings: np.ndarray, threshold: float) -> Graph:
    """The components over pairs within the threshold. embeddings: as checked gives them. Holds max(32 N, 1M) pairs at most."""
    count, most = len(embeddings), max(_CROWD // 2 * len(embeddings), 1 << 20)
    held, size = [no_pairs()], 0
    known = np.arange(count)  # equal numbers: known to be one crowd
    crowded = np.zeros(count, bool)
    for i, j, distance in pair_blocks(embeddings, threshold, known):
        new = known[i] != known[j]
        held.append((i[new], j[new], distance[new]))
        size += int(new.sum())
        if size > most:
            held = [_thinned(_joined(held), known, crowded)]
            size = len(held[0][0])
    i, j, distance = _joined(held)
    label = _components(count, i, j, known)
    crowded = np.isin(label, label[crowded])
    apart = ~crowded[i]
    return Graph(label, crowded, i[apart], j[apart], distance[apart])


def _thinned(pairs: Pairs, known: np.ndarray, crowded: np.ndarray) -> Pairs:
    """The pairs without those inside crowds, which are marked in known and crowded."""
    i, j, distance = pairs
    label = _components(len(known), i, j, known)
    faces, ties = np.bincount(label), np.bincount(label[i], minlength=label.max() + 1)
    crowd = (ties * 2 > _CROWD * faces) | (np.bincount(label, crowded) > 0)
    crowded |= crowd[label]
    first = np.unique(label, return_index=True)[1]
    known[:] = np.where(crowded, first[label], known)
    apart = known[i] != known[j]
    return i[apart], j[apart], distance[apart]


def _components(count: int, i: np.ndarray, j: np.ndarray, known: np.ndarray) -> np.ndarray:
    ends = np.concatenate([i, np.arange(count, dtype=np.int32)]), np.concatenate([j, known.astype(np.int32)])
    links = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])


def pair_blocks(embeddings: np.ndarray, threshold: float, known: np.ndarray | None = None) -> Iterator[Pairs]:
    """All pairs i < j within the threshold, piece by piece, each once.

    known: (N,) int that may change meanwhile; a block whose faces all have one number there is left out, or, of more than EXACT_FACES,
    every pair of one number.
    """
    if len(embeddings) > EXACT_FACES:
        yield from _searched(embeddings, threshold, known)
        return
    for a in range(0, len(embeddings), _BLOCK):
        rows = embeddings[a : a + _BLOCK]
        for b in range(a, len(embeddings), _BLOCK):
            if known is not None and _one_value(known[a : a + _BLOCK], known[b : b + _BLOCK]):
                continue
            i, j, distance = within(rows, embeddings[b : b + _BLOCK], threshold)
            upper = slice(None) if b > a else i < j
            yield i[upper] + np.int32(a), j[upper] + np.int32(b), distance[upper]


def within(rows: np.ndarray, columns: np.ndarray, threshold: float) -> Pairs:
    """All pairs (row, column) at a distance of at most threshold, by row and then column; (R, D) and (C, D) float32, L2 = 1."""
    similarity = rows @ columns.T
    flat = np.flatnonzero(similarity.ravel() >= np.float32(1 - threshold - _ROUNDING))
    i, j = np.divmod(flat.astype(np.int32), np.int32(max(len(columns), 1)))
    distance = np.maximum(1 - similarity.ravel()[flat], 0)
    unsure = np.flatnonzero(np.abs(distance - threshold) <= 2 * _ROUNDING)
    distance[unsure] = _exact(rows, columns, i[unsure], j[unsure])
    wrong = unsure[distance[unsure] > np.float32(threshold)]
    return np.delete(i, wrong), np.delete(j, wrong), np.delete(distance, wrong)


def _exact(rows: np.ndarray, columns: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Cosine distances (P,) float64, exactly 0 for equal vectors; in pieces, for they may be many."""
    distance = np.empty(len(i))
    for start in range(0, len(i), _BLOCK):
        part = slice(start, start + _BLOCK)
        x, y = rows[i[part]].astype(np.float64), columns[j[part]].astype(np.float64)
        squares = np.einsum("nd,nd->n", x, x) * np.einsum("nd,nd->n", y, y)
        distance[part] = np.maximum(1 - np.einsum("nd,nd->n", x, y) / np.sqrt(squares), 0)
    return distance


def _searched(embeddings: np.ndarray, threshold: float, known: np.ndarray | None) -> Iterator[Pairs]:
    """Pairs by an inverted file: each face is compared with those of the NPROBE lists nearest to it. One thread, fixed seed."""
    import faiss
    from faiss.contrib import ivf_tools

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index = _index(embeddings)
        lists = index.quantizer.search(embeddings, index.nprobe)[1]
        ivf_tools.add_preassigned(index, embeddings, np.ascontiguousarray(lists[:, 0]))
        for start in range(0, len(embeddings), _QUERIES):
            part = slice(start, start + _QUERIES)
            ends, _, found = ivf_tools.range_search_preassigned(index, embeddings[part], 1 - threshold - _ROUNDING, lists[part])
            asked = np.repeat(np.arange(start, start + len(ends) - 1), np.diff(ends.astype(np.int64)))
            if known is not None:
                new = known[asked] != known[found]
                asked, found = asked[new], found[new]
            yield _each_once(embeddings, threshold, lists, asked, found)
    finally:
        faiss.omp_set_num_threads(threads)


def _index(embeddings: np.ndarray) -> Any:
    import faiss

    count, size = embeddings.shape
    lists = max(1, int(LISTS_PER_ROOT * count**0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter, index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 10, 1, 64
    index.nprobe = min(NPROBE, lists)
    index.train(embeddings)
    return index


def _each_once(embeddings: np.ndarray, threshold: float, lists: np.ndarray, asked: np.ndarray, found: np.ndarray) -> Pairs:
    """What a search found, measured; without what the other face's own search finds too, and comes first."""
    later = found > asked
    back = np.flatnonzero(found < asked)
    pieces = (back[start : start + _FOUND] for start in range(0, len(back), _FOUND))
    new = [piece[~(lists[found[piece]] == lists[asked[piece], :1]).any(axis=1)] for piece in pieces]
    chosen = np.sort(np.concatenate([np.flatnonzero(later), *new]))
    i, j = np.minimum(asked, found)[chosen], np.maximum(asked, found)[chosen]
    distance = _exact(embeddings, embeddings, i, j).astype(np.float32)
    right = distance <= np.float32(threshold)
    return i[right].astype(np.int32), j[right].astype(np.int32), distance[right]


def _one_value(*parts: np.ndarray) -> bool:
    return len({value for part in parts for value in (part.min(), part.max())}) == 1


def _joined(held: list[Pairs]) -> Pairs:
    i, j, distance = (np.concatenate(part) for part in zip(*held, strict=True))
    return i, j, distance


def no_pairs() -> Pairs:
    return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
