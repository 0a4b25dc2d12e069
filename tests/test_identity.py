from typing import Any

import numpy as np
import pytest

from onscreen.faces import identity
from onscreen.faces.identity import merges, name_clusters, nearest, representative, strays
from vector_cases import people, points_on_a_circle


def test_a_cluster_without_a_known_face_is_named_after_its_smallest_key() -> None:
    vectors = points_on_a_circle([0, 1, 90])
    names = name_clusters(np.array([0, 0, 2]), ["b", "a", "c"], ["1", "2", "3"], vectors, {})
    again = name_clusters(np.array([0, 1, 1]), ["c", "a", "b"], ["3", "2", "1"], vectors[[2, 1, 0]], {})
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("id_") and len(name) == 15 for name in names)
    assert [again[2], again[1], again[0]] == names


def test_new_faces_join_the_nearest_known_face_and_known_faces_keep_their_id() -> None:
    vectors = points_on_a_circle([0, 1, 9, 10])
    known = {"k1": "anna", "k2": "bert"}
    keys = ["k1", "new1", "new2", "k2"]
    names = name_clusters(np.zeros(4, int), keys, list("abcd"), vectors, known)
    assert names == ["anna", "anna", "bert", "bert"]
    [merge] = merges(np.zeros(4, int), names, keys, known)
    assert merge.identity_ids == ("anna", "bert")
    assert merge.keys == ("k1", "k2", "new1", "new2")
    assert merges(np.array([0, 0, 1, 1]), names, keys, known) == []


def test_a_new_face_as_near_to_two_known_ones_takes_the_one_of_the_smaller_key() -> None:
    vectors = points_on_a_circle([10, 0, 20])
    names = name_clusters(np.zeros(3, int), ["new", "k2", "k1"], list("abc"), vectors[[0, 1, 1]], {"k1": "anna", "k2": "bert"})
    assert names == ["anna", "bert", "anna"]


def test_naming_visits_every_face_once() -> None:
    class Counted(list[str]):
        reads = 0

        def __getitem__(self, index: Any) -> Any:
            Counted.reads += 1
            return super().__getitem__(index)

    count = 3000
    keys = Counted(f"{face:05}" for face in range(count))
    known = {keys[face]: "anna" for face in range(0, count, 2)}
    Counted.reads = 0
    name_clusters(np.zeros(count, int), keys, [str(face) for face in range(count)], np.ones((count, 1), np.float32), known)
    assert Counted.reads < 20 * count


def test_a_known_face_far_from_all_others_of_its_name_is_a_stray() -> None:
    vectors = points_on_a_circle([0, 1, 90, 91, 0])
    keys, names = ["k1", "k2", "k3", "k4", "new"], ["anna", "anna", "anna", "bert", "anna"]
    known = {"k1": "anna", "k2": "anna", "k3": "anna", "k4": "bert"}
    [(stray, distance)] = strays(names, keys, vectors, known, 0.1)
    assert stray == 2
    assert distance == pytest.approx(1 - np.cos(np.radians(89)), abs=1e-6)


def test_the_ledger_cannot_put_two_new_faces_of_one_clip_into_one_person() -> None:
    vectors = points_on_a_circle([0, 1, 90, 91])
    names = name_clusters(
        np.array([0, 0, 2, 2]), ["k1", "new1", "k2", "new2"], ["a", "x", "b", "x"], vectors, {"k1": "anna", "k2": "anna"}
    )
    assert names[0] == names[1] == names[2] == "anna"
    assert names[3].startswith("id_")


def test_the_representative_is_central_and_of_good_quality() -> None:
    central = points_on_a_circle([0, 10, 20])
    assert representative(central, np.ones(3)) == 1
    assert representative(central, np.array([1.0, 0.01, 1.0])) != 1
    assert representative(points_on_a_circle([0, 10]), np.array([0.4, 0.9])) == 1
    assert representative(points_on_a_circle([5]), np.array([0.0])) == 0
    assert representative(points_on_a_circle([5, 5]), np.array([0.2, 0.3])) == 1


def test_the_medoid_is_that_of_all_distances() -> None:
    vectors, _ = people(1, 200, 0.8)
    quality = np.random.default_rng(1).uniform(0.1, 1, 200)
    distances = 1 - vectors.astype(float) @ vectors.T.astype(float)
    assert representative(vectors, quality) == int((distances @ quality / quality).argmin())


def test_the_nearest_other_face_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = people(5, 4, 0.8)
    everyone = np.arange(20)
    whole = nearest(vectors, everyone, everyone)
    distances = 1 - vectors @ vectors.T
    np.fill_diagonal(distances, np.inf)
    assert whole[0].tolist() == distances.argmin(1).tolist()
    monkeypatch.setattr(identity, "_BLOCK", 3)
    assert nearest(vectors, everyone, everyone)[0].tolist() == whole[0].tolist()
    assert nearest(vectors, np.array([3]), np.array([3]))[1].tolist() == [np.inf]
