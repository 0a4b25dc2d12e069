from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onscreen.config import Dedupe, Faces
from onscreen.errors import InputError, MixedModelsError
from onscreen.faces.agreement import agreement, read_labels
from onscreen.ledger import LedgerRow, write_ledger
from onscreen.records import Clip, Face, Identity, Reject
from onscreen.stages import dedupe, extract_faces, prepare
from onscreen.stages.dedupe import run, threshold_of
from onscreen.stages.dedupe_output import Known, metrics
from onscreen.store import atomic_path, read_json, read_table, write_table
from onscreen.workspace import Workspace
from real_data import DATA, needs_real_data
from records_of import row
from test_extract_faces import workspace_on


def face(name: str, degrees: float, **given: Any) -> Face:
    """A face whose embedding points somewhere on a circle."""
    angle = np.radians(degrees)
    vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
    clip = name.partition("-p")[0]
    columns = {"face_id": name, "clip_id": clip, "source": f"{clip}.mp4", "source_sha256": f"{clip:0<64}", "n_frames": 5}
    place = {"place": given.get("person", 0) + 1, "people": 2}
    return row(
        Face, **{**columns, **place, "embedder": "Dlib", "embedding": vector, "quality": 0.5, "image": f"{name}.jpg", **given}
    )


def who(faces: list[Face], ledger: dict[str, LedgerRow] | None = None, **params: Any) -> dict[str, Identity]:
    settings = Dedupe(**{"threshold": 0.1, **params})
    found = run(settings, threshold_of(settings, Faces(), faces), faces, ledger or {})
    return {identity.face_id: identity for identity in found if isinstance(identity, Identity)}


THREE = [face("a", 0, quality=0.9), face("b", 5), face("c", 90)]


def test_near_faces_are_one_person_with_one_representative() -> None:
    people = who(THREE)
    assert people["a"].identity_id == people["b"].identity_id != people["c"].identity_id
    assert [people[name].is_representative for name in "abc"] == [True, False, True]
    assert people["a"].distance == 0
    assert people["b"].distance == pytest.approx(1 - np.cos(np.radians(5)), abs=1e-6)
    assert (people["a"].image, people["b"].image) == ("a.jpg", "a_dedupe_b.jpg")
    assert people["a"].group == people["b"].group == THREE[0].key


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0, 180), min_size=1, max_size=12), st.randoms(), st.sampled_from(["average_link", "connected", "greedy"])
)
def test_the_order_of_the_table_changes_nothing(degrees: list[float], random: Any, method: str) -> None:
    faces = [face(f"v{number}", angle, quality=number / 20) for number, angle in enumerate(degrees)]
    shuffled = random.sample(faces, len(faces))
    assert who(faces, method=method) == who(shuffled, method=method)


def test_greedy_goes_by_name_and_the_first_leads() -> None:
    faces = [face("a", 0, quality=0.1), face("b", 20, quality=0.9), face("c", 40)]
    people = who(faces, method="greedy", threshold=1 - float(np.cos(np.radians(25))))
    assert people["a"].is_representative
    assert people["a"].identity_id == people["b"].identity_id != people["c"].identity_id


def test_people_of_one_clip_stay_two() -> None:
    people = who([face("a", 0), face("a-p1", 1, person=1), face("b", 0.5)])
    assert people["a"].identity_id != people["a-p1"].identity_id


def ledger_of(**names: str) -> dict[str, LedgerRow]:
    keys = {name: face(name, 0).key for name in names}
    return {keys[name]: LedgerRow(keys[name], name, identity, "train") for name, identity in names.items()}


def test_the_ledger_keeps_names_when_data_grows() -> None:
    before = who(THREE)
    known = ledger_of(b=before["b"].identity_id, c="carla")
    after = who([*THREE, face("0", 3), face("1", 93)], known)
    assert after["0"].identity_id == after["b"].identity_id == before["b"].identity_id
    assert after["1"].identity_id == after["c"].identity_id == "carla"


def test_people_whom_the_ledger_knows_apart_stay_apart_and_it_is_said() -> None:
    found = list(run(Dedupe(), 0.1, THREE, ledger_of(a="anna", b="bert")))
    names = {identity.face_id: identity for identity in found if isinstance(identity, Identity)}
    assert (names["a"].identity_id, names["b"].identity_id) == ("anna", "bert")
    assert names["a"].group == names["b"].group
    rejects = [reject for reject in found if isinstance(reject, Reject)]
    assert [(reject.item, reject.scope, reject.code) for reject in rejects] == [
        ("a", "face", "ledger_merge"),
        ("b", "face", "ledger_merge"),
    ]
    assert "anna, bert" in rejects[0].detail


def test_a_known_face_that_looks_like_nobody_of_its_name_keeps_it_and_it_is_said() -> None:
    found = list(run(Dedupe(), 0.1, [*THREE, face("d", 92)], ledger_of(a="anna", b="anna", c="anna")))
    names = {identity.face_id: identity.identity_id for identity in found if isinstance(identity, Identity)}
    assert names == {"a": "anna", "b": "anna", "c": "anna", "d": "anna"}
    [reject] = [reject for reject in found if isinstance(reject, Reject)]
    assert (reject.item, reject.scope, reject.code) == ("c", "face", "ledger_mismatch")
    assert "anna" in reject.detail
    assert reject.numbers == {"distance": pytest.approx(1 - np.cos(np.radians(85)), abs=1e-6), "threshold": 0.1}


def test_the_threshold_belongs_to_embedder_and_frames() -> None:
    assert threshold_of(Dedupe(), Faces(), [face("a", 0)]) == 0.049
    assert threshold_of(Dedupe(), Faces(frames_per_clip=1), [face("a", 0, n_frames=1)]) == 0.08
    assert threshold_of(Dedupe(), Faces(frames="first"), [face("a", 0, n_frames=1)]) == 0.08
    assert threshold_of(Dedupe(threshold=0.3), Faces(), [face("a", 0)]) == 0.3
    with pytest.raises(MixedModelsError, match="Dlib and Facenet"):
        threshold_of(Dedupe(), Faces(), [face("a", 0), face("b", 0, embedder="Facenet")])


def test_one_more_clip_does_not_change_the_threshold_for_everybody() -> None:
    few = [face("a", 0, n_frames=3), face("b", 0, n_frames=3)]
    assert threshold_of(Dedupe(), Faces(), few) == threshold_of(Dedupe(), Faces(), [*few, face("c", 0)]) == 0.049


def test_metrics_hold_scores_of_main_people_and_the_margin() -> None:
    faces = [*THREE, face("c-p1", 91, person=1)]
    found = [row for row in run(Dedupe(), 0.1, faces, {}) if isinstance(row, Identity)]

    def counts_of(labels: dict[str, str], rows: list[Identity] = found) -> dict[str, Any]:
        return metrics(Dedupe(), 0.1, Known.of(faces, rows), [], labels)

    labels = {"a.mp4": "anna", "b.mp4": "anna", "c.mp4": "carla"}
    counts = counts_of(labels)
    assert (counts["faces"], counts["identities"], counts["singletons"], counts["threshold"]) == (4, 3, 2, 0.1)
    assert counts["distances"]["largest_inside"] == pytest.approx(1 - np.cos(np.radians(5)), abs=1e-6)
    assert counts["distances"]["smallest_across"] == pytest.approx(1 - np.cos(np.radians(1)), abs=1e-6)
    assert counts["labels"]["pairwise_f1"] == 1
    assert counts["labels"]["clips"] == 3
    assert counts_of({**labels, "gone.mp4": "dora"})["labels"]["files_without_face"] == 1
    joined = [replace(row, cluster="one") for row in found]
    assert counts_of(labels, joined)["labels"]["pairwise_f1"] == 1
    assert counts_of(labels, joined)["labels_without_ledger"]["pairwise_f1"] < 1
    assert counts["labels"]["nmi"] == counts["labels"]["ari"] == pytest.approx(1)
    assert counts["singleton_rate"] == pytest.approx(2 / 3)
    assert "labels" not in counts_of({})
    assert "smallest_across" not in counts_of({}, [row for row in found if row.face_id in "ab"])["distances"]


def test_agreement_by_hand() -> None:
    scores = agreement(["x", "x", "x", "y"], ["1", "1", "2", "2"])
    assert scores["pairwise_precision"] == pytest.approx(1 / 3)
    assert scores["pairwise_recall"] == pytest.approx(1 / 2)
    assert scores["pairwise_f1"] == pytest.approx(0.4)
    assert scores["bcubed_precision"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert scores["bcubed_recall"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    entropy, shared = np.log(4) - 0.75 * np.log(3), np.log(4 / 3) / 2 + np.log(2 / 3) / 4 + np.log(2) / 4
    assert scores["nmi"] == pytest.approx(shared / ((entropy + np.log(2)) / 2))
    assert scores["ari"] == pytest.approx((1 - 3 * 2 / 6) / ((3 + 2) / 2 - 3 * 2 / 6))  # pairs: 1 in both, 3 and 2 of 6


def test_a_score_over_no_pair_does_not_exist() -> None:
    scores = agreement(["x", "y"], ["1", "2"])
    assert "pairwise_precision" not in scores
    assert "pairwise_f1" not in scores
    assert scores["bcubed_f1"] == 1
    assert "ari" not in scores
    assert not {"nmi", "ari"} & agreement(["x", "y"], ["1", "1"]).keys()  # one label tells nothing apart


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"name,who\na.mp4,anna\n", "file and identity"),
        (b"", "file and identity"),
        (b"file,identity\n,anna\n", "line 2"),
        (b"file,identity\na.mp4,anna\na.mp4,bert\n", "labelled twice"),
        (b"file,identity\n\xff\xfe,x\n", "UTF-8"),
    ],
)
def test_a_malformed_labels_file_is_one_error_that_names_it(tmp_path: Path, text: bytes, named: str) -> None:
    (tmp_path / "labels.csv").write_bytes(text)
    with pytest.raises(InputError, match=named) as error:
        read_labels(tmp_path / "labels.csv")
    assert "labels.csv" in str(error.value)


def test_labels_may_be_missing_or_empty_and_carry_other_columns(tmp_path: Path) -> None:
    assert read_labels(tmp_path / "labels.csv") == {}
    (tmp_path / "labels.csv").write_text("﻿file,x,identity\nfolder/a.mp4,1,anna\nb.mp4,2,\n", encoding="utf-8")
    assert read_labels(tmp_path / "labels.csv") == {"folder/a.mp4": "anna"}


def _workspace_with(root: Path, faces: list[Face]) -> Workspace:
    workspace = workspace_on(root, root / "raw")
    workspace.raw.mkdir()
    for one in faces:
        with atomic_path(workspace.faces / one.image) as path:
            path.write_bytes(one.face_id.encode())
    write_table(workspace.faces / "faces.parquet", Face, faces)
    return workspace


def test_the_stage_writes_folders_in_the_guides_names(tmp_path: Path) -> None:
    workspace = _workspace_with(tmp_path, [face("vid_123", 0, quality=0.9), face("vid_456", 5), face("vid_7", 90)])
    dedupe.main(workspace)
    folder = workspace.identities
    assert {path.name for path in (folder / "deduped_faces").iterdir()} == {
        "vid_123.jpg",
        "vid_123_dedupe_vid_456.jpg",
        "vid_7.jpg",
    }
    assert (folder / "deduped_faces" / "vid_123_dedupe_vid_456.jpg").read_bytes() == b"vid_456"
    assert {path.name for path in (folder / "representative_faces").iterdir()} == {"vid_123.jpg", "vid_7.jpg"}
    assert len(read_table(folder / "identities.parquet", Identity)) == 3
    assert read_json(workspace.reports / "metrics" / "dedupe.json")["identities"] == 2
    assert (workspace.plots("dedupe") / "sweep.csv").read_text().count("\n") == 34


def test_no_face_is_empty_tables_and_a_reason(tmp_path: Path) -> None:
    workspace = _workspace_with(tmp_path, [])
    dedupe.main(workspace)
    assert read_table(workspace.identities / "identities.parquet", Identity) == []
    assert read_json(workspace.reports / "metrics" / "dedupe.json")["status"] == "no faces"
    assert list(workspace.plots("dedupe").iterdir())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = workspace_on(tmp_path_factory.mktemp("real"), DATA / "clips")
    prepare.main(workspace)
    extract_faces.main(workspace)
    dedupe.main(workspace)
    return workspace


@needs_real_data
def test_thirty_clips_give_their_twenty_seven_people(real: Workspace) -> None:
    counts = read_json(real.reports / "metrics" / "dedupe.json")
    assert (counts["faces"], counts["identities"]) == (30, 27)
    assert {name: counts["labels"][name] for name in ("clips", "pairwise_f1", "bcubed_f1")} == {
        "clips": 30,
        "pairwise_f1": 1,
        "bcubed_f1": 1,
    }
    assert counts["distances"]["largest_inside"] + 0.005 < counts["threshold"] < counts["distances"]["smallest_across"] - 0.005


@needs_real_data
def test_every_clip_yields_a_face_and_the_larger_man_is_the_main_person(real: Workspace) -> None:
    clips = {clip.clip_id for clip in read_table(real.prepared / "clips.parquet", Clip)}
    assert clips == {face.clip_id for face in read_table(real.faces / "faces.parquet", Face)}
    people = {row.clip_id: row.identity_id for row in read_table(real.identities / "identities.parquet", Identity)}
    assert people["obama_biden"] == people["obama_20s"]
    assert {face.clip_id for face in read_table(real.faces / "faces.parquet", Face) if face.people > 1} == {"obama_biden"}


@needs_real_data
def test_frozen_people_keep_their_names_when_the_rest_is_new(real: Workspace) -> None:
    faces = read_table(real.faces / "faces.parquet", Face)
    known = next(face for face in faces if face.clip_id == "obama_20s")
    write_ledger(real.ledger, {known.key: LedgerRow(known.key, known.face_id, "the_president", "test")})
    dedupe.main(real)
    write_ledger(real.ledger, {})
    named = {
        row.clip_id for row in read_table(real.identities / "identities.parquet", Identity) if row.identity_id == "the_president"
    }
    assert named == {"obama_20s", "obama_biden"}
