"""Which side groups of dances get that nobody knows: by hash, or so that a share is met."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from onscreen.config import Split
from onscreen.stages.split import side_of

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class Group:
    """Dances that cannot be parted and have no side yet. name: does not depend on other groups."""

    name: str
    dances: int


Fill = Callable[[Sequence[Group], Mapping[str, int]], dict[str, str]]
"""Groups, and how many dances each side has already -> the side of each group by its name."""


def by_hash(params: Split) -> Fill:
    """Each by its own name, whoever else is there: validation is what would be val or test."""

    def fill(groups: Sequence[Group], _: Mapping[str, int]) -> dict[str, str]:
        return {group.name: TRAIN if side_of(group.name, params) == "train" else VALIDATION for group in groups}

    return fill


def by_share(train: float, salt: str) -> Fill:
    """As near as whole groups allow to this share of dances on train (0-1]; of equally near choices, groups of the smallest hashes.

    Where there is a choice, no side is left empty; but 1 wants all on train.
    """

    def fill(groups: Sequence[Group], taken: Mapping[str, int]) -> dict[str, str]:
        order = sorted(groups, key=lambda group: hashlib.sha256(f"{salt}\0{group.name}".encode()).hexdigest())
        new = sum(group.dances for group in order)
        has = {side: taken.get(side, 0) for side in (TRAIN, VALIDATION)}
        total = new + has[TRAIN] + has[VALIDATION]
        wanted = 0.0 if train == 1 else (1 - train) * total - has[VALIDATION]
        sums = _sums(order)
        full = [one for one in sums if one + has[VALIDATION] and one < new + has[TRAIN]]
        best = min(full if full and train < 1 else sums, key=lambda one: (abs(one - wanted), one))
        chosen = _chosen(sums, best)
        return {group.name: VALIDATION if group.name in chosen else TRAIN for group in order}

    return fill


def _sums(groups: Sequence[Group]) -> dict[int, tuple[int, str]]:
    """Every number of dances that some of the groups have together -> the number before its last group, and that group's name."""
    found: dict[int, tuple[int, str]] = {0: (0, "")}
    for group in groups:
        for before in list(found):
            found.setdefault(before + group.dances, (before, group.name))
    return found


def _chosen(sums: Mapping[int, tuple[int, str]], total: int) -> set[str]:
    names = set()
    while total:
        total, name = sums[total]
        names.add(name)
    return names
