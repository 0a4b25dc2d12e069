"""The whole pipeline in a fresh clone, with the real DVC, git and MLflow, on a few real clips (sample clips where there are none)."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onscreen.records import Face, Identity, Pair, Reject, SplitRow
from onscreen.sample.make import make_sample
from onscreen.sample.people import PEOPLE
from onscreen.store import read_table
from plot_cases import columns_of, named_plots
from real_data import DATA

REPO = Path(__file__).parents[1]
CLIPS = ["aoc_short.mp4", "hdtf_aoc.mp4", "grid_pwij3p.mpg", "grid_swwp2s.mpg", "grid_bbaf2n.mpg", "grid_lbbc2a.mpg"]
STAGES = ["prepare", "extract_faces", "dedupe", "voices", "split", "hq", "m2p", "train_face_voice", "train_hq", "evaluate"]

pytestmark = pytest.mark.e2e


def call(root, *command, **environment):
    """Run a program in root with this environment's programs first on PATH; its output when it ends well."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    env.pop("MLFLOW_TRACKING_URI", None)
    ended = subprocess.run([str(part) for part in command], cwd=root, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A few clips, and a text file called .mp4."""
    folder = tmp_path_factory.mktemp("raw")
    if (DATA / "clips").is_dir():
        for name in CLIPS:
            shutil.copy(DATA / "clips" / name, folder)
        shutil.copy(DATA / "clips" / "labels.csv", folder)
    else:
        make_sample(folder, PEOPLE[:3])
    (folder / "notes.mp4").write_text("not a video")
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, raw):
    """A clone of what git tracks here, as it is in the working tree, with data.raw pointing at the clips; run once."""
    root = tmp_path_factory.mktemp("work") / "checkout"
    root.mkdir()
    for name in call(REPO, "git", "ls-files", "-z").split("\0"):
        if name and (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, root / name)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    params = (
        params.replace("raw: data/raw", f"raw: {raw}")
        .replace("num_epochs: 100", "num_epochs: 4")
        .replace("num_epochs: 50", "num_epochs: 2")
    )
    (root / "params.yaml").write_text(params, encoding="utf-8")
    if (REPO / ".weights").is_dir():  # fetched once a machine, not once a test
        shutil.copytree(REPO / ".weights", root / ".weights")
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    call(root, "dvc", "repro")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", "first pass")
    return root


def test_every_stage_leaves_metrics_with_a_status(checkout):
    for stage in STAGES:
        assert json.loads((checkout / f"reports/metrics/{stage}.json").read_text())["status"], stage


def test_every_clip_has_a_face_or_a_named_reject(checkout, raw):
    faces = {face.source for face in read_table(checkout / "data/faces/faces.parquet", Face)}
    rejects = [row for stage in ("prepared", "faces") for row in read_table(checkout / f"data/{stage}/rejects.parquet", Reject)]
    named = {row.item for row in rejects if row.code}
    videos = {path.name for path in raw.iterdir() if path.suffix in (".mp4", ".mpg")}
    assert {name for name in videos - faces if name not in named and Path(name).stem not in named} == set()
    assert {(row.item, row.code) for row in rejects if row.scope == "clip"} == {("notes", "not_a_video")}


def test_tables_agree_with_each_other_and_with_the_folders(checkout):
    faces = {face.face_id for face in read_table(checkout / "data/faces/faces.parquet", Face)}
    identities = read_table(checkout / "data/identities/identities.parquet", Identity)
    splits = {row.face_id: row for row in read_table(checkout / "data/splits/splits.parquet", SplitRow)}
    assert {row.face_id for row in identities} == faces == set(splits)
    assert all(splits[row.face_id].identity_id == row.identity_id for row in identities)
    people = {row.identity_id for row in identities}
    assert sum(row.is_representative for row in identities) == len(people)
    assert len(list((checkout / "data/identities/representative_faces").iterdir())) == len(people)
    assert all((checkout / "data/identities/deduped_faces" / Path(row.image).name).is_file() for row in identities)
    pairs = read_table(checkout / "data/splits/pairs.parquet", Pair)
    assert all(splits[pair.face_id].identity_id == pair.identity_id for pair in pairs)


def test_every_plot_that_dvc_yaml_names_is_there_with_its_columns(checkout):
    for path, columns in named_plots():
        assert (checkout / path).exists(), path
        assert not columns or columns <= (columns_of(checkout / path) or columns), path  # an empty list has none


def test_nothing_changed_runs_nothing_and_git_stays_clean(checkout):
    again = call(checkout, "dvc", "repro")
    assert "Data and pipelines are up to date" in again
    assert call(checkout, "git", "status", "--porcelain") == ""


def test_a_pass_is_tracked_and_models_are_registered(checkout):
    import mlflow

    call(checkout, "onscreen", "track")
    call(checkout, "onscreen", "track")
    client = mlflow.MlflowClient(f"sqlite:///{checkout}/mlflow.db")
    assert len(client.search_runs(["1"], "tags.`onscreen.kind` = 'pass'")) == 1
    trained = [folder.name for folder in (checkout / "models").iterdir() if any(folder.glob("*.safetensors"))]
    assert trained == [] or {model.name for model in client.search_registered_models()} == set(trained)


def test_what_was_pushed_can_be_pulled_into_another_clone(checkout):
    call(checkout, "dvc", "push", "-q")
    faces = (checkout / "data/faces/faces.parquet").read_bytes()
    shutil.rmtree(checkout / "data/faces")
    shutil.rmtree(checkout / ".dvc/cache")
    call(checkout, "dvc", "pull", "-q")
    assert (checkout / "data/faces/faces.parquet").read_bytes() == faces


def test_two_experiments_in_the_queue_with_two_workers_lose_nothing(checkout):
    for threshold in ("0.00001", "0.9"):
        call(checkout, "dvc", "exp", "run", "--queue", "--name", f"t{threshold[2:]}", "-S", f"dedupe.threshold={threshold}")
    call(checkout, "dvc", "queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 600
    while {"Queued", "Running"} & set(call(checkout, "dvc", "queue", "status").split()) and time.monotonic() < deadline:
        time.sleep(2)
    shown = json.loads(call(checkout, "dvc", "exp", "show", "--json"))
    people = {}
    for row in shown:
        for experiment in row.get("experiments") or []:
            (revision,) = experiment["revs"]
            people[experiment["name"]] = revision["data"]["metrics"]["reports/metrics/dedupe.json"]["data"]["identities"]
    faces = len(read_table(checkout / "data/faces/faces.parquet", Face))
    assert people == {"t00001": faces, "t9": 1}
    call(checkout, "onscreen", "track")
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{checkout}/mlflow.db")
    named = [run.data.tags["DVC_EXP_NAME"] for run in client.search_runs(["1"], "tags.`onscreen.kind` = 'pass'")]
    assert sorted(named) == ["t00001", "t9", "workspace"]
