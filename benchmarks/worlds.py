"""Made-up worlds of people of whom it is known how well faces and voices can be matched at all.

A person is a latent h = z + g d: z ~ N(0, 1) in each of 16 axes is the identity, g = -1 or 1 with equal chance is the gender, d a
fixed offset. A sample of a face is A f(h) + noise (128 values), one of a voice B s(h) + noise (256 values): A and B have
independent N(0, 1) entries, the noise is drawn anew for every sample and is isotropic. In the linear world f(h) = s(h) = h.
In the folded world the voice tells of `folded` axes only how far they are from 0, which no linear map can match with a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LATENT, FACE, VOICE = 16, 128, 256
GENDERS = np.array([-1.0, 1.0])


@dataclass(frozen=True)
class World:
    """see, hear: (128, 16), (256, 16), the views A and B. offset: (16,), d. noise: deviation. folded: axes heard without sign."""

    see: np.ndarray
    hear: np.ndarray
    offset: np.ndarray
    noise: float
    folded: int = 0

    def heard(self, latent: np.ndarray) -> np.ndarray:
        """s(h): |h| in the folded axes, centred and scaled to unit variance where d is 0 there; h in the others."""
        folded = (np.abs(latent[:, : self.folded]) - np.sqrt(2 / np.pi)) / np.sqrt(1 - 2 / np.pi)
        return np.concatenate([folded, latent[:, self.folded :]], axis=1)


@dataclass(frozen=True)
class People:
    """Samples of n people, k of each, in the order of people. faces: (n k, 128). voices: (n k, 256). gender: (n,) -1 or 1."""

    faces: np.ndarray
    voices: np.ndarray
    gender: np.ndarray

    @property
    def samples(self) -> int:
        return len(self.faces) // len(self.gender)

    def some(self, first: int, last: int) -> People:
        """People first to last - 1."""
        rows = slice(first * self.samples, last * self.samples)
        return People(self.faces[rows], self.voices[rows], self.gender[first:last])


def world(noise: float, seed: int, distance: float = 2.0, folded: int = 0) -> World:
    """A world drawn from a seed. distance: length of d, of a latent whose axes have deviation 1; 0: no gender."""
    random = np.random.default_rng(seed)
    see, hear = random.normal(size=(FACE, LATENT)), random.normal(size=(VOICE, LATENT))
    offset = np.concatenate([np.zeros(folded), random.normal(size=LATENT - folded)])
    return World(see, hear, distance * offset / max(float(np.linalg.norm(offset)), 1e-9), noise, folded)


def draw(of: World, people: int, samples: int, seed: int) -> People:
    """People of a world; the same for the same seed."""
    random = np.random.default_rng([seed, 1])
    gender = random.choice(GENDERS, people)
    latent = random.normal(size=(people, len(of.offset))) + gender[:, None] * of.offset
    latent = np.repeat(latent, samples, axis=0)
    faces, voices = latent @ of.see.T, of.heard(latent) @ of.hear.T
    return People(
        faces + of.noise * random.normal(size=faces.shape), voices + of.noise * random.normal(size=voices.shape), gender
    )


class Bayes:
    """The best matcher of a linear world: log p(face, voice) - log p(face) p(voice), every term in closed form.

    The least-squares latents u of a face and v of a voice keep all that face and voice tell of h (sufficient statistics):
    u = h + N(0, noise^2 (A'A)^-1). Given g, (u, v) is Gaussian with mean (g d, g d); the gender is summed out of each density.
    With J the precision of (u, v) and Q that of u or v alone, the log density is a term of the face, one of the voice (both of g)
    and -(u - g d)' J_uv (v - g d). Of two voices the more likely one is the one with the larger score.
    """

    def __init__(self, of: World) -> None:
        self.world = of
        self.from_face, self.from_voice = np.linalg.pinv(of.see), np.linalg.pinv(of.hear)
        one = np.eye(len(of.offset))
        self.noise_u = of.noise**2 * np.linalg.inv(of.see.T @ of.see)
        self.noise_v = of.noise**2 * np.linalg.inv(of.hear.T @ of.hear)
        joint = np.linalg.inv(np.block([[one + self.noise_u, one], [one, one + self.noise_v]]))
        size = len(one)
        self.uu, self.uv, self.vv = joint[:size, :size], joint[:size, size:], joint[size:, size:]
        self.u, self.v = np.linalg.inv(one + self.noise_u), np.linalg.inv(one + self.noise_v)
        logs = [np.linalg.slogdet(precision)[1] / 2 for precision in (joint, self.u, self.v)]
        self.constant = logs[0] - logs[1] - logs[2] - np.log(0.5)

    def table(self, faces: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """faces: (N, 128). voices: (M, 256). Returns (N, M) scores, natural logarithms."""
        u, v = faces @ self.from_face.T, voices @ self.from_voice.T
        (of_u, alone_u), (of_v, alone_v) = self._terms(u, v)
        either = np.logaddexp(of_u[:, None, 0] + of_v[None, :, 0], of_u[:, None, 1] + of_v[None, :, 1])
        return either - (u @ self.uv) @ v.T - alone_u[:, None] - alone_v[None, :] + self.constant

    def pairs(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """u, v: (N, 16) least-squares latents. Returns (N,) scores of row i with row i."""
        (of_u, alone_u), (of_v, alone_v) = self._terms(u, v)
        return np.logaddexp.reduce(of_u + of_v, axis=1) - ((u @ self.uv) * v).sum(axis=1) - alone_u - alone_v + self.constant

    def one_of_two(self, trials: int, seed: int) -> tuple[float, float]:
        """Accuracy over `trials` choices between the right voice and a stranger's, and its standard error."""
        random = np.random.default_rng(seed)
        size = len(self.world.offset)
        latents = [random.normal(size=(trials, size)) + random.choice(GENDERS, (trials, 1)) * self.world.offset for _ in "ab"]
        spread_u, spread_v = np.linalg.cholesky(self.noise_u).T, np.linalg.cholesky(self.noise_v).T
        u = latents[0] + random.normal(size=(trials, size)) @ spread_u
        right, wrong = (latent + random.normal(size=(trials, size)) @ spread_v for latent in latents)
        accuracy = float((self.pairs(u, right) > self.pairs(u, wrong)).mean())
        return accuracy, float(np.sqrt(accuracy * (1 - accuracy) / trials))

    def _terms(self, u: np.ndarray, v: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Of each side: (N, 2) what belongs to a gender in log p(u, v | g), and (N,) log p of the side alone."""
        cross = self.uv @ self.world.offset, self.world.offset @ self.uv
        same = 0.5 * float(self.world.offset @ self.uv @ self.world.offset)
        return (
            (self._square(u, self.uu) + np.outer(u @ cross[0], GENDERS) - same, np.logaddexp.reduce(self._square(u, self.u), 1)),
            (self._square(v, self.vv) + np.outer(v @ cross[1], GENDERS) - same, np.logaddexp.reduce(self._square(v, self.v), 1)),
        )

    def _square(self, latent: np.ndarray, precision: np.ndarray) -> np.ndarray:
        centred = [latent - gender * self.world.offset for gender in GENDERS]
        return np.stack([-0.5 * ((one @ precision) * one).sum(axis=1) for one in centred], axis=1)


def noise_for(accuracy: float, seed: int, trials: int = 200_000, steps: int = 12) -> float:
    """The noise with which the best matcher of world(noise, seed) chooses right this often, by bisection on the same draws."""
    low, high = 4.0, 64.0
    for _ in range(steps):
        middle = float(np.sqrt(low * high))
        found, _ = Bayes(world(middle, seed)).one_of_two(trials, seed)
        low, high = (middle, high) if found > accuracy else (low, middle)
    return float(np.sqrt(low * high))


@dataclass(frozen=True)
class Cca:
    """Regularised linear CCA. Each view is whitened with its covariance, to which `ridge` of its mean variance is added; the
    cross-covariance is that of all 100 combinations a person has, i.e. of the people's means; `axes` of it are kept, weighed by
    the root of their correlation; score: cosine."""

    training: People
    ridge: float

    @cached_property
    def _solution(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        faces, voices = self.training.faces - self._means[0], self.training.voices - self._means[1]
        white = [_whitening(view, self.ridge) for view in (faces, voices)]
        of_people = [view.reshape(-1, self.training.samples, view.shape[1]).mean(axis=1) for view in (faces, voices)]
        left, correlation, right = np.linalg.svd(
            white[0] @ (of_people[0].T @ of_people[1] / len(of_people[0])) @ white[1], full_matrices=False
        )
        return white[0] @ left, white[1] @ right.T, correlation

    @cached_property
    def _means(self) -> tuple[np.ndarray, np.ndarray]:
        return self.training.faces.mean(axis=0), self.training.voices.mean(axis=0)

    def table(self, faces: np.ndarray, voices: np.ndarray, axes: int) -> np.ndarray:
        """(N, M) cosine."""
        left, right, correlation = self._solution
        weights = np.sqrt(correlation[:axes])
        seen, heard = (faces - self._means[0]) @ left[:, :axes] * weights, (voices - self._means[1]) @ right[:, :axes] * weights
        return unit(seen) @ unit(heard).T


def best_cca(training: People, validation: People) -> tuple[Cca, int]:
    """Ridge and number of axes that choose best on the validation people."""
    solved = [Cca(training, ridge) for ridge in (0.1, 0.3, 1.0, 3.0)]
    tried = [(cca, axes) for cca in solved for axes in (4, 8, 12, 16, 24, 48)]

    def accuracy(one: tuple[Cca, int]) -> float:
        return share(wins(one[0].table(validation.faces, validation.voices, one[1]), validation.samples))

    return max(tried, key=accuracy)


def _whitening(view: np.ndarray, ridge: float) -> np.ndarray:
    covariance = view.T @ view / len(view)
    values, vectors = np.linalg.eigh(covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    return (vectors / np.sqrt(values)) @ vectors.T


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def wins(scores: np.ndarray, samples: int) -> np.ndarray:
    """(P, P): how often, asked by an item of person i, a right answer scores above a wrong one of person j; the mean of both ways.

    scores: (P samples, P samples), items in the order of people. Ties count one half; the diagonal is NaN.
    """
    return (_wins(scores, samples) + _wins(scores.T, samples)) / 2


def _wins(scores: np.ndarray, samples: int) -> np.ndarray:
    people = len(scores) // samples
    found = np.zeros((people, people))
    for row, answers in enumerate(scores):
        person = row // samples
        right = np.sort(answers[person * samples : (person + 1) * samples])
        below, not_above = (np.searchsorted(right, answers, side=side) for side in ("left", "right"))
        found[person] += (1 - (below + not_above) / (2 * samples)).reshape(people, samples).mean(axis=1)
    np.fill_diagonal(found, np.nan)
    return found / samples


def share(won: np.ndarray, gender: np.ndarray | None = None, drawn: np.ndarray | None = None) -> float:
    """1:2 accuracy from wins. gender: (P,), only wrong answers of the asker's gender. drawn: (P,) how often a person counts."""
    weights = ~np.isnan(won) if gender is None else ~np.isnan(won) & (gender[:, None] == gender)
    if drawn is not None:
        weights = weights * np.outer(drawn, drawn)
    return float((np.nan_to_num(won) * weights).sum() / weights.sum())


def gain_interval(won: np.ndarray, best: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """95% interval of gain over chance by the best matcher's on the same people, people drawn anew."""
    random = np.random.default_rng(seed)
    people = len(won)
    drawn = [np.bincount(random.integers(people, size=people), minlength=people) for _ in range(resamples)]
    found = [(share(won, drawn=one) - 0.5) / (share(best, drawn=one) - 0.5) for one in drawn]
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)
