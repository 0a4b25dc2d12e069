"""The made-up worlds: the Bayes rule is the best there is, and the trainer gets most of what can be learned."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import learns  # after its folder is on the path
import worlds
from worlds import Bayes, Cca, People, World, draw, share, wins, world


def accuracy(scores: np.ndarray, people: People) -> float:
    return share(wins(scores, people.samples))


def test_with_one_axis_the_bayes_rule_is_the_log_ratio_of_numeric_integrals() -> None:
    see, hear, offset, noise = 1.3, -0.7, 0.8, 0.9
    rule = Bayes(World(np.array([[see]]), np.array([[hear]]), np.array([offset]), noise))
    faces, voices = np.array([-2.0, 0.1, 1.7]), np.array([-1.5, 0.4])
    latent = np.linspace(-12, 12, 40_001)

    def normal(value: np.ndarray, mean: np.ndarray | float, deviation: float) -> np.ndarray:
        return np.exp(-0.5 * ((value - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))

    prior = (normal(latent, -offset, 1) + normal(latent, offset, 1)) / 2
    of_face = [normal(face, see * latent, noise) for face in faces]
    of_voice = [normal(voice, hear * latent, noise) for voice in voices]
    alone = [[np.trapezoid(prior * one, latent) for one in side] for side in (of_face, of_voice)]
    both = np.array([[np.trapezoid(prior * face * voice, latent) for voice in of_voice] for face in of_face])
    np.testing.assert_allclose(rule.table(faces[:, None], voices[:, None]), np.log(both / np.outer(*alone)), atol=1e-8)


def test_no_rule_of_another_world_chooses_better_than_the_bayes_rule() -> None:
    own = world(noise=12.0, seed=3)
    people = draw(own, 150, 4, seed=4)
    best = accuracy(Bayes(own).table(people.faces, people.voices), people)
    random = np.random.default_rng(5)
    bent = replace(own, see=own.see + 0.7 * random.normal(size=own.see.shape))
    for other in (bent, replace(own, offset=3 * own.offset), replace(own, offset=-0 * own.offset), replace(own, noise=40.0)):
        assert accuracy(Bayes(other).table(people.faces, people.voices), people) <= best + 1e-3


def test_choices_drawn_from_the_latents_agree_with_those_between_samples_of_people() -> None:
    own = world(noise=12.0, seed=3)
    people = draw(own, 400, 2, seed=4)
    drawn, error = Bayes(own).one_of_two(20_000, seed=6)
    assert accuracy(Bayes(own).table(people.faces, people.voices), people) == pytest.approx(drawn, abs=4 * error + 0.015)


def test_wins_count_every_choice_between_a_right_and_a_wrong_answer() -> None:
    scores = np.array([[3.0, 1, 2, 1], [0, 2, 2, 5], [1, 1, 4, 4], [0, 9, 9, 1]])
    right = {0: (0, 1), 1: (2, 3)}

    def choice(table: np.ndarray, row: int) -> float:
        own, others = right[row // 2], right[1 - row // 2]
        return float(
            np.mean([(table[row, a] > table[row, b]) + (table[row, a] == table[row, b]) / 2 for a in own for b in others])
        )

    expected = [np.mean([choice(table, row) for table in (scores, scores.T) for row in rows]) for rows in right.values()]
    found = wins(scores, 2)
    assert [found[0, 1], found[1, 0]] == pytest.approx(expected)
    assert share(found) == pytest.approx(np.mean(expected))


def test_the_linear_baseline_finds_a_linear_world_and_misses_the_signs_of_a_folded_one() -> None:
    for folded, low, high in ((0, 0.9, 1.1), (worlds.LATENT, 0.35, 0.65)):
        of = world(noise=3.0, seed=7, folded=folded, distance=0.0 if folded == worlds.LATENT else 2.0)
        people = draw(of, 240, 4, seed=8)
        table = Cca(people.some(0, 200), ridge=0.3).table(people.some(200, 240).faces, people.some(200, 240).voices, axes=16)
        assert low < accuracy(table, people.some(200, 240)) < high


def test_the_trainer_matches_unseen_people_of_a_small_world_and_learns_nothing_from_shuffled_voices() -> None:
    of = world(noise=3.0, seed=9)
    people = draw(of, 230, 4, seed=10)
    training, validation, unseen = people.some(0, 160), people.some(160, 190), people.some(190, 230)
    quick = {"num_epochs": 12, "learning_rate": 3e-3, "embedding_dim": 32}
    best = accuracy(Bayes(of).table(unseen.faces, unseen.voices), unseen)
    learned = learns.Ours(training, validation, quick, seed=0)
    assert accuracy(learned.table(unseen.faces, unseen.voices), unseen) > 0.5 + 0.8 * (best - 0.5)
    nothing = learns.Ours(learns.shuffled(training, seed=1), validation, quick, seed=0)
    assert 0.3 < accuracy(nothing.table(unseen.faces, unseen.voices), unseen) < 0.7
