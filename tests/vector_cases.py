"""Embeddings of people and points for tests."""

from collections import defaultdict

import numpy as np


def people(count: int, views: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of people who are nearly at right angles, and who is who."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(count, 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    person = np.repeat(np.arange(count), views)
    vectors = centres[person] + spread * draw.normal(size=(count * views, 64)) / 8
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), person


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    groups = defaultdict(set)
    for index, label in enumerate(labels.tolist()):
        groups[label].add(index)
    return {frozenset(group) for group in groups.values()}


def points_on_a_circle(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def own_clips(count: int) -> list[str]:
    return [str(face) for face in range(count)]
