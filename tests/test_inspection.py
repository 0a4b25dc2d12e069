"""`onscreen why` and `onscreen sweep`, on videos that went through the real stages."""

import io
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from face_cases import empty_video, portrait_video
from onscreen.cli import app
from onscreen.config import Faces
from onscreen.errors import ConfigError, InputError
from onscreen.faces.clustering import cluster
from onscreen.inspection.evidence import LINKED, Tables, borders, decided_by, find, neighbours
from onscreen.inspection.pictures import pictures, write_sheet
from onscreen.inspection.screen import screen
from onscreen.inspection.sweep import steps, sweep_table
from onscreen.inspection.turns import face_turns, verdict
from onscreen.ledger import LedgerRow
from onscreen.records import Face, Identity, Voice
from onscreen.stages import dedupe, extract_faces, prepare, split, voices
from onscreen.store import write_table
from onscreen.workspace import Workspace
from records_of import row
from test_extract_faces import workspace_on


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    root = tmp_path_factory.mktemp("checkout")
    workspace = workspace_on(root, root / "videos")
    portrait_video(root / "videos" / "first.mp4", 0)
    portrait_video(root / "videos" / "sub" / "second.mp4", 0, frames=30)
    portrait_video(root / "videos" / "other.mp4", 2)
    empty_video(root / "videos" / "nobody.mp4")
    (root / "videos" / "sub" / "hollow.mp4").touch()
    for stage in (prepare, extract_faces, dedupe, voices, split):
        stage.main(workspace)
    return Tables(workspace)


def _shown(tables: Tables, name: str, width: int = 80) -> str:
    text = io.StringIO()
    Console(width=width, file=text).print(*screen(tables, find(tables, name)), sep="\n")
    return text.getvalue()


def test_a_clip_shows_its_frames_its_thresholds_and_its_nearest_neighbour(tables: Tables) -> None:
    text = _shown(tables, "first")
    assert "person 0: kept by the thresholds" in text
    assert "min_interocular_px" in text
    [near, *_] = neighbours(tables, find(tables, "first").faces[0])
    assert near.face.face_id == "second"
    assert f"{near.distance:.4f}" in text
    assert "the same" in text
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())


def test_a_clip_shows_what_was_measured_of_its_voice_and_whose_it_is(tables: Tables) -> None:
    told = Tables(tables.workspace)
    heard = {"clip_id": "first", "method": "mouth", "windows": 4, "score": 0.1234}
    told.__dict__["voices"] = [
        row(Voice, **heard, flags=("several_people", "lips_do_not_move")),
        row(Voice, clip_id="other", face_id="other"),
    ]
    text = _shown(told, "first")
    assert "first, voice: given to nobody" in text
    assert "score 0.1234" in text
    assert "several_people: more than one person is in the picture" in text
    words = " ".join(text.split())
    assert "lips_do_not_move: the mouth's opening varies by less than 0.01" in words
    assert "a sign only, the voice stays" in words
    assert "other, voice" not in text
    assert "other, voice: of other" in _shown(told, "other")


def test_a_video_is_found_by_its_path_and_a_person_by_their_id(tables: Tables) -> None:
    assert find(tables, "sub/second.mp4").kind == "clip"
    assert find(tables, str(tables.workspace.raw / "sub" / "second.mp4")).clips == find(tables, "second").clips
    identity_id = next(row.identity_id for row in tables.identities if row.face_id == "first")
    text = _shown(tables, identity_id)
    assert "2 faces" in text
    assert "stands for them" in text


def test_what_a_person_or_the_ledger_decided_is_not_put_down_to_the_threshold() -> None:
    def who(name: str, cluster: str, identity: str, **given: str) -> Identity:
        own = {"group": cluster, "ledger_id": identity, **given}
        return row(Identity, face_id=name, face_key=name, cluster=cluster, identity_id=identity, **own)

    a = who("a", "1", "x")
    frozen = {name: row(LedgerRow, face_key=name, identity_id="x") for name in ("a", "e")}
    assert decided_by(a, who("b", "1", "x"), {}) == ""
    assert decided_by(a, who("c", "2", "y"), {}) == ""
    assert decided_by(a, who("b", "2", "x"), {}) == "merged by hand"
    assert decided_by(a, who("e", "2", "x"), frozen) == "kept together by the ledger"
    assert decided_by(a, who("e", "2", "x", ledger_id="z"), {**frozen, "e": row(LedgerRow, identity_id="z")}) == "merged by hand"
    assert decided_by(a, who("d", "1", "y", group="9"), {}) == "split by hand"
    assert decided_by(a, who("d", "1", "y"), {}) == "kept apart by the ledger"


def test_who_is_left_out_is_told_what_would_keep_them(tables: Tables) -> None:
    views = [replace(view, person=1) for view in tables.views if view.clip_id == "first"]
    left_out = Tables(tables.workspace)
    left_out.__dict__.update(views=[*tables.views, *views], clips=tables.clips)
    text = _shown(left_out, "first-p1")
    assert "person 1: left out by faces.keep: largest" in text
    assert "faces.keep: all would keep them" in text


def test_what_was_rejected_says_by_which_stage_and_why(tables: Tables) -> None:
    assert "extract_faces (face) no_face" in _shown(tables, "nobody").replace("\n", " ")


def test_an_unknown_name_is_answered_with_what_is_near(tables: Tables) -> None:
    with pytest.raises(InputError, match="Near to it: first"):
        find(tables, "frist")


def test_every_turning_value_turns_the_verdict_and_half_the_way_to_it_does_not(tables: Tables) -> None:
    params = tables.workspace.params.faces
    views = [view for view in tables.views if view.clip_id == "first" and view.person == 0]
    frames = views[0].frames
    turns = face_turns(params, views, frames)
    assert {"min_interocular_px", "min_score", "min_mouth_width", "min_presence"} - {turn.param for turn in turns} <= {
        "min_presence"
    }
    assert [turn.relative for turn in turns] == sorted(turn.relative for turn in turns)
    for turn in turns:
        assert verdict(params.model_copy(update={turn.param: turn.then}), views, frames) != ""
        assert verdict(params.model_copy(update={turn.param: (turn.now + turn.then) / 2}), views, frames) == ""
        assert float(f"{turn.then:.4g}") == turn.then, "what is shown would not turn it"
        Faces.model_validate(params.model_dump() | {turn.param: turn.then})


def test_a_rejected_person_is_told_what_would_keep_them(tables: Tables) -> None:
    params = tables.workspace.params.faces.model_copy(update={"min_interocular_px": 1000.0})
    views = [view for view in tables.views if view.clip_id == "first" and view.person == 0]
    assert verdict(params, views, views[0].frames) == "face_too_small"
    [turn] = face_turns(params, views, views[0].frames)
    assert turn.param == "min_interocular_px"
    assert verdict(params.model_copy(update={turn.param: turn.then}), views, views[0].frames) == ""


def test_at_a_border_the_group_is_another_one_and_just_before_it_is_the_same() -> None:
    faces = [_face("a", 0), _face("b", 5), _face("c", 60), _face("d", 14)]
    clips = [face.clip_id for face in faces]
    embeddings = np.stack([face.embedding for face in faces])

    def group(threshold: float) -> set[str]:
        labels = cluster(embeddings, clips, threshold, "average_link")
        return {faces[number].face_id for number in np.flatnonzero(labels == labels[0])}

    now = 1 - float(np.cos(np.radians(9)))
    assert group(now) == {"a", "b"}
    found = borders(faces, faces[0], now, "average_link")
    assert found is not None
    below, above = found
    assert (below.lost, above.gained) == (("b",), ("d",))
    for border in (below, above):
        assert float(f"{border.then:.5g}") == border.then, "what is shown is not at the border"
        step = 2e-5 if border.then > now else -2e-5
        assert group(border.then - step) == group(now)
        assert group(border.then) == (group(now) | set(border.gained)) - set(border.lost)


def test_a_face_in_a_crowd_is_answered_without_comparing_all_with_all(tables: Tables) -> None:
    crowd = [_face(f"f{number:05}", number / 100) for number in range(LINKED + 1)]
    near = 1 - float(np.cos(np.radians(0.02)))
    assert borders(crowd, crowd[0], near, "greedy") is None
    assert borders(crowd[:50], crowd[0], near, "greedy") is not None
    crowded = Tables(tables.workspace)
    vars(crowded).update(faces=[*tables.faces, *(replace(face, embedding=tables.faces[0].embedding) for face in crowd)])
    text = io.StringIO()
    Console(width=200, file=text).print(*screen(crowded, find(tables, "first")), sep="\n")
    assert f"More than {LINKED} faces" in text.getvalue()


def test_pictures_of_all_views_come_from_the_cache_and_make_a_sheet(tables: Tables) -> None:
    subject = find(tables, "first")
    shown = pictures(tables, subject)
    views = [view for view in tables.views if view.clip_id == "first"]
    assert len(shown) == len(views) + len(neighbours(tables, subject.faces[0]))
    sheet = cv2.imread(str(write_sheet(tables, subject, shown)))
    assert sheet.shape[1] == 192 * min(6, len(shown))


def test_without_the_cache_the_stored_faces_are_shown(tables: Tables, tmp_path: Path) -> None:
    own = tables.workspace
    cold = Tables(Workspace(own.root, own.home, own.params, tmp_path / "empty"))
    shown = pictures(cold, find(cold, "first"))
    assert [picture.caption for picture in shown][:2] == ["first", "0.000 second"]


@pytest.mark.skipif(find_spec("keras") is not None, reason="is about mtcnn's packages being absent; here they are installed")
def test_faces_of_a_detector_that_is_not_installed_here_are_shown_as_stored(tables: Tables) -> None:
    own = tables.workspace
    faces = own.params.faces.model_copy(update={"detector": "mtcnn"})
    elsewhere = Tables(Workspace(own.root, own.home, own.params.model_copy(update={"faces": faces}), own.cache_root))
    assert pictures(elsewhere, find(elsewhere, "first"))[0].caption == "first"


def _face(name: str, degrees: float) -> Face:
    vector = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)
    return row(
        Face, face_id=name, clip_id=name, source=f"{name}.mp4", source_sha256=name, embedding=vector, embedder="Dlib", people=1
    )


@pytest.mark.parametrize("method", ["average_link", "connected", "greedy"])
def test_a_sweep_names_who_joins_at_which_threshold_and_scores_it(method: str) -> None:
    faces = [_face("a", 0), _face("b", 5), _face("c", 60), _face("d", 70)]
    near = [1 - float(np.cos(np.radians(angle))) for angle in (4, 6, 11)]
    found = steps(faces, near, method, {"a.mp4": "x", "b.mp4": "x", "c.mp4": "y", "d.mp4": "z"})
    assert [(step.identities, step.singletons, step.largest) for step in found] == [(4, 4, 1), (3, 2, 2), (2, 0, 2)]
    assert [step.joins for step in found] == [(), (("a", "b"),), (("c", "d"),)]
    assert [step.labels.get("pairwise_f1") for step in found[1:]] == [1.0, pytest.approx(2 / 3)]


def test_only_what_is_stored_can_be_swept(tables: Tables) -> None:
    assert sweep_table(tables.workspace, "dedupe.threshold").row_count == 15
    with pytest.raises(ConfigError, match=r"dedupe\.threshold can"):
        sweep_table(tables.workspace, "faces.min_score")


def test_a_sweep_leaves_out_whom_dedupe_rejects(tables: Tables, tmp_path: Path) -> None:
    faces = tables.faces
    nowhere = replace(faces[0], embedding=np.full_like(faces[0].embedding, np.nan))
    workspace = replace(tables.workspace, root=tmp_path)
    write_table(workspace.faces / "faces.parquet", Face, [nowhere, *faces[1:]])
    assert str(sweep_table(workspace, "dedupe.threshold").title).startswith(f"{len(faces) - 1} faces, ")
    write_table(workspace.faces / "faces.parquet", Face, [nowhere])
    with pytest.raises(InputError, match="no face that can be compared"):
        sweep_table(workspace, "dedupe.threshold")


def test_a_file_that_became_no_clip_is_found_by_its_path(tables: Tables) -> None:
    assert "empty_file" in _shown(tables, "sub/hollow.mp4")
    assert "empty_file" in _shown(tables, "hollow")


def test_both_are_commands(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tables.workspace
    monkeypatch.setattr(Workspace, "open", classmethod(lambda cls: own))
    why = CliRunner().invoke(app, ["why", "first"])
    assert why.exit_code == 0
    assert "Pictures: " in why.output
    assert CliRunner().invoke(app, ["sweep", "dedupe.threshold"]).exit_code == 0
