import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.errors import ConfigError, CorruptTable
from onscreen.faces import clustering, linking, neighbours
from onscreen.faces.clustering import average_link, cluster, clusters_at
from vector_cases import own_clips, partition, people, points_on_a_circle


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_separate_people_are_found(method: str) -> None:
    vectors, person = people(40, 4, 0.2)
    labels = cluster(vectors, [str(i) for i in range(160)], 0.2, method)
    assert partition(labels) == partition(person)


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_faces_of_one_clip_are_never_one_person(method: str) -> None:
    vectors = np.repeat(points_on_a_circle([0.0]), 4, axis=0)  # four faces that look the same
    labels = cluster(vectors, ["a", "a", "b", "c"], 0.2, method)
    assert labels[0] != labels[1]
    assert len(set(labels.tolist())) == 2


def test_a_chain_is_one_person_to_connected_and_several_to_average_link() -> None:
    chain = points_on_a_circle([0, 10, 20, 30, 40, 50, 60, 70])
    clips = [str(i) for i in range(8)]
    near = 1 - np.cos(np.radians(11))
    assert len(set(cluster(chain, clips, near, "connected").tolist())) == 1
    assert len(set(cluster(chain, clips, near, "average_link").tolist())) > 2


def test_greedy_is_the_guides_rule_and_depends_on_order() -> None:
    circle = points_on_a_circle([0, 10, 20])
    near = 1 - np.cos(np.radians(11))
    assert partition(cluster(circle, ["a", "b", "c"], near, "greedy")) == {frozenset({0, 1}), frozenset({2})}
    assert partition(cluster(circle[[1, 0, 2]], ["b", "a", "c"], near, "greedy")) == {frozenset({0, 1, 2})}


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
    found = partition(cluster(vectors, clips, threshold, "average_link"))
    linked = partition(cluster(vectors, [str(i) for i in range(count)], threshold, "connected"))
    wanted = {part for group in linked for part in _naive_within(vectors, clips, sorted(group), threshold)}
    assert found == wanted


def _naive_within(vectors: np.ndarray, clips: list[str], group: list[int], threshold: float) -> set[frozenset[int]]:
    parts = _naive_average_link(vectors[group], [clips[i] for i in group], threshold)
    return {frozenset(group[i] for i in part) for part in parts}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(["average_link", "connected"]), st.floats(0.05, 0.9))
def test_the_order_of_faces_changes_nothing(seed: int, method: str, threshold: float) -> None:
    vectors, _ = people(5, 4, 0.9, seed)
    clips = [str(i // 2) for i in range(20)]
    order = np.random.default_rng(seed).permutation(20)
    straight = partition(cluster(vectors, clips, threshold, method))
    shuffled = partition(cluster(vectors[order], [clips[i] for i in order], threshold, method))
    assert {frozenset(int(order[i]) for i in group) for group in shuffled} == straight


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["average_link", "connected", "greedy"]), st.floats(0.01, 2.0))
def test_no_cluster_ever_holds_two_faces_of_a_clip(seed: int, method: str, threshold: float) -> None:
    vectors, _ = people(4, 5, 1.5, seed)
    clips = [str(clip) for clip in np.random.default_rng(seed).integers(0, 6, 20)]
    for group in partition(cluster(vectors, clips, threshold, method)):
        inside = [clips[i] for i in group]
        assert len(inside) == len(set(inside))


def test_no_face_is_no_cluster() -> None:
    assert cluster(np.empty((0, 4), np.float32), [], 0.1, "average_link").size == 0


METHODS = ["average_link", "connected", "greedy"]


@pytest.mark.parametrize("method", METHODS)
def test_one_face_is_one_person_and_two_are_one_or_two(method: str) -> None:
    assert cluster(points_on_a_circle([0]), ["a"], 0.1, method).tolist() == [0]
    assert cluster(points_on_a_circle([0, 1]), ["a", "b"], 0.1, method).tolist() == [0, 0]
    assert cluster(points_on_a_circle([0, 90]), ["a", "b"], 0.1, method).tolist() == [0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_at_threshold_0_only_equal_vectors_are_one_person(method: str) -> None:
    vectors, _ = people(20, 1, 0.0, 3)
    twice = np.concatenate([vectors, vectors])
    labels = cluster(twice, own_clips(40), 0.0, method)
    assert labels.tolist() == [*range(20), *range(20)]


@pytest.mark.parametrize("method", METHODS)
def test_at_threshold_2_everyone_is_one_person(method: str) -> None:
    vectors, _ = people(300, 1, 0.0)
    assert set(cluster(vectors, own_clips(300), 2.0, method).tolist()) == {0}


@pytest.mark.parametrize("method", METHODS)
def test_embeddings_of_no_use_are_refused_by_row(method: str) -> None:
    vectors, _ = people(4, 2, 0.1)
    broken = vectors.copy()
    broken[5, 3] = np.nan
    with pytest.raises(CorruptTable, match=r"row 5 .*not finite"):
        cluster(broken, own_clips(8), 0.2, method)
    with pytest.raises(CorruptTable, match=r"row 0 .*length 2, not 1.* and 7 more"):
        cluster(2 * vectors, own_clips(8), 0.2, method)
    with pytest.raises(CorruptTable, match=r"shape \(64,\)"):
        cluster(vectors[0], ["a"], 0.2, method)


def test_bad_embeddings_are_told_with_their_reasons() -> None:
    vectors, _ = people(3, 2, 0.1)
    vectors[1, 0], vectors[4] = np.inf, 0
    assert clustering.bad_embeddings(vectors) == {1: "not finite", 4: "length 0, not 1"}


@pytest.mark.parametrize("threshold", [-0.1, 2.1, float("nan")])
def test_a_threshold_that_no_distance_can_have_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 2"):
        cluster(points_on_a_circle([0, 10]), ["a", "b"], threshold, "average_link")


@pytest.mark.parametrize("method", METHODS)
def test_equal_faces_fill_as_few_people_as_their_clips_allow(method: str) -> None:
    vectors = np.repeat(points_on_a_circle([20.0]), 10_000, axis=0)
    assert len(set(cluster(vectors, own_clips(10_000), 0.2, method).tolist())) == 1
    assert len(set(cluster(vectors, [str(i // 4) for i in range(10_000)], 0.2, method).tolist())) == 4


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 40), st.floats(0.05, 1.2), st.booleans())
def test_crowds_and_held_pairs_give_the_same_people(seed: int, count: int, threshold: float, shared_clips: bool) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(count, 5))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    clips = [str(clip) for clip in draw.integers(0, count // 2 + 1, count)] if shared_clips else own_clips(count)
    node, clusters = clustering._nodes(vectors, np.unique(clips, return_inverse=True)[1])
    found = neighbours.graph(clusters.means, threshold)
    crowd = neighbours.Graph(found.label, np.ones_like(found.crowded), *neighbours.no_pairs())
    held = partition(linking.link(clusters, found, threshold)[node])
    again = clustering._nodes(vectors, np.unique(clips, return_inverse=True)[1])[1]
    assert partition(linking.link(again, crowd, threshold)[node]) == held


@pytest.mark.parametrize("method", ["average_link", "connected"])
def test_a_crowd_is_clustered_without_holding_its_pairs(method: str) -> None:
    """3,000 faces of one person are 4.5 million pairs; a matrix of their distances alone would be 36 MB."""
    vectors, _ = people(1, 3000, 0.3)
    others, _ = people(30, 5, 0.2, seed=1)
    faces = np.concatenate([vectors, others])
    found = neighbours.graph(faces, 0.2)
    assert found.crowded[:3000].all()
    assert not found.crowded[3000:].any()
    assert len(found.i) == 30 * 10
    assert len(set(cluster(faces, own_clips(len(faces)), 0.2, method).tolist())) == 31


def test_the_loop_over_leaders_is_what_greedy_does() -> None:
    vectors, _ = people(150, 8, 1.1, seed=2)
    clips = [str(clip) for clip in np.random.default_rng(0).integers(0, 900, len(vectors))]
    leaders: list[int] = []
    members: dict[int, set[str]] = {}
    wanted = []
    for face, vector in enumerate(vectors.astype(float)):
        close = (k for k in leaders if 1 - vector @ vectors[k].astype(float) <= 0.45 and clips[face] not in members[k])
        leader = next(close, face)
        if leader == face:
            leaders.append(face)
        members.setdefault(leader, set()).add(clips[face])
        wanted.append(leader)
    assert cluster(vectors, clips, 0.45, "greedy").tolist() == wanted
    assert 150 < len(leaders) < 1200


def test_connected_joins_the_nearest_first_where_a_clip_keeps_faces_apart() -> None:
    circle = points_on_a_circle([0, 10, 14])  # the middle one is nearer to the last; first and last are of one clip
    near = 1 - np.cos(np.radians(11))
    assert partition(cluster(circle, ["a", "b", "a"], near, "connected")) == {frozenset({0}), frozenset({1, 2})}


def test_average_link_over_a_matrix_keeps_groups_apart() -> None:
    distances = np.array([[0, 0.1, 0.4], [0.1, 0, 0.1], [0.4, 0.1, 0]])
    assert average_link(distances, np.array([0, 1, 2]), 0.3).tolist() == [0, 0, 0]
    assert average_link(distances, np.array([0, 1, 1]), 0.3).tolist() == [0, 0, 2]


@pytest.mark.parametrize("method", ["average_link", "connected"])
def test_people_are_the_same_where_faces_are_too_many_for_exact_search(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, person = people(300, 6, 0.3)
    monkeypatch.setattr(neighbours, "EXACT_FACES", 1000)
    assert partition(cluster(vectors, own_clips(len(vectors)), 0.3, method)) == partition(person)


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_several_thresholds_at_once_give_what_each_gives_alone(method: str, seed: int, count: int, views: int) -> None:
    vectors, _ = people(count, views, 0.6, seed)
    clips = [str(index // 2) for index in range(len(vectors))]
    thresholds = [0.3, 0.05, 0.12]
    together = clusters_at(vectors, clips, thresholds, method)
    assert [labels.tolist() for labels in together] == [
        cluster(vectors, clips, threshold, method).tolist() for threshold in thresholds
    ]


def test_several_thresholds_at_once_split_crowds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onscreen.faces.neighbours._CROWD", 1)
    vectors, _ = people(30, 20, 0.5)
    clips = [str(index) for index in range(len(vectors))]
    for method in ("average_link", "connected"):
        together = clusters_at(vectors, clips, [1.2, 0.1, 0.2], method)
        assert [labels.tolist() for labels in together] == [
            cluster(vectors, clips, threshold, method).tolist() for threshold in (1.2, 0.1, 0.2)
        ]
