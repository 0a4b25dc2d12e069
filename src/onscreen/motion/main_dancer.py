"""Who of several people is followed: the largest, most central and most persistent, and after a crossing or an absence the same again.

Every body of a picture is given to the person whose way, size and colours it continues (all persons at once, so that each keeps
its own body when two cross), or begins a person. A person's weight is what it filled of the picture, summed over time; the main
dancer is the heaviest, and another takes over only when it weighs half as much again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onscreen.motion.keypoints import BODY, INDEX

_TAKES_OVER = 1.5  # x the weight of the main dancer
_REACH, _REACH_PER_S = 0.35, 2.0  # body heights that a person can be away from where it was expected, at once and for each second
_GROWTH = 0.7  # natural logarithm of a change of size: by half or to the double
# Distance of colours, 0-1. Within five dances of one person 0.05-0.26 in the median and 0.46 in 95 of 100, in turns and other light;
# between two people 0.33-0.99. So colours alone can tell only who of several it is, or that it is certainly somebody else.
_FOREIGN, _CERTAINLY_FOREIGN = 0.45, 0.8
_COAST_S = 0.25  # a movement is continued no longer than this
_LEARN = 0.1  # share of a new look in what is remembered of a person's colours
_GRID = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 10), np.linspace(0.0, 1.0, 15)), axis=-1).reshape(-1, 2, 1)
_TORSO = [INDEX[name] for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip")]
_LEGS = [INDEX[name] for name in ("right_hip", "left_hip", "right_knee", "left_knee")]


@dataclass
class _Look:
    """A body in one picture. centre: x, y px. size: px. colours: histogram that sums to 1, or None where no torso is seen."""

    centre: np.ndarray
    size: float
    weight: float
    colours: np.ndarray | None


@dataclass
class _Person:
    """Somebody who was seen. velocity: px a second. weight: summed over time."""

    last: _Look
    time_s: float
    velocity: np.ndarray
    weight: float
    colours: np.ndarray | None


class MainDancer:
    """Follows one person through a shot."""

    def __init__(self) -> None:
        self._people: list[_Person] = []
        self._main, self._several = -1, False

    @property
    def person(self) -> int:
        """Number of the person that is followed, in the order in which people appeared; -1 before the first."""
        return self._main

    def choose(self, bodies: Sequence[np.ndarray], image: np.ndarray, time_s: float) -> int | None:
        """Index of the main dancer among the bodies of a picture; None when it is not there.

        bodies: (134, 3) each. image: (H, W, 3) uint8 RGB. time_s: seconds; it must grow.
        """
        looks = [_look(points, image) for points in bodies]
        self._several = self._several or len(looks) > 1
        given = self._assign(looks, time_s)
        for index, look in enumerate(looks):
            if index in given:
                _continue(self._people[given[index]], look, time_s)
            else:
                given[index] = len(self._people)
                self._people.append(_Person(look, time_s, np.zeros(2), look.weight, look.colours))
        self._elect()
        return next((index for index, person in given.items() if person == self._main), None)

    def _assign(self, looks: Sequence[_Look], time_s: float) -> dict[int, int]:
        """look -> person, each once, at the least cost in sum; looks that continue nobody are left out."""
        if not looks or not self._people:
            return {}
        limit = _FOREIGN if self._several else _CERTAINLY_FOREIGN
        cost = np.array([[_cost(person, look, time_s, limit) for person in self._people] for look in looks])
        if cost.size == 1:
            return {0: 0} if np.isfinite(cost[0, 0]) else {}
        from scipy.optimize import linear_sum_assignment  # takes half a second to import

        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e6))
        return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if np.isfinite(cost[row, column])}

    def _elect(self) -> None:
        if not self._people:
            return
        heaviest = max(range(len(self._people)), key=lambda index: self._people[index].weight)
        if self._main < 0 or self._people[heaviest].weight > _TAKES_OVER * self._people[self._main].weight:
            self._main = heaviest


def _cost(person: _Person, look: _Look, time_s: float, limit: float) -> float:
    """0 for a body exactly where, as large and as coloured as expected; infinite for one that cannot be this person.

    limit: distance of colours of who comes back after an absence.
    """
    away_s = max(time_s - person.time_s, 0.0)
    expected = person.last.centre + person.velocity * min(away_s, _COAST_S)
    reach = (_REACH + _REACH_PER_S * away_s) * person.last.size
    distance = float(np.hypot(*(look.centre - expected))) / reach
    growth = abs(np.log(look.size / person.last.size)) / (_GROWTH * (1 + away_s))
    foreign = _difference(person.colours, look.colours)
    if distance > 1 or growth > 2 or foreign > 2 * _FOREIGN or (away_s > 2 * _COAST_S and foreign > limit):
        return float("inf")
    return float(distance + 0.5 * growth + 2 * foreign / _FOREIGN)


def _continue(person: _Person, look: _Look, time_s: float) -> None:
    passed_s = time_s - person.time_s
    if passed_s > 0:
        moved = (look.centre - person.last.centre) / passed_s
        person.velocity = moved if passed_s > _COAST_S else 0.7 * person.velocity + 0.3 * moved
    person.last, person.time_s = look, time_s
    person.weight += look.weight
    if look.colours is not None:
        known = look.colours if person.colours is None else person.colours
        person.colours = (1 - _LEARN) * known + _LEARN * look.colours


def _look(points: np.ndarray, image: np.ndarray) -> _Look:
    height, width = image.shape[:2]
    seen = points[points[:, 2] > 0.3] if (points[:, 2] > 0.3).sum() > 1 else points[points[:, 2] > 0]
    low, high = (seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)) if len(seen) else (np.zeros(2), np.ones(2))
    torso = points[_TORSO]
    centre = torso[:, :2].mean(axis=0) if (torso[:, 2] > 0).all() else (low + high) / 2
    size = max(float((high - low).max()), 1.0)
    shown = np.clip(high, 0, [width, height]) - np.clip(low, 0, [width, height])
    central = 1 - 0.5 * min(abs(float(centre[0]) / width - 0.5) * 2, 1.0)
    weight = float(np.sqrt(max(shown.prod(), 0.0) / (height * width))) * central * float(points[BODY, 2].mean())
    return _Look(centre.astype(np.float64), size, weight, _colours(points, image))


def _colours(points: np.ndarray, image: np.ndarray) -> np.ndarray | None:
    """(128,) share of each hue and brightness on torso and thighs, looked up on a grid that lies within the limbs."""
    height, width = image.shape[:2]
    if (points[_TORSO, 2] <= 0).any():
        return None
    parts = [points[_TORSO, :2]] + ([points[_LEGS, :2]] if (points[_LEGS, 2] > 0).all() else [])
    shares = []
    for upper_right, upper_left, lower_right, lower_left in parts:
        across, down = _GRID[:, 0], _GRID[:, 1]
        places = (1 - down) * ((1 - across) * upper_right + across * upper_left) + down * (
            (1 - across) * lower_right + across * lower_left
        )
        x, y = np.rint(places).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        shares.append(_histogram(image[y[inside], x[inside]]) if inside.any() else np.zeros(64))
    if len(shares) == 1:
        shares.append(shares[0])
    histogram = np.concatenate(shares)
    return np.asarray(histogram / max(histogram.sum(), 1e-9))


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """(64,) of (N, 3) uint8 RGB in 4 x 4 x 4 boxes, each pixel shared between neighbouring boxes."""
    scaled = pixels.astype(np.float64) / 255 * 3
    low = np.minimum(scaled.astype(int), 2)
    part = scaled - low
    sides = np.stack([1 - part, part])
    box = low @ (16, 4, 1)
    corners = list(np.ndindex(2, 2, 2))
    boxes = np.concatenate([box + 16 * red + 4 * green + blue for red, green, blue in corners])
    shares = np.concatenate([sides[red, :, 0] * sides[green, :, 1] * sides[blue, :, 2] for red, green, blue in corners])
    return np.bincount(boxes, shares, 64)


def _difference(first: np.ndarray | None, second: np.ndarray | None) -> float:
    """Hellinger distance of two histograms, 0-1; half of what tells people apart where colours are not known."""
    if first is None or second is None:
        return _FOREIGN / 2
    return float(np.sqrt(max(0.0, 1 - np.sqrt(first * second).sum())))


def keep_main(points: np.ndarray, persons: Sequence[int]) -> np.ndarray:
    """(T, 134, 3) points of a shot in which only who was followed in most frames is left; the others' frames show nobody.

    persons: Seen.person of each frame. A shot may begin with somebody who leaves before the dancer comes.
    """
    followed = np.asarray(persons) == most_followed(persons)
    return np.where(followed[:, None, None], points, 0).astype(np.float32)


def most_followed(persons: Sequence[int]) -> int:
    """Who was followed in most frames; -1 where nobody was seen."""
    seen = [person for person in persons if person >= 0]
    return int(np.bincount(seen).argmax()) if seen else -1


def distinct(bodies: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Bodies without the second look at one person: points on average nearer than a tenth of the body's extent. (P, 3) each."""
    kept: list[np.ndarray] = []
    for body in sorted(bodies, key=lambda points: -float(points[:, 2].mean())):
        if all(_apart(body, other) > 0.1 for other in kept):
            kept.append(body)
    return kept


def _apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of the points that both have, in extents of the first; infinite when they share none."""
    both = (first[:, 2] > 0) & (second[:, 2] > 0)
    if not both.any():
        return float("inf")
    size = max(float(np.ptp(first[both, :2], axis=0).max()), 1.0)
    return float(np.hypot(*(first - second)[both, :2].T).mean()) / size
