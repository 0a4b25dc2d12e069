"""Labels of people (gender, nationality), and the strata in which only people of one label are told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LABELS = ("gender", "nationality")


@dataclass(frozen=True)
class Labels:
    """What is known of people by one label. code: (people,) int64, number of each person's value; -1 where it is not known."""

    values: tuple[str, ...]
    code: np.ndarray

    def shared(self, people: np.ndarray) -> np.ndarray:
        """(people,) int64: code, with -1 for those who would be told from nobody: alone with their value among these people."""
        counts = np.bincount(self.code[people][self.code[people] >= 0], minlength=len(self.values))
        alone = (self.code >= 0) & (counts[self.code] < 2)
        return np.where(alone, -1, self.code)


def labels_of(people: Sequence[str], known: Mapping[str, Mapping[str, str]]) -> dict[str, Labels]:
    """Labels of these people by name, and of all labels together.

    known: label -> person -> value; a label that nobody's is known by is left out.
    """
    found = {name: coded([known.get(name, {}).get(person) for person in people]) for name in LABELS}
    found = {name: labels for name, labels in found.items() if labels.values}
    if len(found) > 1:
        first, second = found.values()
        both = [
            f"{first.values[a]}, {second.values[b]}" if min(a, b) >= 0 else None
            for a, b in zip(first.code, second.code, strict=True)
        ]
        found["_and_".join(found)] = coded(both)
    return found


def coded(values: Iterable[str | None]) -> Labels:
    """Labels of values, one a person; None where it is not known."""
    values = list(values)
    names = sorted({value for value in values if value is not None})
    number = {name: at for at, name in enumerate(names)}
    return Labels(tuple(names), np.array([-1 if value is None else number[value] for value in values], np.int64))


def summary(labels: Mapping[str, Labels], people: np.ndarray) -> dict[str, object]:
    """What is known of the people under test: how many have a label, of each value, and who is left out of its stratum."""
    found: dict[str, object] = {}
    for name in LABELS:
        if name not in labels:
            found[name] = {"labelled": 0, "of": len(people), "reason": f"nobody's {name} is known"}
            continue
        code = labels[name].code[people]
        counts = Counter(labels[name].values[number] for number in code[code >= 0].tolist())
        alone = int((code >= 0).sum() - (labels[name].shared(people)[people] >= 0).sum())
        found[name] = {
            "labelled": int((code >= 0).sum()),
            "of": len(people),
            "people": dict(sorted(counts.items())),
            "alone": alone,
        }
    return found
