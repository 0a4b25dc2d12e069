"""Which dances are of one dancer, or to one song; and who must wait for a person where that would tie two sides together.

Sides are fixed in tiers: dances that are frozen come before those of known people. What joins two fixed sides is left out, the later
tier for the earlier one, so that a new video never moves a dance that was there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Relation = Callable[[Sequence[int]], np.ndarray]
"""Indices of dances -> a number each; equal numbers belong together. It may join more when more are asked for, never less."""
Tiers = Sequence[Mapping[int, str]]
"""Index -> side, the firmest first."""


@dataclass(frozen=True)
class Ties:
    """label: index -> number of its class, of all that stay. torn: index of who is left out -> side -> whose sides are tied."""

    label: dict[int, int]
    torn: dict[int, dict[str, list[int]]]


def classes(count: int, relation: Relation, tiers: Tiers) -> Ties:
    """Classes of `count` dances by a relation, each with one fixed side at most."""
    torn: dict[int, dict[str, list[int]]] = {}
    for members in _groups(relation, range(count)):
        sides = _sides(members, tiers)
        if len(sides) > 1:
            torn |= dict.fromkeys(_left_out(relation, members, tiers), sides)
    kept = [index for index in range(count) if index not in torn]
    labels = relation(kept) if kept else np.empty(0, int)
    return Ties(dict(zip(kept, labels.tolist(), strict=True)), torn)


def components(first: Sequence[int] | np.ndarray, second: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """(count,) int: numbers of the components of the edges first[i] - second[i]."""
    ones = np.ones(len(first), np.int8)
    return np.asarray(connected_components(coo_array((ones, (first, second)), (count, count)), directed=False)[1])


def _left_out(relation: Relation, members: Sequence[int], tiers: Tiers) -> set[int]:
    """Who must go so that no class holds two sides: in each tier first whoever ties two alone, then whoever does so with others."""
    base, out = list[int](), set[int]()
    for tier in (*tiers, dict.fromkeys(members, "")):
        later = [index for index in members if index in tier and index not in out and index not in base]
        alone = {index for index in later if _torn(relation, [*base, index], tiers)}
        left = [index for index in later if index not in alone]
        together = _torn(relation, [*base, *left], tiers) & set(left)
        out |= alone | together
        base += [index for index in left if index not in together]
    return out


def _torn(relation: Relation, members: Sequence[int], tiers: Tiers) -> set[int]:
    """Everyone who is in a class with two sides."""
    groups = _groups(relation, members)
    return {index for group in groups if len(_sides(group, tiers)) > 1 for index in group}


def _groups(relation: Relation, members: Sequence[int]) -> list[list[int]]:
    if not members:
        return []
    groups = defaultdict[int, list[int]](list)
    for index, label in zip(members, relation(members).tolist(), strict=True):
        groups[label].append(index)
    return list(groups.values())


def _sides(members: Sequence[int], tiers: Tiers) -> dict[str, list[int]]:
    """Side -> the members on which it is fixed."""
    found = defaultdict[str, list[int]](list)
    for index in members:
        side = next((tier[index] for tier in tiers if index in tier), None)
        if side is not None:
            found[side].append(index)
    return dict(found)
