"""A story of versions, from the first pass to a clone elsewhere: the real git, DVC, MLflow and commands, on a planted world of
made-up people (world.py). Its tests are its chapters, in order.
"""

import json
import re
import shutil

import mlflow
import pytest
from world import call, ended, plant

from onscreen.records import Pair, SplitRow
from onscreen.store import read_table

pytestmark = pytest.mark.e2e
PEOPLE = 100


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A checkout with a first pass: run, recorded, committed, pushed."""
    root = tmp_path_factory.mktemp("story") / "checkout"
    plant(root, PEOPLE)
    commit(root, "Videos")
    call(root, "dvc", "repro", "-q")
    keep(root, "First pass")
    return root


def commit(root, message):
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", message)


def keep(root, message):
    """Record the pass in the checkout, commit it and bring its data to the remote, as README has it."""
    call(root, "onscreen", "track")
    commit(root, message)
    call(root, "dvc", "push", "-q")


def apply(root, experiment):
    """An experiment on a branch of its own, kept as a commit."""
    call(root, "git", "switch", "-qc", f"with-{experiment}", "main")
    call(root, "dvc", "checkout", "-q")
    call(root, "dvc", "exp", "apply", experiment)
    keep(root, f"Take the experiment {experiment}")


def registry(root):
    return mlflow.MlflowClient(f"sqlite:///{root}/mlflow.db")


def champion(root):
    return str(registry(root).get_model_version_by_alias("face_voice", "champion").version)


def passes(root):
    client = registry(root)
    ids = [found.experiment_id for found in client.search_experiments()]
    return client.search_runs(ids, "tags.`onscreen.kind` = 'pass'")


def auc(metrics):
    return metrics["face_voice"]["all"]["verification"]["auc"]["value"]


def test_the_first_model_becomes_champion_because_it_is_better_than_chance(story):
    told = call(story, "onscreen", "promote", "face_voice")
    assert champion(story) == "1"
    assert "chance" in told
    metrics = json.loads((story / "reports/metrics/evaluate.json").read_text())
    assert 0.6 < auc(metrics) < 0.95
    assert metrics["face_voice"]["test_people"] >= 12


def test_three_experiments_of_the_queue_stand_beside_each_other(story):
    call(story, "dvc", "exp", "run", "-q", "--queue", "--name", "once", "-S", "train_face_voice.num_epochs=1")
    call(story, "dvc", "exp", "run", "-q", "--queue", "--name", "faster", "-S", "train_face_voice.learning_rate=1e-3")
    call(story, "dvc", "exp", "run", "-q", "--queue", "--name", "still", "-S", "train_face_voice.learning_rate=1e-6")
    call(story, "dvc", "exp", "run", "-q", "--run-all", "--jobs", "2")
    found = {}
    for row in json.loads(call(story, "dvc", "exp", "show", "--json")):
        for one in row.get("experiments") or []:
            (revision,) = one["revs"]
            found[one["name"]] = revision["data"]
    assert found.keys() == {"once", "faster", "still"}
    chosen = {name: data["params"]["params.yaml"]["data"]["train_face_voice"] for name, data in found.items()}
    assert [chosen[name]["learning_rate"] for name in ("once", "faster", "still")] == [1e-4, 1e-3, 1e-6]
    scored = {name: auc(data["metrics"]["reports/scores.json"]["data"]) for name, data in found.items()}
    assert max(scored["once"], scored["still"]) < 0.6 < 0.95 < scored["faster"]
    assert call(story, "git", "status", "--porcelain") == ""


def test_diff_says_that_the_better_one_is_better_by_an_interval_above_zero(story, tmp_path):
    apply(story, "faster")
    told = ended(story, "onscreen", "diff", "--output", tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    (row,) = re.findall(r"^\| `evaluate\.face_voice\.all\.verification\.auc` .*$", told.stdout, re.MULTILINE)
    low, high = (float(value) for value in re.search(r"([+-][\d.]+) to ([+-][\d.]+)", row).groups())
    assert 0 < low < high
    assert "better" in row
    assert "learning_rate" in told.stdout
    assert "vid_" not in told.stdout
    assert "id_" not in re.sub(r"run_id\w*", "", told.stdout)
    assert json.loads((tmp_path / "diff.json").read_text())["passed"] is True


def test_promote_moves_the_champion_to_the_better_one(story):
    assert "face_voice/2" in call(story, "onscreen", "promote", "face_voice")
    assert champion(story) == "2"
    tags = registry(story).get_model_version("face_voice", "2").tags
    assert "interval" in json.loads(tags["onscreen.promotion"])["reason"]


def test_a_worse_one_fails_its_gate_and_is_refused_with_the_reason(story):
    apply(story, "once")
    told = ended(story, "onscreen", "diff")
    assert told.returncode == 1, told.stdout + told.stderr
    assert re.search(r"^\| `evaluate\.face_voice\.all\.verification\.auc` .*FAIL", told.stdout, re.MULTILINE)
    refused = ended(story, "onscreen", "promote", "face_voice")
    assert refused.returncode == 1
    assert "face_voice/3 is refused" in refused.stdout
    assert "does not lie above 0" in refused.stdout
    assert champion(story) == "2"
    assert "refused" in registry(story).get_model_version("face_voice", "3").tags["onscreen.promotion"]


def test_trace_from_the_champion_lists_exactly_the_clips_it_was_trained_on(story):
    told = call(story, "onscreen", "trace", "face_voice@champion")
    listed = {(words[1], words[2]) for line in told.splitlines() if (words := line.split()) and words[0].startswith("id_")}
    assert len(listed) == sum(line.strip().startswith("id_") for line in told.splitlines())
    call(story, "git", "switch", "-q", "with-faster")
    call(story, "dvc", "checkout", "-q")
    pairs = [pair for pair in read_table(story / "data/splits/pairs.parquet", Pair) if pair.split == "train"]
    faces, voices = {pair.face_id for pair in pairs}, {pair.voice_clip_id for pair in pairs}
    wanted = {(clip, "+".join([*["face"][: clip in faces], *["voice"][: clip in voices]])) for clip in faces | voices}
    assert listed == wanted
    assert {what for _, what in wanted} == {"face+voice", "face"}  # some clips are silent
    splits = read_table(story / "data/splits/splits.parquet", SplitRow)
    assert {clip for clip, _ in listed} == {row.clip_id for row in splits if row.split == "train"}


def test_trace_from_a_clip_names_the_champion_and_the_side(story):
    splits = read_table(story / "data/splits/splits.parquet", SplitRow)
    trained = next(row.clip_id for row in splits if row.split == "train")
    told = call(story, "onscreen", "trace", trained)
    (line,) = [line for line in told.splitlines() if line.startswith("face_voice version 2")]
    assert "@champion" in line
    assert "train: trained on it" in line


def test_a_clone_elsewhere_pulls_and_repro_does_nothing_and_track_adds_nothing(story, tmp_path):
    call(tmp_path, "git", "clone", "-q", "--branch", "with-faster", story, "clone")
    clone = tmp_path / "clone"
    call(clone, "dvc", "remote", "modify", "--local", "store", "url", story / ".dvc-store")
    call(clone, "dvc", "pull", "-q")
    assert "Data and pipelines are up to date" in call(clone, "dvc", "repro")
    known = {run.info.run_id for run in passes(story)}
    versions = len(registry(story).search_model_versions("name = 'face_voice'"))
    call(clone, "onscreen", "track", MLFLOW_TRACKING_URI=f"sqlite:///{story}/mlflow.db")
    assert {run.info.run_id for run in passes(story)} == known
    assert len(registry(story).search_model_versions("name = 'face_voice'")) == versions
    assert not (clone / "mlflow.db").exists()
    assert call(clone, "git", "status", "--porcelain") == ""
    shutil.rmtree(clone)
