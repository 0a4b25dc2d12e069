"""What dedupe leaves on disk: pairs for review, plots that dvc.yaml names, names that never clash, the same bytes for any order."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from onscreen.config import Dedupe
from onscreen.naming import clip_ids, face_id, file_stem
from onscreen.overrides import Corrections, Listed
from onscreen.records import Face, Identity, ReviewPair
from onscreen.stages import dedupe, dedupe_output
from onscreen.stages.dedupe_output import Known, metrics, review
from onscreen.store import read_json, read_table, write_table
from test_dedupe import _workspace_with, face, who

DVC = YAML(typ="safe").load((Path(__file__).parents[1] / "dvc.yaml").read_text(encoding="utf-8"))
NEAR = [face("a", 0), face("b", 24), face("c", 50), face("d", 90)]  # cosine distances 0.086 (one person), 0.101 (two), 0.234


def known(faces: list[Face]) -> Known:
    return Known.of(faces, who(faces).values())


def test_pairs_near_the_threshold_are_for_review_nearest_first() -> None:
    pairs, counts = review(known(NEAR), 0.1, 0.2, Corrections())
    assert [(pair.face_id_a, pair.face_id_b, pair.same) for pair in pairs] == [("b", "c", False), ("a", "b", True)]
    assert [pair.distance for pair in pairs] == pytest.approx([1 - np.cos(np.radians(26)), 1 - np.cos(np.radians(24))], abs=1e-6)
    assert (pairs[1].image_a, pairs[1].image_b) == ("a.jpg", "a_dedupe_b.jpg")
    assert pairs[0].identity_a != pairs[0].identity_b
    assert counts == {"review_pairs": 2}
    assert review(known(NEAR), 0.1, 0.0, Corrections()) == ([], {"review_pairs": 0})


def test_what_a_person_has_decided_is_not_asked_again() -> None:
    def listed(*names: str) -> tuple[Listed, ...]:
        return (Listed(frozenset(names), frozenset()),)

    assert len(review(known(NEAR), 0.1, 0.2, Corrections(merge=listed("a", "b")))[0]) == 1
    assert [pair.same for pair in review(known(NEAR), 0.1, 0.2, Corrections(split=listed("c")))[0]] == [True]


def test_a_person_is_shown_no_more_than_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe_output, "REVIEW_PAIRS", 1)
    pairs, counts = review(known(NEAR), 0.1, 0.2, Corrections())
    assert (len(pairs), counts["review_pairs"]) == (1, 2)


def test_a_band_that_holds_too_many_pairs_is_halved_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe_output, "BAND_PAIRS", 1)
    pairs, counts = review(known(NEAR), 0.1, 0.2, Corrections())
    assert [(pair.face_id_a, pair.face_id_b) for pair in pairs] == [("b", "c")]
    assert counts == {"review_pairs": 1, "review_band": 0.1}


def test_a_margin_of_a_sample_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "of_sampled_faces" not in metrics(Dedupe(), 0.1, known(NEAR), [], {})["distances"]
    monkeypatch.setattr(dedupe_output, "MARGIN_FACES", 3)
    assert metrics(Dedupe(), 0.1, known(NEAR), [], {})["distances"]["of_sampled_faces"] == 3


def test_the_stage_writes_review_overrides_and_plots_that_dvc_draws(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = _workspace_with(tmp_path, [face("a", 0), face("b", 18.5), face("c", 90), face("x", 45)])  # b: 0.0517, above 0.049
    (workspace.overrides).write_text("merge: [[a, c]]\nreject: [x, gone]\n")
    dedupe.main(workspace)
    names = {row.face_id: row.identity_id for row in read_table(workspace.identities / "identities.parquet", Identity)}
    assert names["a"] == names["c"] != names["b"]
    [pair] = read_table(workspace.identities / "review.parquet", ReviewPair)
    assert {pair.face_id_a, pair.face_id_b} == {"a", "b"}
    counts = read_json(workspace.reports / "metrics" / "dedupe.json")
    assert counts["rejects"] == {"face.rejected_by_hand": 1, "face.correction_vanished": 1}
    assert "data/identity_overrides.yaml names what is not there now: gone" in caplog.text
    assert counts["review_pairs"] == 1
    assert counts["calibrated_margin"]["above_same"] == pytest.approx(0.049 - 0.0177)
    drawn = [
        (path, plot["x"], columns)
        for named in DVC["plots"]
        if isinstance(named, dict)
        for plot in named.values()
        if isinstance(plot["y"], dict)
        for path, columns in plot["y"].items()
        if path.startswith("reports/plots/dedupe/")
    ]
    assert len(drawn) == 3
    for path, x, columns in drawn:
        rows = list(csv.DictReader((tmp_path / path).open()))
        assert {x, *columns} <= rows[0].keys()
        values = [float(row[x]) for row in rows]
        assert values == sorted(set(values))


def test_any_order_of_the_table_gives_the_same_bytes(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    faces = [face(f"v{number}", float(degrees), quality=0.5) for number, degrees in enumerate(draw.uniform(0, 180, 40))]
    faces += [face(f"v{number}-p1", float(draw.uniform(0, 180)), person=1) for number in range(10)]
    workspace = _workspace_with(tmp_path, faces)

    def written() -> dict[str, bytes]:
        dedupe.main(workspace)
        files = [path for root in (workspace.identities, workspace.reports) for path in root.rglob("*") if path.is_file()]
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}

    first = written()
    assert len(first) > 50
    for _ in range(3):
        write_table(workspace.faces / "faces.parquet", Face, [faces[index] for index in draw.permutation(len(faces))])
        assert written() == first


PARTS = [
    "v",
    "V",
    "v-p1",
    "v-s000",
    "v_dedupe_w",
    "w",
    "_dedupe_",
    "a__v",
    "비",
    "a b",
    "-x",
    "v.",
    "CON",
    "%2F",
    "v%~1",
    "e\u0301",
    "\u00e9",
    "x" * 200,
]
SOURCES = st.lists(
    st.tuples(st.sampled_from(["", "a/", "a/b/", "A/"]), st.sampled_from(PARTS), st.sampled_from([".mp4", ".MOV"])).map("".join),
    unique=True,
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(SOURCES, st.lists(st.sampled_from([0.0, 1.0, 60.0, 120.0]), min_size=16, max_size=16))
def test_pictures_of_people_never_clash_whatever_the_videos_are_called(sources: list[str], degrees: list[float]) -> None:
    faces = []
    for number, (source, clip) in enumerate(sorted(clip_ids(sources).items())):
        for person in (0, 1):
            columns = {"clip_id": clip, "source": source, "person": person, "source_sha256": f"{number:016x}" * 4, "people": 2}
            faces.append(face(face_id(clip, person), degrees[2 * number + person], **{**columns, "place": person + 1}))
    found = who(faces)
    images = [row.image for row in found.values()]
    assert len(found) == len(faces)
    assert len({image.casefold() for image in images}) == len(faces)
    assert all(len(image.encode()) <= 255 for image in images)
    for row in found.values():
        leader = next(one.face_id for one in found.values() if one.is_representative and one.identity_id == row.identity_id)
        stem = file_stem(leader) if row.is_representative else f"{file_stem(leader)}_dedupe_{file_stem(row.face_id)}"
        assert row.image == f"{stem}.jpg"
