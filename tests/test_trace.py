"""The chain from a model to its clips and back is what the tables of its own pass say, also when the checkout has moved on."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from onscreen.config import Hq, Params
from onscreen.errors import InputError
from onscreen.matching.folder import digest_of_person
from onscreen.matching.hq_tree import FACES, MELS
from onscreen.naming import file_stem
from onscreen.records import Clip, Identity, Pair, Reject, SplitRow
from onscreen.stages.hq import TreeFile, write_tree
from onscreen.storage import storing
from onscreen.store import read_table, write_json, write_table
from onscreen.tracking.live import training_run
from onscreen.tracking.passes import track
from onscreen.tracking.registry import CHAMPION, MD5, MODELS
from onscreen.tracking.store import KIND, PARENT, STAGE, connect, runs_with
from onscreen.tracking.trace import print_trace
from onscreen.workspace import Workspace
from rebuild_cases import call, commit, dvc, settled, start_dvc
from records_of import row
from stage_cases import checkout

OUTS = ["data/prepared", "data/faces", "data/identities", "data/splits", "data/hq", "models/face_voice", "models/hq"]
DVC_YAML = {
    "stages": {
        "train_face_voice": {  # its tables are laid there by the test, and stay
            "cmd": "python -c pass",
            "params": ["version"],
            "outs": [{path: {"persist": True}} for path in OUTS],
            "metrics": [{"reports/metrics/train_face_voice.json": {"cache": False, "persist": True}}],
        }
    }
}


def write_state(root, sides, version):
    """Tables of people by side, and both models; the first training face is lost to face_voice."""
    workspace = checkout(root, sides)
    splits = read_table(workspace.splits / "splits.parquet", SplitRow)
    faces = [
        row(
            Identity,
            face_id=one.face_id,
            clip_id=one.clip_id,
            source=f"{one.clip_id}.mp4",
            identity_id=one.identity_id,
            ledger_id=one.identity_id,
        )
        for one in splits
    ]
    write_table(workspace.identities / "identities.parquet", Identity, faces)
    pairs = [pair for pair in read_table(workspace.splits / "pairs.parquet", Pair) if pair.split == "train"]
    lost = [Reject("p0c0", "train_face_voice", "face", "failed", "cannot be read", {})]
    write_model(workspace.models / "face_voice", [pair for pair in pairs if pair.face_id != "p0c0"], lost)
    shutil.rmtree(workspace.hq, ignore_errors=True)
    files = [
        TreeFile(one.identity_id, kind, one.clip_id, f"sha-{one.clip_id}", np.ones((2, 2), np.float32))
        for one in splits
        for kind in (MELS, FACES)
    ]
    workspace.hq.mkdir(parents=True)
    with storing(workspace.hq, "folders") as save:
        write_tree(workspace.hq, save, Hq(), files, {one.identity_id: one.split for one in splits})
    write_model(workspace.models / "hq", [replace(pair, identity_id=file_stem(pair.identity_id)) for pair in pairs], [])
    write_json(root / "reports" / "metrics" / "train_face_voice.json", {"status": "ok"})
    (root / "params.yaml").write_text(f"version: {version}\n")


def write_model(folder, pairs, rejects):
    people = sorted({digest_of_person(pair.identity_id) for pair in pairs})
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {"training_people_sha256": people, "data": {"training_pairs": len(pairs)}})
    write_table(folder / "rejects.parquet", Reject, rejects)


def register(workspace):
    """A version of both models for the checkout's pass, with the tags that registration sets."""
    client, _ = connect(workspace.home)
    told = json.loads((workspace.reports / "run.json").read_text())
    for folder, name in MODELS.items():
        if not any(model.name == name for model in client.search_registered_models()):
            client.create_registered_model(name)
        version = client.create_model_version(name, "file:///nowhere", told["run_id"])
        md5 = client.get_run(told["run_id"]).data.tags[f"md5.{folder}"]
        client.set_model_version_tag(name, version.version, MD5, md5)
    return told["run_id"]


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A checkout of two passes, each with its versions: the second one knows other people. Returns it and the runs."""
    root = tmp_path_factory.mktemp("trace") / "checkout"
    root.mkdir()
    with settled():
        (root / "dvc.yaml").write_text(json.dumps(DVC_YAML))
        (root / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/.cache\n/data\n/models\n")
        call(root, "git", "init", "-q", "-b", "main")
        call(root, "git", "config", "user.email", "nobody@example.com")
        call(root, "git", "config", "user.name", "nobody")
        start_dvc(root)
        workspace, runs = Workspace(root, root, Params(), root / ".cache" / "onscreen"), []
        for version, sides in enumerate(({"train": 3, "val": 1, "test": 1}, {"test": 1, "train": 2}), 1):
            write_state(root, sides, version)
            dvc(root, "repro", "-q")
            commit(root, f"pass {version}")
            track(workspace)
            runs.append(register(workspace))
        connect(root)[0].set_registered_model_alias("face_voice", CHAMPION, "1")
        yield workspace, runs


def told(workspace, name, capsys):
    print_trace(workspace, name)
    return capsys.readouterr().out


def clips(text):
    """Clip lines of what was printed: person, clip, what it gave, video."""
    return [tuple(line.replace("person ", "person_").split()) for line in text.splitlines() if line.startswith("    ")]


def test_a_champion_of_an_older_pass_tells_exactly_its_clips_from_the_cache(traced, capsys):
    workspace, (first, _) = traced
    text = told(workspace, "face_voice@champion", capsys)
    assert text.startswith("face_voice version 1 @champion\n")
    assert f"run           {first}" in text
    assert "Trained on 3 people, 6 clips, 6 videos, 5 faces, 5 voices, 5 pairs:" in text
    gave = {"p0c0": "voice", "p0c1": "face"}  # the one's face is lost, and with it the other's voice
    names = [(f"person_{person}", f"p{person}c{clip}") for person in range(3) for clip in range(2)]
    wanted = [(person, clip, gave.get(clip, "face+voice"), f"{clip}.mp4") for person, clip in names]
    assert clips(text) == wanted
    assert "data/splits  (in DVC's cache)" in text
    assert "WARNING" not in text
    assert "tested on 1 person, 2 clips" in text


def test_the_newest_version_is_of_the_tables_in_the_checkout(traced, capsys):
    workspace, (_, second) = traced
    text = told(workspace, "models:/face_voice/2", capsys)
    assert f"run           {second}" in text
    assert "data/splits  (in the checkout)" in text
    assert {clip for _, clip, *_ in clips(text)} == {"p1c0", "p1c1", "p2c0", "p2c1"}


def test_a_model_of_our_own_tree_tells_clips_and_not_names_of_files(traced, capsys):
    workspace, _ = traced
    text = told(workspace, "hq/1", capsys)
    assert {line[:4] for line in clips(text)} == {
        (f"person_{p}", f"p{p}c{c}", "face+voice", f"p{p}c{c}.mp4") for p in range(3) for c in range(2)
    }
    assert "WARNING" not in text


def test_a_clip_names_the_versions_that_saw_it_and_on_which_side(traced, capsys):
    workspace, (first, second) = traced
    text = told(workspace, "p0c1", capsys)
    assert "data/splits      p0c1  test" in text
    assert f"face_voice version 1 @champion  train: trained on it (face)  run {first}" in text
    assert f"face_voice version 2  test: tested on it (face)  run {second}" in text
    assert told(workspace, "p0c1.mp4", capsys).splitlines()[1:] == text.splitlines()[1:]
    assert told(workspace, str(workspace.raw / "p0c1.mp4"), capsys).splitlines()[1:] == text.splitlines()[1:]


def test_a_person_and_a_face_are_traced_by_their_names(traced, capsys):
    workspace, (first, second) = traced
    text = told(workspace, "person 0", capsys)
    assert text.startswith("person person 0\n")
    assert f"face_voice version 1 @champion  train: trained on it (face+voice)  run {first}" in text
    text = told(workspace, "p2c0", capsys)
    assert f"face_voice version 2  train: trained on it (face+voice)  run {second}" in text


def test_a_clip_that_is_gone_from_the_checkout_is_found_in_the_pass_that_had_it(traced, capsys):
    workspace, (first, _) = traced
    text = told(workspace, "p4c0", capsys)
    assert f"The checkout does not hold it; what follows is from pass {first}" in text
    assert "face_voice version 1 @champion  test: tested on it" in text
    assert "version 2" not in text


def test_a_pass_tells_its_stages_and_a_stage_its_pass(traced, capsys):
    workspace, (first, _) = traced
    client, experiment = connect(workspace.home)
    (stage,) = runs_with(client, experiment, {KIND: "stage", STAGE: "train_face_voice", PARENT: first})
    assert f"stage         {stage.info.run_id}  train_face_voice" in told(workspace, first, capsys)
    text = told(workspace, stage.info.run_id, capsys)
    assert f"pass          {first}" in text
    assert "face_voice version 1 @champion" in text
    assert "hq version" not in text
    assert len(clips(text)) == 6


def test_a_training_that_no_pass_holds_says_so(traced, capsys):
    workspace, _ = traced
    with pytest.raises(ZeroDivisionError), training_run(workspace, "train_hq", {"seed": 1}):
        raise ZeroDivisionError
    client, experiment = connect(workspace.home)
    (run,) = runs_with(client, experiment, {KIND: "training"})
    text = told(workspace, run.info.run_id, capsys)
    assert text.startswith("training train_hq\n")
    assert "no pass holds" in text


def test_unknown_names_are_answered_with_near_ones_and_what_there_is(traced):
    workspace, _ = traced
    with pytest.raises(InputError, match=r"(?s)p0c9.*Near to it: .*p0c0.*face_voice/1, face_voice/2, hq/1, hq/2"):
        print_trace(workspace, "p0c9")
    with pytest.raises(InputError, match="It has: 1, 2"):
        print_trace(workspace, "face_voice/7")
    with pytest.raises(InputError, match="there is no run"):
        print_trace(workspace, "0" * 32)


def test_a_name_that_a_clip_has_too_says_so(traced, tmp_path, capsys):
    workspace, _ = traced
    root = shutil.copytree(workspace.root, tmp_path / "copy", symlinks=True)
    shutil.rmtree(root / ".dvc" / "cache")  # so that the table itself is read, which has another md5 now
    clips = read_table(root / "data" / "prepared" / "clips.parquet", Clip)
    write_table(root / "data" / "prepared" / "clips.parquet", Clip, [replace(clips[0], clip_id="hq"), *clips])
    assert "is called hq too" in told(Workspace(root, workspace.home, Params(), root), "hq", capsys)


def test_tables_that_are_not_here_are_named_with_the_command_that_brings_them(traced, tmp_path, capsys):
    workspace, _ = traced
    root = shutil.copytree(workspace.root, tmp_path / "copy", symlinks=True)
    shutil.rmtree(root / ".dvc" / "cache")
    text = told(Workspace(root, workspace.home, Params(), root), "face_voice/1", capsys)
    assert "told by models/face_voice and data/splits: not on this machine" in text
    assert "dvc fetch --all-commits models/face_voice data/splits" in text
    assert clips(text) == []
    text = told(Workspace(root, workspace.home, Params(), root), "face_voice/2", capsys)
    assert len(clips(text)) == 4  # the checkout's own tables are still there
