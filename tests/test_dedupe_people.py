"""Embeddings, ledger and a person's word together: who wins, what is told, and which side a person ends on."""

from typing import Any

import numpy as np
import pytest

from onscreen.config import Dedupe, Faces, Split
from onscreen.errors import ConfigError, MixedModelsError
from onscreen.ledger import LedgerRow, freeze
from onscreen.overrides import Overrides, resolve
from onscreen.records import Face, Identity, Reject, SplitRow
from onscreen.stages.dedupe import run, threshold_of
from onscreen.stages.split import assign
from test_dedupe import face

CLOSE = [face("a", 0), face("b", 5), face("c", 90)]
Decided = tuple[dict[str, str], dict[str, str], set[tuple[str, str]]]


def ledger_of(**people: str) -> dict[str, LedgerRow]:
    """anna_train: the id and the side."""
    rows = [(face(name, 0).key, name, *person.rsplit("_", 1)) for name, person in people.items()]
    return {row[0]: LedgerRow(*row) for row in rows}


def decide(faces: list[Face], ledger: dict[str, LedgerRow] | None = None, **overrides: Any) -> Decided:
    """identity and side by face_id, and what is told."""
    known = ledger or {}
    found = list(run(Dedupe(), 0.1, faces, known, resolve(Overrides(**overrides), faces, known, "o")))
    people = [one for one in found if isinstance(one, Identity)]
    sides = list(assign(Split(), people, known))
    told = {(one.item, one.code) for one in [*found, *sides] if isinstance(one, Reject)}
    return {one.face_id: one.identity_id for one in people}, {s.face_id: s.split for s in sides if isinstance(s, SplitRow)}, told


def test_a_merge_wins_over_the_embeddings() -> None:
    names, _, told = decide(CLOSE, merge=(("a", "c"),))
    assert names["a"] == names["b"] == names["c"]
    assert told == set()


def test_a_split_wins_over_the_embeddings() -> None:
    names, _, _ = decide(CLOSE, split=(("b",),))
    assert len(set(names.values())) == 3


def test_a_face_moves_to_the_right_person_by_split_and_merge() -> None:
    names, _, told = decide([*CLOSE, face("d", 3), face("e", 92)], split=(("b",),), merge=(("b", "c"),))
    assert names["a"] == names["d"] != names["b"]
    assert names["b"] == names["c"] == names["e"]
    assert told == set()


def test_a_merge_wins_over_the_ledgers_identities() -> None:
    ledger = ledger_of(a="bert_train", c="anna_train")
    names, sides, told = decide(CLOSE, ledger, merge=(("a", "c"),))
    assert set(names.values()) == {"anna"}
    assert set(sides.values()) == {"train"}
    assert told == set()


def test_a_merge_over_two_sides_is_quarantined_until_the_ledger_is_corrected() -> None:
    names, sides, told = decide(CLOSE, ledger_of(a="bert_train", c="anna_test"), merge=(("a", "c"),))
    assert set(names.values()) == {"anna"}
    assert set(sides.values()) == {"quarantine"}
    assert told == {("anna", "two_sides")}
    assert set(decide(CLOSE, ledger_of(a="bert_test", c="anna_test"), merge=(("a", "c"),))[1].values()) == {"test"}


def test_a_split_frees_two_who_look_alike_from_quarantine() -> None:
    ledger = ledger_of(a="anna_train", b="bert_test")
    _, sides, told = decide(CLOSE, ledger)
    assert (sides["a"], sides["b"]) == ("quarantine", "quarantine")
    assert ("a", "ledger_merge") in told
    names, sides, told = decide([*CLOSE, face("new", 4.5)], ledger, split=(("b",),))
    assert (sides["a"], sides["b"], sides["new"]) == ("train", "test", "test")
    assert names["a"] == "anna" != names["b"] == names["new"]
    assert told == set()


def test_a_split_face_loses_the_ledgers_id_and_keeps_its_side() -> None:
    ledger = ledger_of(a="anna_val", b="anna_val", c="zoe_train")
    names, sides, _ = decide(CLOSE, ledger, split=(("b",),))
    assert names["a"] == "anna" != names["b"]
    assert sides == {"a": "val", "b": "val", "c": "train"}


def test_freezing_a_split_changes_nothing() -> None:
    faces = [*CLOSE, face("d", 4.9)]
    ledger = ledger_of(a="anna_val", b="anna_val")
    for _ in range(3):
        found = list(run(Dedupe(), 0.1, faces, ledger, resolve(Overrides(split=(("b",),)), faces, ledger, "o")))
        people = [one for one in found if isinstance(one, Identity)]
        names = {one.face_id: one.identity_id for one in people}
        assert names["a"] == "anna" != names["b"] == names["d"]
        sides = [one for one in assign(Split(), people, ledger) if isinstance(one, SplitRow)]
        ledger = freeze(ledger, people, sides)


def test_a_rejected_face_has_no_identity_and_says_why() -> None:
    names, sides, told = decide(CLOSE, reject=("b",))
    assert names.keys() == sides.keys() == {"a", "c"}
    assert told == {("b", "rejected_by_hand")}
    assert decide(CLOSE, reject=("a", "b", "c"))[0] == {}


def test_a_rename_is_shown_and_the_ledger_keeps_the_old_id() -> None:
    ledger, rename = ledger_of(a="anna_train"), {"anna": "p0017"}
    found = list(run(Dedupe(), 0.1, CLOSE, ledger, resolve(Overrides(rename=rename), CLOSE, ledger, "o")))
    people = [one for one in found if isinstance(one, Identity)]
    assert [one.identity_id for one in people[:2]] == ["p0017", "p0017"]
    sides = [one for one in assign(Split(), people, ledger) if isinstance(one, SplitRow)]
    grown = freeze(ledger, people, sides)
    assert {row.face_id: row.identity_id for row in grown.values()}["b"] == "anna"
    assert decide(CLOSE, grown, rename=rename)[0]["b"] == "p0017"


@pytest.mark.parametrize("ledger", [ledger_of(a="anna_train", c="bert_train"), ledger_of(a="anna_train", gone="bert_train")])
def test_a_rename_onto_somebody_else_is_refused(ledger: dict[str, LedgerRow]) -> None:
    with pytest.raises(ConfigError, match="anna would be called bert"):
        decide(CLOSE, ledger, rename={"anna": "bert"})


def test_what_has_vanished_is_told_and_stops_nothing() -> None:
    names, _, told = decide(CLOSE, merge=(("a", "gone"),), split=(("lost",),), rename={"id_x": "y"})
    assert len(set(names.values())) == 2
    assert told == {("gone", "correction_vanished"), ("lost", "correction_vanished"), ("id_x", "correction_vanished")}


def test_a_merge_that_undoes_a_split_is_told() -> None:
    names, _, told = decide([*CLOSE, face("d", 3)], split=(("b",),), merge=(("b", "a"),))
    assert names["a"] == names["b"]
    assert told == {("a", "correction_undone"), ("d", "correction_undone")}


def test_two_of_one_clip_become_one_only_by_a_persons_word() -> None:
    faces = [face("a", 0), face("a-p1", 90, person=1), face("b", 2), face("c", 88)]
    assert decide(faces)[0]["a"] != decide(faces)[0]["a-p1"]
    names, _, told = decide(faces, merge=(("a", "a-p1"),))
    assert len(set(names.values())) == 1
    assert told == set()
    assert decide(faces, merge=(("b", "c"),))[2] == {("a", "two_in_one_clip"), ("a-p1", "two_in_one_clip")}


@pytest.mark.parametrize("vector", [[np.nan, 1], [np.inf, 0], [0, 0], [3, 4]])
def test_a_damaged_embedding_is_a_named_reject_and_the_others_go_on(vector: list[float]) -> None:
    bad = face("bad", 0, embedding=np.array(vector, np.float32))
    names, _, told = decide([*CLOSE, bad])
    assert names == decide(CLOSE)[0]
    assert told == {("bad", "bad_embedding")}
    assert decide([bad])[0] == {}


def test_embeddings_of_two_widths_are_refused_by_name() -> None:
    with pytest.raises(MixedModelsError, match="2 and 3 values"):
        threshold_of(Dedupe(), Faces(), [face("a", 0), face("b", 0, embedding=np.eye(3, dtype=np.float32)[0])])


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_one_face_and_equal_faces_are_one_person(method: str) -> None:
    for faces in ([face("a", 7)], [face(f"v{number}", 7) for number in range(9)]):
        found = [one for one in run(Dedupe(method=method), 0.1, faces, {}) if isinstance(one, Identity)]
        assert len({one.identity_id for one in found}) == 1
        assert [one.face_id for one in found if one.is_representative] == [min(one.face_id for one in found)]
