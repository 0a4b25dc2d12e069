"""Corrections in indices of faces: who leaves a cluster, who goes along, and under which id."""

import numpy as np

from onscreen.faces.corrections import apart_id, chains, cut, groups_of, still_known, undone, united


def on_a_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


NOBODY = np.zeros(5, bool)
CLOSE = on_a_circle(0, 1, 2, 3, 90)
ONE_CLUSTER = np.array([0, 0, 0, 0, 4])


def test_only_the_listed_leave_their_clusters_and_are_one() -> None:
    assert cut(ONE_CLUSTER, [[1], [3, 4]], NOBODY, ~NOBODY, CLOSE).tolist() == [0, 5, 0, 6, 6]
    assert cut(ONE_CLUSTER, [[], [1]], NOBODY, ~NOBODY, CLOSE).tolist() == [0, 6, 0, 0, 4]


def test_a_new_face_goes_with_the_nearer_side_once_both_are_known() -> None:
    both, rest_only = np.array([1, 0, 0, 1, 0], bool), np.array([1, 0, 0, 0, 0], bool)
    assert cut(ONE_CLUSTER, [[3]], both, ~both, CLOSE).tolist() == [0, 0, 5, 5, 4]
    assert cut(ONE_CLUSTER, [[3]], both, NOBODY, CLOSE).tolist() == [0, 0, 0, 5, 4]
    assert cut(ONE_CLUSTER, [[3]], rest_only, ~rest_only, CLOSE).tolist() == [0, 0, 0, 5, 4]


def test_who_was_taken_out_loses_the_ledgers_id_but_not_one_given_since() -> None:
    mine = apart_id(["b", "c"])
    known = {"a": "anna", "b": "anna", "c": mine, "z": "zoe", "y": "zoe"}
    assert still_known(known, [{"b", "c"}], []) == {"a": "anna", "c": mine, "z": "zoe", "y": "zoe"}
    assert still_known({**known, "c": "zoe"}, [{"c"}], [{"c", "z"}])["c"] == "zoe"
    assert "c" not in still_known({**known, "c": "anna"}, [{"c"}], [{"c", "z"}])
    assert apart_id(["c", "b"]) == apart_id(["b"]) == mine != apart_id(["c"])


def test_people_who_become_one_are_called_as_the_ledger_calls_one_of_them() -> None:
    names = ["id_1", "zoe", "id_2", "id_0", "anna"]
    assert united(names, [[0, 2]], {"zoe", "anna"}, {"id_2"}) == ["id_2", "zoe", "id_2", "id_0", "anna"]
    assert united(names, [[0, 1], [3, 0]], {"zoe", "anna"}, ()) == ["zoe", "zoe", "id_2", "zoe", "anna"]
    assert united(names, [[1, 4], []], {"zoe", "anna"}, ()) == ["id_1", "anna", "id_2", "id_0", "anna"]


def test_everyone_of_the_same_name_comes_along() -> None:
    assert united(["x", "y", "x", "y"], [[0, 1]], (), ()) == ["x"] * 4


def test_a_cut_cluster_is_two_groups_and_others_stay_one() -> None:
    groups = groups_of(ONE_CLUSTER, ["anna", "bert", "anna", "bert", "carla"], [[1]])
    assert groups.tolist() == [0, 1, 0, 1, 2]
    assert groups_of(ONE_CLUSTER, ["anna", "bert", "anna", "bert", "carla"], []).tolist() == [0, 0, 0, 0, 1]


def test_a_merge_that_brings_back_what_a_split_took_out_is_found() -> None:
    before, after = ["a", "s", "a", "a", "z"], ["a", "a", "a", "a", "z"]
    assert undone(ONE_CLUSTER, before, after, [[1]]) == [0, 2, 3]
    assert undone(ONE_CLUSTER, before, ["a", "z", "a", "a", "z"], [[1]]) == []


def test_lists_that_share_a_face_are_one_chain() -> None:
    found = chains([[0, 1], [1, 2], []], 5).tolist()
    assert found[0] == found[1] == found[2]
    assert len(set(found[2:])) == 3
    assert len(set(chains([], 3).tolist())) == 3
