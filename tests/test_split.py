"""People stay on their side; faces meet voices of other source videos."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from onscreen.config import Split
from onscreen.ledger import LedgerRow, freeze
from onscreen.records import Clip, Face, Identity, Pair, Reject, SplitRow, Voice
from onscreen.stages.split import assign, pair, side_of, usable_voices
from records_of import row


def face(name, group=None, identity=None):
    return row(
        Identity,
        face_id=name,
        clip_id=name,
        face_key=f"k-{name}",
        group=group or name,
        identity_id=identity or f"id_{group or name}",
        ledger_id=identity or f"id_{group or name}",
    )


def splits_of(found):
    return {item.face_id: item.split for item in found if isinstance(item, SplitRow)}


def test_sides_come_in_the_asked_shares():
    params = Split(val=0.2, test=0.3)
    sides = [side_of(f"id_{number}", params) for number in range(20000)]
    assert abs(sides.count("val") / 20000 - 0.2) < 0.02
    assert abs(sides.count("test") / 20000 - 0.3) < 0.02


def test_a_new_person_does_not_move_the_others():
    few = splits_of(assign(Split(), [face(f"f{number}") for number in range(50)], {}))
    more = splits_of(assign(Split(), [face(f"f{number}") for number in range(80)], {}))
    assert {name: more[name] for name in few} == few


def test_a_rename_moves_nobody_to_another_side():
    before = [face(f"f{number}") for number in range(40)]
    renamed = [replace(one, identity_id=f"p{number:04d}") for number, one in enumerate(before)]
    assert splits_of(assign(Split(), renamed, {})) == splits_of(assign(Split(), before, {}))


def test_the_ledger_wins_over_the_hash():
    rows = [face("a")]
    other = next(side for side in ("train", "val", "test") if side != side_of("id_a", Split()))
    assert splits_of(assign(Split(), rows, {"k-a": LedgerRow("k-a", "a", "id_a", other)})) == {"a": other}


def test_copies_of_one_file_are_on_one_side_whoever_they_are_held_for():
    apart = [face(f"f{number}") for number in range(40)]
    copies = [
        replace(one, face_id=f"copy_{one.face_id}", clip_id=f"copy_{one.clip_id}", group="x", identity_id="id_x") for one in apart
    ]
    assert len(set(splits_of(assign(Split(), apart, {})).values())) > 1
    for one, copy in zip(apart, copies, strict=True):
        sides = splits_of(assign(Split(), [one, copy], {}))
        assert sides[one.face_id] == sides[copy.face_id]
    ledger = {"k-f0": LedgerRow("k-f0", "f0", "id_f0", "train"), "k-x": LedgerRow("k-x", "x", "id_x", "test")}
    known = replace(copies[0], face_id="x", face_key="k-x")
    assert set(splits_of(assign(Split(), [apart[0], copies[0], known], ledger)).values()) == {"quarantine"}


def test_nobody_has_no_side():
    assert list(assign(Split(), [], {})) == []


def test_a_person_on_two_sides_is_quarantined_with_a_reason():
    rows = [face("a", "g", "id_1"), face("b", "g", "id_2"), face("c")]
    ledger = {"k-a": LedgerRow("k-a", "a", "id_1", "train"), "k-b": LedgerRow("k-b", "b", "id_2", "test")}
    found = list(assign(Split(), rows, ledger))
    sides = splits_of(found)
    assert (sides["a"], sides["b"]) == ("quarantine", "quarantine")
    assert sides["c"] != "quarantine"
    assert {(item.item, item.code) for item in found if isinstance(item, Reject)} == {
        ("id_1", "two_sides"),
        ("id_2", "two_sides"),
    }


def test_a_new_face_in_a_known_group_takes_its_side():
    ledger = {"k-a": LedgerRow("k-a", "a", "id_1", "test")}
    assert splits_of(assign(Split(), [face("a", "g", "id_1"), face("b", "g", "id_1")], ledger))["b"] == "test"


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=4), st.randoms())
def test_frozen_people_keep_identity_and_side_while_data_grows(batches, random):
    """Each batch adds faces to random people, freezes, and shuffles the input."""
    rows: list[Identity] = []
    ledger: dict[str, LedgerRow] = {}
    for number, batch in enumerate(batches):
        rows += [face(f"{number}-{index}", f"g{person}") for index, person in enumerate(batch)]
        random.shuffle(rows)
        found = [item for item in assign(Split(), rows, ledger) if isinstance(item, SplitRow)]
        assert all(ledger[f"k-{item.face_id}"].split == item.split for item in found if f"k-{item.face_id}" in ledger)
        sides: dict[str, set[str]] = {}
        for item in found:
            sides.setdefault(item.identity_id, set()).add(item.split)
        assert all(len(side) == 1 for side in sides.values())
        ledger = freeze(ledger, rows, found)


def people(*clips):
    """faces, voices and splits of one person from (clip, source bytes, has a voice)."""
    faces = {name: row(Face, face_id=name, clip_id=name, source_sha256=source, people=1) for name, source, _ in clips}
    voices = {name: row(Clip, clip_id=name, source_sha256=source) for name, source, spoken in clips if spoken}
    splits = [row(SplitRow, face_id=name, clip_id=name, identity_id="id", split="train") for name, _, _ in clips]
    return splits, faces, voices


def test_a_face_meets_only_voices_of_other_sources_where_there_are_some():
    found = list(pair(*people(("a", "s1", True), ("a2", "s1", True), ("b", "s2", True))))
    assert {(item.face_id, item.voice_clip_id) for item in found} == {("a", "b"), ("a2", "b"), ("b", "a"), ("b", "a2")}
    assert not any(item.same_source for item in found)


def test_a_person_with_one_source_is_paired_within_it_and_the_pair_says_so():
    assert list(pair(*people(("a", "s1", True)))) == [Pair("id", "train", "a", "a", True)]


def test_a_person_without_a_voice_is_a_named_reject():
    (found,) = pair(*people(("a", "s1", False)))
    assert (found.item, found.code) == ("id", "no_voice")


def test_quarantined_people_meet_nobody():
    _, faces, voices = people(("a", "s1", True))
    assert list(pair([row(SplitRow, face_id="a", identity_id="id", split="quarantine")], faces, voices)) == []


def test_a_voice_counts_only_when_it_is_the_main_persons():
    clips = [row(Clip, clip_id=name) for name in ("hers", "nobodys", "unheard")]
    voices = [row(Voice, clip_id="hers", face_id="hers"), row(Voice, clip_id="nobodys")]
    assert list(usable_voices(clips, voices)) == ["hers"]
