import numpy as np
import pytest

from onscreen.errors import ConfigError
from onscreen.faces import neighbours
from onscreen.faces.neighbours import close_pairs, within


def _faces(count: int, size: int = 32, people: int = 60, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(people, size))
    faces = centres[draw.integers(0, people, count)] + 0.7 * draw.normal(size=(count, size))
    return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)


def _pairs(found: neighbours.Pairs) -> list[tuple[int, int]]:
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0, 1.99, 2.0])
def test_close_pairs_are_exact_across_blocks(threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    faces = _faces(60)
    faces = np.concatenate([faces, faces[:4]])
    full = 1 - faces.astype(float) @ faces.T.astype(float)
    full[:4, 60:][np.eye(4, dtype=bool)] = 0  # equal vectors
    found = close_pairs(faces, threshold)
    assert sorted(_pairs(found)) == sorted(zip(*(x.tolist() for x in np.nonzero(np.triu(full <= threshold, 1))), strict=True))
    np.testing.assert_allclose(found[2], full[found[0], found[1]], atol=1e-6)
    assert [part.dtype for part in found] == [np.int32, np.int32, np.float32]


def test_a_pair_on_the_threshold_is_measured_in_double_precision() -> None:
    faces = _faces(400, 512)
    exact = 1 - np.sum(faces[0].astype(float) * faces[1:].astype(float), axis=1) / (
        np.linalg.norm(faces[0].astype(float)) * np.linalg.norm(faces[1:].astype(float), axis=1)
    )
    for face in range(0, 399, 20):
        edge = float(np.float32(exact[face]))
        assert face in within(faces[:1], faces[1:], edge)[1]
        assert face not in within(faces[:1], faces[1:], edge - 2e-7)[1]


def test_more_pairs_than_can_be_held_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MAX_PAIRS", 1000)
    with pytest.raises(ConfigError, match=r"50 faces make more than 1000 pairs within dedupe.threshold 1.99; lower it"):
        close_pairs(_faces(50), 1.99)


def test_a_face_alone_has_no_pair() -> None:
    assert [len(part) for part in close_pairs(_faces(1), 0.5)] == [0, 0, 0]
    assert [len(part) for part in close_pairs(np.empty((0, 8), np.float32), 0.5)] == [0, 0, 0]


def test_faiss_finds_nearly_all_pairs_none_wrong_none_twice_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = _faces(6000, people=800)
    exact = _pairs(close_pairs(faces, 0.4))
    monkeypatch.setattr(neighbours, "EXACT_FACES", 5999)
    monkeypatch.setattr(neighbours, "NPROBE", 24)  # of 309 lists; all would find all
    first, second = close_pairs(faces, 0.4), close_pairs(faces, 0.4)
    found = _pairs(first)
    assert len(set(found)) == len(found)
    assert set(found) <= set(exact)
    assert len(found) > 0.99 * len(exact)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("threshold", [0.4, 1.0])
def test_a_graph_holds_all_pairs_but_those_of_crowds(threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 64)
    faces = np.concatenate([_faces(1500, people=1), _faces(500, people=100, seed=5)])
    graph = neighbours.graph(faces, threshold)
    i, j, _ = close_pairs(faces, threshold)
    assert all(graph.label[i] == graph.label[j])
    assert len(np.unique(graph.label)) == len(np.unique(neighbours._components(2000, i, j, np.arange(2000))))
    outside = ~graph.crowded[i]
    assert sorted(_pairs((graph.i, graph.j, graph.distance))) == sorted(_pairs((i[outside], j[outside], i[outside])))


def test_a_crowd_is_not_measured_again_and_pieces_change_nothing_beyond_the_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = np.concatenate([_faces(1500, people=1), _faces(500, people=100, seed=5)])
    monkeypatch.setattr(neighbours, "EXACT_FACES", 1999)
    whole = _pairs(close_pairs(faces, 0.4))
    monkeypatch.setattr(neighbours, "_FOUND", 100)
    assert _pairs(close_pairs(faces, 0.4)) == whole
    measured = []
    exact = neighbours._exact
    monkeypatch.setattr(neighbours, "_exact", lambda rows, columns, i, j: measured.append(len(i)) or exact(rows, columns, i, j))
    known = np.where(np.arange(2000) < 1500, 0, np.arange(2000))
    outside = [(i, j) for i, j in whole if known[i] != known[j]]
    found = [pair for block in neighbours.pair_blocks(faces, 0.4, known) for pair in _pairs(block)]
    assert found == outside
    assert len(outside) <= sum(measured) < len(whole) / 10
