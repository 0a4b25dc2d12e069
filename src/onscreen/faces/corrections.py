"""A person's corrections applied to clusters and names. Everything here is in indices of faces; overrides.py reads the file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from onscreen.faces.identity import nearest, together

_REST = -1


def cut(
    labels: np.ndarray, lists: Sequence[Sequence[int]], old: np.ndarray, free: np.ndarray, embeddings: np.ndarray
) -> np.ndarray:
    """Clusters of which each list is one by itself.

    labels: (N,) int64 in [0, N). lists: disjoint, of faces. old: (N,) bool, whom the ledger knows. free: (N,) bool, of whom neither
    the ledger nor a person has said anything. Whoever is not listed stays with the rest of the cluster; only where the ledger knows
    faces both in a list and in the rest, a free face goes with the nearest of them, so that people who were taken out can grow.
    Returns (N,) int64: list n is cluster N + n.
    """
    part = np.full(len(labels), _REST)
    for number, faces in enumerate(lists):
        part[list(faces)] = number
    listed = part != _REST
    for label in np.unique(labels[listed]).tolist():
        members = np.flatnonzero(labels == label)
        rest = members[~listed[members]]
        known = members[old[members]]
        if listed[known].any() and old[rest].any():
            new = rest[free[rest]]
            part[new] = part[nearest(embeddings, new, known)[0]]
    return np.where(part == _REST, labels, len(labels) + part)


def apart_id(keys: Collection[str]) -> str:
    """The id of people whom a person took out of a cluster, while the ledger has none for them. keys: of the faces of the list."""
    return "id_" + hashlib.sha256(f"apart\0{min(keys)}".encode()).hexdigest()[:12]


def still_known(known: Mapping[str, str], apart: Sequence[Collection[str]], joined: Sequence[Collection[str]]) -> dict[str, str]:
    """What the ledger says, without the ids that faces had before a person took them out.

    known: face key -> identity_id. apart: lists of split; joined: lists of merge; face keys. A face of a list of split keeps an id
    that it was given since: one of apart_id, or that of somebody whom it is merged with. Any other goes, even one that it had alone:
    otherwise faces that join it and are frozen would make the id look like one that it shares, and take it over.
    """
    taken_out = {key for keys in apart for key in keys}
    left = {key: name for key, name in known.items() if key not in taken_out}
    for keys in apart:
        person = _reached(keys, [*apart, *joined])
        since = {apart_id([key]) for key in person} | {left[key] for key in person if key in left}
        left |= {key: known[key] for key in keys if known.get(key) in since}
    return left


def _reached(keys: Collection[str], lists: Sequence[Collection[str]]) -> set[str]:
    """These keys, those of lists that share any of them, and so on."""
    found, before = set(keys), 0
    while len(found) > before:
        before = len(found)
        found.update(key for one in lists if not found.isdisjoint(one) for key in one)
    return found


def united(names: Sequence[str], lists: Sequence[Collection[int]], known: Collection[str], given: Collection[str]) -> list[str]:
    """Names after the people of each list have become one.

    They are called by the smallest id that the ledger has for any of them (known), else by one given to people who were taken out
    (given, whether or not the ledger has it by now), else by the smallest of their ids.
    """
    to = {name: name for name in names}

    def root(name: str) -> str:
        while to[name] != name:
            name = to[name]
        return name

    for faces in lists:
        people = sorted(
            {root(names[face]) for face in faces}, key=lambda name: (name in given or name not in known, name not in given, name)
        )
        for other in people[1:]:
            to[other] = people[0]
    return [root(name) for name in names]


def chains(lists: Sequence[Collection[int]], count: int) -> np.ndarray:
    """(count,) int64: faces that lists join, directly or through others, share a number; a face in no list has its own."""
    links = [(min(faces), face) for faces in lists if faces for face in faces]
    first, other = np.array(links, np.int64).reshape(-1, 2).T
    edges = coo_array((np.ones(len(links), bool), (first, other)), (count, count))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def groups_of(labels: np.ndarray, names: Sequence[str], lists: Sequence[Collection[int]]) -> np.ndarray:
    """Clusters, of which those that a list cuts fall apart: into the people of the lists, and the rest. (N,) int64, from 0."""
    taken_out = [{names[face] for face in faces} for faces in lists]
    cuts: dict[int, set[str]] = {}
    for faces, people in zip(lists, taken_out, strict=True):
        for label in {int(labels[face]) for face in faces}:
            cuts.setdefault(label, set()).update(people)
    parts = [(int(label), name if name in cuts.get(int(label), ()) else "") for label, name in zip(labels, names, strict=True)]
    numbers = {part: number for number, part in enumerate(together(parts))}
    return np.array([numbers[part] for part in parts], np.int64)


def undone(labels: np.ndarray, before: Sequence[str], after: Sequence[str], lists: Sequence[Collection[int]]) -> list[int]:
    """Faces from whom a list was taken out and with whom a merge makes it one again. before, after: names, of that merge."""
    found = set()
    for faces in lists:
        for face in faces:
            others = np.flatnonzero(labels == labels[face]).tolist()
            back = [other for other in others if after[other] == after[face] and before[other] != before[face]]
            found.update(set(back) - set(faces))
    return sorted(found)
