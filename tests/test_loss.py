"""The losses against sums written out by hand, and the temperature that is learned."""

import math

import numpy as np
import pytest
import torch

from onscreen.matching.loss import Contrastive, infonce, siglip


def batch(people: list[int], dim: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    face, voice = (torch.from_numpy(random.normal(size=(len(people), dim))) for _ in range(2))
    return torch.nn.functional.normalize(face), torch.nn.functional.normalize(voice), torch.tensor(people)


def written_out_infonce(logits: np.ndarray, people: list[int]) -> float:
    losses = []
    for one in (logits, logits.T):
        for i in range(len(people)):
            kept = [j for j in range(len(people)) if j == i or people[j] != people[i]]
            losses.append(math.log(sum(math.exp(one[i, j]) for j in kept)) - one[i, i])
    return sum(losses) / len(losses)


def written_out_siglip(logits: np.ndarray, people: list[int]) -> float:
    total = 0.0
    for i in range(len(people)):
        for j in range(len(people)):
            if i == j:
                total += math.log1p(math.exp(-logits[i, j]))
            elif people[i] != people[j]:
                total += math.log1p(math.exp(logits[i, j]))
    return total / len(people)


@pytest.mark.parametrize("people", [[0, 1, 2, 3], [0, 1, 0, 2, 1, 3], [0, 1]])
def test_losses_equal_the_sums_written_out(people: list[int]) -> None:
    face, voice, person = batch(people)
    logits = face @ voice.T / 0.07
    assert infonce(logits, person).item() == pytest.approx(written_out_infonce(logits.numpy(), people))
    assert siglip(logits - 3, person).item() == pytest.approx(written_out_siglip(logits.numpy() - 3, people))


def test_another_clip_of_the_same_person_is_not_a_negative() -> None:
    face, voice, person = batch([0, 1, 0])
    logits = face @ voice.T
    changed = logits.clone()
    changed[0, 2] += 5
    for loss in (infonce, siglip):
        assert loss(logits, person).item() == loss(changed, person).item()
        assert loss(changed, torch.tensor([0, 1, 2])).item() > loss(logits, torch.tensor([0, 1, 2])).item()


@pytest.mark.parametrize("kind", ["infonce", "siglip"])
def test_gradients_reach_a_learned_temperature_and_no_fixed_one(kind: str) -> None:
    face, voice, person = (value.float() if value.is_floating_point() else value for value in batch([0, 1, 2]))
    learned, fixed = Contrastive(kind, 0.07, True), Contrastive(kind, 0.07, False)
    assert learned(face, voice, person).item() == fixed(face, voice, person).item()
    learned(face, voice, person).backward()
    assert learned.log_scale.grad is not None
    assert learned.log_scale.grad.item() != 0
    assert not fixed.log_scale.requires_grad
    assert fixed.bias.requires_grad == (kind == "siglip")


def test_a_learned_temperature_stays_between_a_hundredth_and_one() -> None:
    loss = Contrastive("infonce", 0.07, True)
    for value, expected in ((9.0, 0.01), (-3.0, 1.0), (1.0, math.exp(-1.0))):
        with torch.no_grad():
            loss.log_scale.fill_(value)
        loss.clamp()
        assert loss.temperature == pytest.approx(expected)


def test_equal_scores_cost_the_logarithm_of_the_batch() -> None:
    assert infonce(torch.zeros(7, 7), torch.arange(7)).item() == pytest.approx(math.log(7))
