"""What of an embedding belongs to the person, and not to the picture or the sentence that it was taken from.

Items of one person differ: by light, words, microphones. Where training people have several items each, their spread within a person
(W) and between people (B) give the best linear prediction of a person's mean from one item, B (B + W)^-1 (x - mean), which leaves
out directions that say nothing about who it is. It is the point estimate of two-covariance PLDA in speaker recognition. Both
covariances are shrunk towards a sphere as far as Ledoit and Wolf (2004) prove best. With fewer people than an embedding has values
the spread between them is not known well enough even so: the directions in which nobody stands out would be lost for all others.
"""

from __future__ import annotations

import numpy as np

MOST_ITEMS = 20_000  # enough for covariances of some hundred values; the first items of people in their order


def personal_part(items: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(D, D) float64: multiply an item's distance from the mean by it. items: (N, D). person: (N,) whose each is.

    The identity matrix with no more people than D, or where no person has two items that differ.
    """
    from sklearn.covariance import ledoit_wolf
    from threadpoolctl import threadpool_limits

    order = np.argsort(person, kind="stable")[:MOST_ITEMS]
    of_person, rows = person[order], items[order].astype(np.float64)
    _, at, count = np.unique(of_person, return_inverse=True, return_counts=True)
    means = np.zeros((len(count), rows.shape[1]))
    np.add.at(means, at, rows)
    means /= count[:, None]
    several = count[at] > 1
    inside = (rows - means[at])[several] * np.sqrt(count[at] / np.maximum(count[at] - 1, 1))[several, None]
    if len(count) <= rows.shape[1] or not inside.any():
        return np.eye(rows.shape[1])
    with threadpool_limits(1):  # sums in one order, however many cores there are
        within = ledoit_wolf(inside, assume_centered=True)[0]
        between = ledoit_wolf(means - means.mean(axis=0), assume_centered=True)[0] - within * (1 / count).mean()
        values, vectors = np.linalg.eigh(between)
        between = (vectors * np.maximum(values, 0)) @ vectors.T
        return np.asarray(np.linalg.solve(between + within, between).T)
