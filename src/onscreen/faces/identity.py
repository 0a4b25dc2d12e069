"""People's ids, which stay from run to run, and the face that stands for a person."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Name = TypeVar("Name", bound=Hashable)

_BLOCK = 2048  # faces a block: 16 MB of similarities
_EQUAL = 9  # decimals of a mean distance (0-2) that count; float64 sums of a million terms are right to more


@dataclass(frozen=True)
class Merge:
    """Faces that the ledger knows as different people stand in one cluster. identity_ids: theirs."""

    identity_ids: tuple[str, ...]
    keys: tuple[str, ...]


def name_clusters(
    labels: np.ndarray,
    keys: Sequence[str],
    clips: Sequence[str],
    embeddings: np.ndarray,
    known: Mapping[str, str],
    given: Mapping[int, str] | None = None,
) -> list[str]:
    """An identity_id for every face, the same from run to run where the ledger knows the person.

    known: face key -> identity_id of the ledger. A known face keeps its own. A new face takes that of the nearest known face of
    its cluster; a cluster without one is named as given says, else after the smallest key in it. Known ids are never renamed:
    where two stand in one cluster, both stay. A new face whose person the ledger would put twice into one clip gets an id of its own.
    """
    names = [known.get(key, "") for key in keys]
    for label, members in together(labels.tolist()).items():
        old = sorted((face for face in members if keys[face] in known), key=lambda face: keys[face])
        new = [face for face in members if keys[face] not in known]
        if old:
            others = nearest(embeddings, np.array(new, np.int64), np.array(old, np.int64))[0]
            for face, other in zip(new, others.tolist(), strict=True):
                names[face] = names[other]
        else:
            name = (given or {}).get(label) or _fresh_id(min(keys[face] for face in members))
            for face in new:
                names[face] = name
    return _apart_in_clips(names, keys, clips, known)


def merges(groups: np.ndarray, names: Sequence[str], keys: Sequence[str], known: Mapping[str, str]) -> list[Merge]:
    """Groups in which the ledger knows two people or more. names: identity_id of every face."""
    found = []
    for members in together(groups.tolist()).values():
        ids = {names[face] for face in members if keys[face] in known}
        if len(ids) > 1:
            found.append(Merge(tuple(sorted(ids)), tuple(sorted({keys[face] for face in members}))))
    return found


def together(names: Sequence[Name]) -> dict[Name, list[int]]:
    """The indices of each name, in their order; names in the order of their first."""
    people: dict[Name, list[int]] = defaultdict(list)
    for face, name in enumerate(names):
        people[name].append(face)
    return dict(people)


def nearest(embeddings: np.ndarray, of: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each face of `of` the nearest other one of `among`, the first of equals, and its cosine distance; inf where there is none.

    embeddings: (N, D) float32, L2 = 1. of: (M,), among: (K,) indices, K > 0 where M > 0. Returns (M,) indices, (M,) float32.
    In blocks, never M x K.
    """
    face, distance = np.zeros(len(of), np.int64), np.full(len(of), np.inf, np.float32)
    for first in range(0, len(of), _BLOCK):
        rows = slice(first, first + _BLOCK)
        for start in range(0, len(among), _BLOCK):
            part = among[start : start + _BLOCK]
            found = 1 - embeddings[of[rows]] @ embeddings[part].T
            found[of[rows][:, None] == part[None, :]] = np.inf
            best = found.argmin(1)
            least = found[np.arange(len(best)), best]
            closer = least < distance[rows]
            face[rows] = np.where(closer, part[best], face[rows])
            distance[rows] = np.where(closer, least, distance[rows])
    return face, distance


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
        distances = nearest(embeddings, members, members)[1]
        found += [
            (int(members[face]), float(distances[face])) for face in np.flatnonzero((distances > limit) & (distances < np.inf))
        ]
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
    Exact in O(N D): the sum over j of w_j (1 - e_i e_j) is sum(w) - e_i sum(w_j e_j); a face's distance to itself is 0.
    """
    weight = np.maximum(quality.astype(np.float64), 1e-9)
    vectors = embeddings.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cost = (weight.sum() - vectors @ (weight @ vectors)) / weight.sum()
    cost = np.round(np.maximum(cost, 0), _EQUAL) / weight
    return int(np.lexsort((np.arange(len(cost)), -weight, cost))[0])
