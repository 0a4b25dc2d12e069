"""Does the trainer learn what can be learned? Run: python benchmarks/learns.py [--seeds 3] [--set batch_size=256 ...]

Two made-up worlds of people (worlds.py), drawn anew for every seed: 1,000 people x 10 samples to train on, 100 more
for validation, and 200 unseen people x 10 samples. The linear world's noise is set so that the best matcher there can be, whose scores are
known in closed form, is right in 0.90 of choices between the right and a stranger's item. Both matching heads are trained by
matching.train with the defaults of train_face_voice, and with what --set changes. Printed for every learner and seed: 1:2 accuracy (the mean of
both ways), its gain over chance as a share of the best matcher's on the same people (95% interval: people drawn anew), and 1:2 among
people of one gender. `shuffled`: trained on voices of other people; one such training matches a little better or worse than
chance by accident (what it learned is a fixed random map, whichever people are asked), so several are made, and the t-interval of their
mean must hold 0.5.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from onscreen.config import TrainFaceVoice
from onscreen.matching.data import Link, PairSet
from onscreen.matching.recipe import Recipe
from onscreen.matching.towers import TowerSpec
from onscreen.matching.train import train
from worlds import Bayes, People, World, best_cca, draw, gain_interval, noise_for, share, unit, wins, world

_TRAINING, _VALIDATION, _UNSEEN, _SAMPLES = 1000, 100, 200, 10
_BAYES = 0.90
_FOLDED, _FOLDED_NOISE = 14, 4.0  # with 8 axes the other 8 suffice: CCA is right in 0.998
_RESAMPLES = 300
_SHUFFLED = 5  # trainings

Table = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Ours:
    """The two-tower model, trained on `training`, its epoch chosen on `validation`. changes: of train_face_voice's defaults."""

    def __init__(self, training: People, validation: People, changes: dict[str, Any], seed: int) -> None:
        params = TrainFaceVoice(**{"accelerator": "cpu", "seed": seed, **changes})
        specs = [TowerSpec("embedding", items.shape[1]) for items in (training.faces, training.voices)]
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            sides = pairs(training, "t"), pairs(validation, "v")
            trained = train(Recipe(params, specs[0], specs[1], 1), *sides, Path(folder) / "state", _ignore)
        self.seconds = time.process_time() - started
        self.epochs, self.best = len(trained.progress.history), trained.progress.best
        self.model = trained.matcher.model

    def table(self, faces: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """(N, M) cosine."""
        seen = self.model.embed_faces(list(faces.astype(np.float32)))
        return unit(seen) @ unit(self.model.embed_voices(list(voices.astype(np.float32)))).T


def pairs(people: People, name: str) -> PairSet:
    """All combinations of a person's faces and voices, each taken from a source of its own."""
    count, samples = len(people.gender), people.samples
    links = [
        Link(person, person * samples + face, person * samples + voice, same_source=False)
        for person in range(count)
        for face in range(samples)
        for voice in range(samples)
    ]
    sources = [tuple(f"{name}{side}{number}" for number in range(count * samples)) for side in ("face", "voice")]
    names = tuple(f"{name}{person}" for person in range(count))
    faces, voices = (list(items.astype(np.float32)) for items in (people.faces, people.voices))
    return PairSet(names, faces, voices, tuple(links), sources[0], sources[1])


def shuffled(people: People, seed: int) -> People:
    """Faces with the voices of other people."""
    order = np.random.default_rng(seed).permutation(len(people.gender))
    return replace(people, voices=people.voices.reshape(len(order), people.samples, -1)[order].reshape(people.voices.shape))


def _ignore(epoch: int, row: dict[str, float]) -> None:
    """Nothing is logged."""


def main(seeds: int, changes: dict[str, Any]) -> None:
    noise = noise_for(_BAYES, seed=0)
    accuracy, error = Bayes(world(noise, 0)).one_of_two(400_000, seed=1)
    print(f"noise {noise:.2f}: the best matcher of world 0 is right in {accuracy:.4f} +- {error:.4f} (fresh draws)\n")
    print("| world | seed | learner | 1:2 | gain / best | 95% | same gender | epochs | core-s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for seed in range(seeds):
        linear(world(noise_for(_BAYES, seed) if seed else noise, seed), seed, changes)
        folded(world(_FOLDED_NOISE, seed, folded=_FOLDED), seed, changes)
    by_accident(world(noise, 0), changes)


def linear(of: World, seed: int, changes: dict[str, Any]) -> None:
    """All learners beside the best matcher."""
    training, validation, unseen = _sides(of, seed)
    best = wins(Bayes(of).table(unseen.faces, unseen.voices), _SAMPLES)
    _row("linear", seed, "best matcher", best, best, unseen)
    _learners("linear", seed, training, validation, unseen, best, changes)


def folded(of: World, seed: int, changes: dict[str, Any]) -> None:
    """The same learners where 14 of 16 axes need more than a linear map; nobody knows the best matcher."""
    training, validation, unseen = _sides(of, seed)
    _learners("folded", seed, training, validation, unseen, None, changes)


def by_accident(of: World, changes: dict[str, Any]) -> None:
    """Training on voices of other people."""
    training, validation, unseen = _sides(of, 0)
    found = []
    for seed in range(_SHUFFLED):
        ours = Ours(shuffled(training, seed), shuffled(validation, seed), changes, seed)
        won = wins(ours.table(unseen.faces, unseen.voices), _SAMPLES)
        found.append(share(won))
        _row("linear", seed, "shuffled", won, None, unseen, ours)
    low, high = stats.t.interval(0.95, len(found) - 1, loc=np.mean(found), scale=stats.sem(found))
    verdict = "chance" if low <= 0.5 <= high else "NOT chance"
    print(f"\nshuffled: mean {np.mean(found):.3f} of {len(found)} trainings, 95% {low:.3f} to {high:.3f}: {verdict}")


def _sides(of: World, seed: int) -> tuple[People, People, People]:
    people = draw(of, _TRAINING + _VALIDATION + _UNSEEN, _SAMPLES, seed)
    last = _TRAINING + _VALIDATION
    return people.some(0, _TRAINING), people.some(_TRAINING, last), people.some(last, last + _UNSEEN)


def _learners(
    name: str, seed: int, training: People, validation: People, unseen: People, best: np.ndarray | None, changes: dict[str, Any]
) -> None:
    cca, axes = best_cca(training, validation)
    label = f"CCA, ridge {cca.ridge:g}, {axes} axes"
    _row(name, seed, label, wins(cca.table(unseen.faces, unseen.voices, axes), _SAMPLES), best, unseen)
    for label, changed in {"ours, defaults": {}, "ours, --set": changes}.items():
        if changed or label == "ours, defaults":
            ours = Ours(training, validation, changed, seed)
            _row(name, seed, label, wins(ours.table(unseen.faces, unseen.voices), _SAMPLES), best, unseen, ours)


def _row(
    name: str, seed: int, learner: str, won: np.ndarray, best: np.ndarray | None, unseen: People, ours: Ours | None = None
) -> None:
    gain = low_high = ""
    if best is not None:
        gain = f"{(share(won) - 0.5) / (share(best) - 0.5):.3f}"
        low_high = "{:.3f} to {:.3f}".format(*gain_interval(won, best, _RESAMPLES, seed))
    cost = f"{ours.best + 1} of {ours.epochs} | {ours.seconds:.0f}" if ours else " | "
    print(
        f"| {name} | {seed} | {learner} | {share(won):.3f} | {gain} | {low_high} | {share(won, unseen.gender):.3f} | {cost} |",
        flush=True,
    )


def _setting(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="*", default=[], type=_setting, metavar="KEY=VALUE", help="of train_face_voice")
    asked = parser.parse_args()
    main(asked.seeds, dict(asked.set))
