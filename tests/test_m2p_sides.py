"""m2p: a dancer, a song and a video stand on one side, whoever comes later; and labels of dances."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.config import Split
from onscreen.errors import InputError
from onscreen.ledger import LedgerRow, dance_key, freeze_dances, read_dances, read_ledger, write_ledger
from onscreen.records import Clip, Face, Reject, SplitRow
from onscreen.stages.m2p_counts import metrics, notes
from onscreen.stages.m2p_fill import Group, by_hash, by_share
from onscreen.stages.m2p_labels import read_dance_labels
from onscreen.stages.m2p_records import Dance, Sample
from onscreen.stages.m2p_sides import People, divide
from onscreen.stages.split import side_of
from onscreen.workspace import Workspace
from records_of import row

SONGS = [
    np.column_stack([np.random.default_rng(seed).integers(0, 1 << 22, 400), np.arange(400)]).astype(np.int32) for seed in range(8)
]


def face(person: int | None, angle: float = 0.0) -> np.ndarray | None:
    """A person's embedding, turned away from it; people are at right angles."""
    if person is None:
        return None
    vector = np.zeros(128, np.float32)
    vector[2 * person], vector[2 * person + 1] = np.cos(angle), np.sin(angle)
    return vector


def dance(name: str, person: int | None, song: int | None, source: str = "", angle: float = 0.0) -> Dance:
    source = source or name
    clip = row(Clip, clip_id=name, source=f"{source}.mp4", source_sha256=source.ljust(64, "0"))
    heard = np.empty((0, 2), np.int32) if song is None else SONGS[song]
    return Dance(name, clip, 0, 0.0, 48, face(person, angle), 3 if person is not None else 0, None, 1.0, 1.0, heard)


def known(*people: tuple[str, int, str], memory: dict[str, LedgerRow] | None = None) -> People:
    """Known people: a video that each is seen in, the person's number, the side."""
    faces = [
        row(Face, face_id=f"f{number}", source_sha256=source.ljust(64, "0"), embedder="Dlib", n_frames=5, embedding=face(person))
        for number, (source, person, _) in enumerate(people)
    ]
    rows = {
        f"f{number}": row(SplitRow, face_id=f"f{number}", identity_id=f"id_{person}", split=side)
        for number, (_, person, side) in enumerate(people)
    }
    return People(faces, rows, memory or {})


def frozen(**sides: str) -> dict[str, LedgerRow]:
    """Rows of dances at the start of their videos."""
    keys = {name: dance_key(name.ljust(64, "0"), 0.0) for name in sides}
    return {keys[name]: LedgerRow(keys[name], name, f"source:{name}", side) for name, side in sides.items()}


def sides(dances: list[Dance], people: People) -> dict[str, str]:
    """dance_id -> side, or the reject's code."""
    return {
        found.dance.dance_id if isinstance(found, Sample) else found.item: found.dancer.side
        if isinstance(found, Sample)
        else found.code
        for found in divide(Split(), dances, people)
    }


def test_dancers_who_share_a_song_are_on_one_side() -> None:
    for names in ("ab", "cd", "ef", "gh", "ij", "kl"):
        found = sides([dance(names[0], 0, 0), dance(names[1], 1, 0)], People([], {}))
        assert len(set(found.values())) == 1
    alone = {sides([dance(name, 0, 0)], People([], {}))[name] for name in "abcdefghijkl"}
    assert alone == {"train", "validation"}  # so that the same side is no accident


def test_a_song_takes_the_side_of_most_of_its_dances_and_the_others_say_whose_it_is() -> None:
    people = known(("x", 0, "train"), ("y", 1, "test"), ("z", 2, "train"))
    dances = [dance("a", 0, 0), dance("b", 2, 0), dance("c", 1, 0), dance("d", 1, 1)]
    found = list(divide(Split(), dances, people))
    assert [one.dancer.side for one in found if isinstance(one, Sample)] == ["train", "train", "validation"]
    [lost] = [one for one in found if isinstance(one, Reject)]
    assert (lost.item, lost.code, lost.numbers) == ("c", "quarantine", {"train_dances": 2.0, "validation_dances": 1.0})
    assert "its song is on train (as in a, b)" in lost.detail
    assert "its dancer is on validation (as in d)" in lost.detail


def test_a_song_by_its_title_joins_as_one_by_its_sound_does() -> None:
    labels = {"a.mp4": {"song": "Blue  Danube"}, "b.mp4": {"song": "blue danube", "genre": "waltz"}}
    found = list(divide(Split(), [dance("a", 0, 0), dance("b", 1, 1)], replace(People([], {}), labels=labels)))
    assert all(isinstance(one, Sample) for one in found)
    assert len({one.dancer.side for one in found}) == len({one.song for one in found}) == len({one.group for one in found}) == 1
    assert found[1].labels["genre"] == "waltz"


def test_dances_without_a_sound_that_can_be_told_apart_share_none() -> None:
    found = list(divide(Split(), [dance("a", 0, None), dance("b", 1, None)], People([], {})))
    assert len({one.song for one in found}) == 2


@pytest.mark.parametrize("side", ["train", "val"])
def test_who_is_remembered_draws_new_dances_along(side: str) -> None:
    people = known(memory=frozen(m=side))
    there = {"train": "train", "val": "validation"}[side]
    found = sides([dance("m", 0, 0), dance("a", 0, 1), dance("b", 1, 1), dance("c", None, 2, "a")], people)
    assert set(found.values()) == {there}


def test_a_new_dance_that_ties_two_remembered_sides_waits_and_they_stay() -> None:
    people = known(memory=frozen(m="train", n="val"))
    dances = [dance("m", 0, 0), dance("n", 1, 1), dance("a", 0, 1), dance("b", 0, 2)]
    found = {one.dance.dance_id if isinstance(one, Sample) else one.item: one for one in divide(Split(), dances, people)}
    assert {name: one.dancer.side for name, one in found.items() if isinstance(one, Sample)} == {
        "m": "train",
        "n": "validation",
        "b": "train",
    }
    assert found["a"].detail.startswith("it would tie train and validation together")
    assert "its dancer is on train (as in m, b)" in found["a"].detail
    assert "its song is on validation (as in n)" in found["a"].detail


def test_a_face_between_two_remembered_dancers_waits_and_whoever_is_like_one_of_them_does_not() -> None:
    apart = np.arccos(1 - 0.057) * 1.5  # nearer than the threshold for three views to either, not to both
    people = known(memory=frozen(m="train", n="val"))
    dances = [dance("m", 0, 0), dance("n", 0, 1, angle=apart), dance("a", 0, 2, angle=apart / 2), dance("b", 0, 3, angle=-0.1)]
    assert sides(dances, people) == {"m": "train", "n": "validation", "a": "quarantine", "b": "train"}


def test_two_remembered_dances_that_turn_out_to_be_one_song_cannot_both_stay_and_others_do() -> None:
    people = known(memory=frozen(m="train", n="val", o="val"))
    found = sides([dance("m", 0, 0), dance("n", 1, 0), dance("o", 2, 1)], people)
    assert found == {"m": "quarantine", "n": "quarantine", "o": "validation"}


def test_a_remembered_dance_stays_where_its_dancer_is_later_known_on_the_other_side_and_says_so() -> None:
    people = known(("x", 0, "train"), memory=frozen(m="val"))
    [found] = divide(Split(), [dance("m", 0, 0)], people)
    assert isinstance(found, Sample)
    assert (found.dancer.identity_id, found.dancer.side) == ("id_0", "validation")
    assert [remark.code for remark in found.dance.warnings] == ["frozen_against_split"]
    assert sides([dance("m", 0, 0), dance("a", 0, 1)], people) == {"m": "validation", "a": "quarantine"}


def test_a_stranger_keeps_the_remembered_name_when_a_video_with_a_smaller_digest_comes() -> None:
    people = known(memory=frozen(m="val"))
    found = list(divide(Split(), [dance("a", 0, 1), dance("m", 0, 0)], people))
    assert {(one.dancer.identity_id, one.dancer.side) for one in found} == {("source:m", "validation")}


def test_people_whom_data_knows_as_two_are_not_joined_by_likeness() -> None:
    faces = [
        row(Face, face_id=name, embedder="Dlib", n_frames=5, embedding=face(0, angle)) for name, angle in (("f", 0), ("g", 0.2))
    ]
    rows = {name: row(SplitRow, face_id=name, identity_id=name, split=side) for name, side in (("f", "train"), ("g", "val"))}
    dances = [dance("a", 0, 0), dance("b", 0, 1, angle=0.2)]
    assert sides(dances, People(faces, rows)) == {"a": "train", "b": "validation"}


def test_a_video_on_two_sides_of_the_ledger_is_named() -> None:
    rows = {
        key: LedgerRow(key, "m", "source:m", side)
        for key, side in ((f"{'m'.ljust(16, '0')}@{at}-dance", s) for at, s in ((0, "val"), (9, "train")))
    }
    with pytest.raises(InputError, match=r"data/ledger\.csv puts dances of one video"):
        sides([dance("m", 0, 0)], known(memory=rows))


DANCES = st.lists(
    st.tuples(st.integers(0, 11), st.one_of(st.none(), st.integers(0, 7)), st.integers(0, 5), st.integers(0, 15)),
    min_size=1,
    max_size=24,
    unique_by=lambda one: one[3] * 100 + one[2],
)


@settings(deadline=None, max_examples=60)
@given(DANCES, st.lists(st.integers(1, 6), min_size=1, max_size=6), st.sampled_from(["hash", 0.5, 0.8]), st.randoms())
def test_nothing_stands_on_two_sides_and_frozen_dances_stay_however_a_set_grows(made, steps, fill, random) -> None:
    """Dances in any order come in batches and are frozen; some dancers are people of data/splits, on sides by chance."""
    dances = [
        replace(dance(f"d{number}", person, song, f"{source:x}"), start_s=float(number))
        for number, (source, person, song, _) in enumerate(made)
    ]
    people = known(*((f"seen{person}", person, random.choice(["train", "val", "test", "quarantine"])) for person in (0, 1)))
    people = replace(people, fill=None if fill == "hash" else by_share(fill, "4"))
    memory: dict[str, LedgerRow] = {}
    there: dict[str, str] = {}
    for end in itertools.accumulate(steps):
        now = sorted(dances[:end], key=lambda _: random.random())
        found = list(divide(Split(), now, replace(people, memory=memory)))
        kept = {one.dance.dance_id: one for one in found if isinstance(one, Sample)}
        assert len(found) == len(now)
        assert {name: kept[name].dancer.side if name in kept else "gone" for name in there} == there
        for shared in (
            lambda one: one.dance.clip.source_sha256,
            lambda one: one.dance.embedding is not None and one.dance.embedding.tobytes(),
            lambda one: one.dance.song.tobytes(),
            lambda one: one.group,
        ):
            of: dict[object, set[str]] = {}
            for one in kept.values():
                if shared(one) is not False:
                    of.setdefault(shared(one), set()).add(one.dancer.side)
            assert all(len(both) == 1 for both in of.values())
        memory = freeze_dances(memory, [entry(one) for one in kept.values()])
        there = {name: one.dancer.side for name, one in kept.items()}


def entry(one: Sample) -> dict[str, object]:
    """As in metadata.json."""
    return {
        **{"id": one.dance.dance_id, "split": one.dancer.side, "source": one.dance.clip.source, "start_s": one.dance.start_s},
        **{"source_sha256": one.dance.clip.source_sha256, "identity": one.dancer.identity_id, "song": one.song},
        **{"group": one.group, "warnings": [], "complete": True, "duration": 2.0, "share_of_frames": {"face": 1.0}},
        "beat_alignment": {"score": None, "reason": "few beats"},
    }


def test_the_ledger_remembers_dances_beside_faces(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    face_row = LedgerRow("k@0-1of1", "a", "id_1", "test")
    dances = freeze_dances({}, [entry(one) for one in divide(Split(), [dance("a", 0, 0)], known(("x", 0, "val")))])
    write_ledger(path, {"k@0-1of1": face_row, **dances})
    assert read_ledger(path) == {"k@0-1of1": face_row}
    assert (
        read_dances(path)
        == dances
        == {f"{'a'.ljust(16, '0')}@0-dance": LedgerRow(f"{'a'.ljust(16, '0')}@0-dance", "a", "id_0", "val")}
    )
    again = [entry(one) for one in divide(Split(), [dance("a", 0, 0)], known(("x", 0, "train")))]
    assert freeze_dances(dances, again) == dances  # rows that it holds never change


def test_a_set_of_one_song_says_that_it_cannot_be_divided() -> None:
    entries = [entry(one) for one in divide(Split(), [dance(name, index, 0) for index, name in enumerate("abc")], People([], {}))]
    side = str(entries[0]["split"])
    empty = {"train": "validation", "validation": "train"}[side]
    whole, lacking = notes(entries)
    assert whole.startswith("one group holds 100 % of all dances (3 of 3), and no split may part it: they share the song song_a")
    assert lacking.startswith(f"{empty} holds no sample: all 3 dances are one group: they share the song")
    assert metrics(entries, [])["notes"] == [whole, lacking]
    assert (metrics(entries, [])["groups"], metrics(entries, [])["largest_group_share"]) == (1, 1.0)


def test_a_group_that_nothing_shares_as_a_whole_says_what_joins_it() -> None:
    dances = [dance("a", 0, 0), dance("b", 0, 1), dance("c", 1, 1)]
    [whole, *_] = notes([entry(one) for one in divide(Split(), dances, People([], {}))])
    assert "2 songs" in whole
    assert "is in 2 of them" in whole


def test_a_divided_set_needs_no_note() -> None:
    people = known(("x", 0, "train"), ("y", 1, "test"))
    assert notes([entry(one) for one in divide(Split(), [dance("a", 0, 0), dance("b", 1, 1)], people)]) == []


GROUPS = st.lists(st.integers(1, 9), max_size=12).map(
    lambda sizes: [Group(f"g{place}", size) for place, size in enumerate(sizes)]
)


@given(GROUPS, st.sampled_from([0.1, 0.5, 0.75, 0.8, 0.99]), st.integers(0, 9), st.integers(0, 9))
def test_a_share_is_met_as_nearly_as_whole_groups_allow(
    groups: list[Group], train: float, on_train: int, on_validation: int
) -> None:
    found = by_share(train, "4")(groups, {"train": on_train, "validation": on_validation})
    sizes = {group.name: group.dances for group in groups}
    assert found.keys() == sizes.keys()
    got = sum(sizes[name] for name, side in found.items() if side == "validation")
    total = sum(sizes.values()) + on_train + on_validation
    every = [sum(size for place, size in enumerate(sizes.values()) if mask >> place & 1) for mask in range(1 << len(sizes))]
    both = [one for one in every if one + on_validation and on_train + sum(sizes.values()) - one]
    assert abs(on_validation + got - (1 - train) * total) == pytest.approx(
        min(abs(on_validation + one - (1 - train) * total) for one in both or every)
    )
    assert got in (both or every)


def test_all_on_train_is_met_where_it_is_asked_for() -> None:
    assert set(by_share(1.0, "4")([Group("a", 1), Group("b", 1)], {}).values()) == {"train"}


def test_by_hash_a_side_depends_on_the_name_alone() -> None:
    found = by_hash(Split())([Group(f"g{place}", 1) for place in range(40)], {})
    assert set(found.values()) == {"train", "validation"}
    assert all((side == "train") == (side_of(name, Split()) == "train") for name, side in found.items())


def test_labels_of_dances_need_no_identity_and_empty_cells_are_none(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    assert read_dance_labels(path) == {}
    path.write_text("file,dance_style,year,mood,my_own\na.mp4, hip hop ,2019,,x\nb.mp4,,,,y\n")
    assert read_dance_labels(path) == {"a.mp4": {"dance_style": "hip hop", "year": "2019"}}
    path.write_text("file,song\na.mp4,x\na.mp4,y\n")
    with pytest.raises(InputError, match=r"line 3: a\.mp4 has two labels song, x and y"):
        read_dance_labels(path)
    path.write_text("name,song\na,b\n")
    with pytest.raises(InputError, match="file"):
        read_dance_labels(path)


def test_the_command_freezes_dances_too_once_there_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onscreen.config import Params
    from onscreen.guide.ledger_commands import freeze
    from onscreen.records import Identity
    from onscreen.store import write_json, write_table

    workspace = Workspace(tmp_path, tmp_path, Params(), tmp_path / "cache")
    (tmp_path / "params.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    write_table(workspace.identities / "identities.parquet", Identity, [])
    write_table(workspace.splits / "splits.parquet", SplitRow, [])
    write_ledger(workspace.ledger, {})
    freeze()
    assert read_dances(workspace.ledger) == {}
    [one] = divide(Split(), [dance("a", 0, 0)], known(("x", 0, "val")))
    write_json(workspace.m2p / "metadata.json", {"clips": [entry(one)]})
    freeze()
    assert [found.face_id for found in read_dances(workspace.ledger).values()] == ["a"]
