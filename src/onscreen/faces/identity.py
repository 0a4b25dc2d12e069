"""People's ids, which stay from run to run, and the face that stands for a person."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Name = TypeVar("Name", int, str)


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
