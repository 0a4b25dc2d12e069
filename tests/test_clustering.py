from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.faces.clustering import close_pairs, cluster


def _people(count: int, views: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of people who are nearly at right angles, and who is who."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(count, 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    person = np.repeat(np.arange(count), views)
    vectors = centres[person] + spread * draw.normal(size=(count * views, 64)) / 8
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), person


def _partition(labels: np.ndarray) -> set[frozenset[int]]:
    groups = defaultdict(set)
    for index, label in enumerate(labels.tolist()):
        groups[label].add(index)
    return {frozenset(group) for group in groups.values()}


def _points_on_a_circle(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_separate_people_are_found(method: str) -> None:
    vectors, person = _people(40, 4, 0.2)
    labels = cluster(vectors, [str(i) for i in range(160)], 0.2, method)
    assert _partition(labels) == _partition(person)


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_faces_of_one_clip_are_never_one_person(method: str) -> None:
    vectors = np.repeat(_points_on_a_circle([0.0]), 4, axis=0)  # four faces that look the same
    labels = cluster(vectors, ["a", "a", "b", "c"], 0.2, method)
    assert labels[0] != labels[1]
    assert len(set(labels.tolist())) == 2


def test_a_chain_is_one_person_to_connected_and_several_to_average_link() -> None:
    chain = _points_on_a_circle([0, 10, 20, 30, 40, 50, 60, 70])
    clips = [str(i) for i in range(8)]
    near = 1 - np.cos(np.radians(11))
    assert len(set(cluster(chain, clips, near, "connected").tolist())) == 1
    assert len(set(cluster(chain, clips, near, "average_link").tolist())) > 2


def test_greedy_is_the_guides_rule_and_depends_on_order() -> None:
    circle = _points_on_a_circle([0, 10, 20])
    near = 1 - np.cos(np.radians(11))
    assert _partition(cluster(circle, ["a", "b", "c"], near, "greedy")) == {frozenset({0, 1}), frozenset({2})}
    assert _partition(cluster(circle[[1, 0, 2]], ["b", "a", "c"], near, "greedy")) == {frozenset({0, 1, 2})}


def _naive_average_link(vectors: np.ndarray, clips: list[str], threshold: float) -> set[frozenset[int]]:
    distance = 1 - vectors.astype(float) @ vectors.T.astype(float)
    clusters = [frozenset([i]) for i in range(len(vectors))]
    while True:
        pairs = [
            (np.mean([distance[i, j] for i in a for j in b]), k, m)
            for k, a in enumerate(clusters)
            for m, b in enumerate(clusters[:k])
            if not {clips[i] for i in a} & {clips[j] for j in b}
        ]
        if not pairs or min(pairs)[0] > threshold:
            return set(clusters)
        _, k, m = min(pairs)
        joined = clusters[k] | clusters[m]
        clusters = [group for index, group in enumerate(clusters) if index not in (k, m)] + [joined]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 14), st.floats(0.05, 1.2))
def test_average_link_agrees_with_its_definition(seed: int, count: int, threshold: float) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(count, 5))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    clips = [str(clip) for clip in draw.integers(0, max(1, count // 2) + 1, count)]
    found = _partition(cluster(vectors, clips, threshold, "average_link"))
    linked = _partition(cluster(vectors, [str(i) for i in range(count)], threshold, "connected"))
    wanted = {part for group in linked for part in _naive_within(vectors, clips, sorted(group), threshold)}
    assert found == wanted


def _naive_within(vectors: np.ndarray, clips: list[str], group: list[int], threshold: float) -> set[frozenset[int]]:
    parts = _naive_average_link(vectors[group], [clips[i] for i in group], threshold)
    return {frozenset(group[i] for i in part) for part in parts}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["average_link", "connected"]), st.floats(0.05, 0.9))
def test_the_order_of_faces_changes_nothing(seed: int, method: str, threshold: float) -> None:
    vectors, _ = _people(5, 4, 0.9, seed)
    clips = [str(i // 2) for i in range(20)]
    order = np.random.default_rng(seed).permutation(20)
    straight = _partition(cluster(vectors, clips, threshold, method))
    shuffled = _partition(cluster(vectors[order], [clips[i] for i in order], threshold, method))
    assert {frozenset(int(order[i]) for i in group) for group in shuffled} == straight


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["average_link", "connected", "greedy"]), st.floats(0.01, 2.0))
def test_no_cluster_ever_holds_two_faces_of_a_clip(seed: int, method: str, threshold: float) -> None:
    vectors, _ = _people(4, 5, 1.5, seed)
    clips = [str(clip) for clip in np.random.default_rng(seed).integers(0, 6, 20)]
    for group in _partition(cluster(vectors, clips, threshold, method)):
        inside = [clips[i] for i in group]
        assert len(inside) == len(set(inside))


def test_close_pairs_are_exact_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onscreen.faces.neighbours._BLOCK", 7)
    vectors, _ = _people(10, 3, 0.5)
    i, j, distance = close_pairs(vectors, 0.5)
    full = 1 - vectors @ vectors.T
    wanted = {(a, b) for a, b in zip(*np.nonzero(np.triu(full <= 0.5, 1)), strict=True)}
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == wanted
    np.testing.assert_allclose(distance, full[i, j], atol=1e-6)


def test_no_face_is_no_cluster() -> None:
    assert cluster(np.empty((0, 4), np.float32), [], 0.1, "average_link").size == 0
