"""A pass is recorded once, whoever made it, as one run with a child for each stage, and a training's curve with it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from onscreen.config import Params, Tracking
from onscreen.errors import InputError, ToolError
from onscreen.lineage import experiment_passes, flatten, workspace_pass
from onscreen.store import read_json
from onscreen.tracking.duplicates import settle
from onscreen.tracking.live import training_run
from onscreen.tracking.passes import find_pass, track
from onscreen.tracking.shown import public_address, shown_path
from onscreen.tracking.store import KIND, LIVE, PARENT, RECORDED, STAGE, connect
from onscreen.workspace import Workspace

DVC = [sys.executable, "-m", "dvc"]
STAGES = """stages:
  toy:
    cmd: "{python} toy.py toy"
    deps: [toy.py, "${{data.raw}}"]
    params: [x, data.raw]
    outs: [out]
    metrics: [{{reports/metrics/toy.json: {{cache: false}}}}]
  train_hq:
    cmd: "{python} toy.py train_hq"
    deps: [toy.py, out]
    params: [train_hq]
    outs: [models/hq]
    metrics: [{{reports/metrics/train_hq.json: {{cache: false}}}}]
"""
TOY = """import json, pathlib, sys
from ruamel.yaml import YAML
params = YAML(typ="safe").load(pathlib.Path("params.yaml").read_text())
pathlib.Path("reports/metrics").mkdir(parents=True, exist_ok=True)
if sys.argv[1] == "toy":
    pathlib.Path("out").write_text(str(params["x"]))
    metrics = {"status": "ok", "score": {"value": params["x"] / 2, "top1": None}}
else:
    folder = pathlib.Path("models/hq")
    folder.mkdir(parents=True)
    losses = [params["train_hq"]["learning_rate"] / (epoch + 1) for epoch in range(3)]
    history = {"status": "ok", "train_loss": losses, "val_loss": [None] * 3, "learning_rate": [0.1] * 3, "temperature": [0.07] * 3}
    (folder / "history.json").write_text(json.dumps(history))
    metrics = {"status": "ok", "epochs": 3}
pathlib.Path(f"reports/metrics/{sys.argv[1]}.json").write_text(json.dumps(metrics))
"""
CURVE = {0: 0.5, 1: 0.25, 2: 0.5 / 3}  # of learning_rate 0.5


def call(root, *command):
    subprocess.run([str(part) for part in command], cwd=root, check=True, capture_output=True)


def write_params(root, raw, x=4, learning_rate=0.5):
    (root / "params.yaml").write_text(
        f"data:\n  raw: {raw}\nx: {x}\ntrain_hq:\n  learning_rate: {learning_rate}\n  name: {'n' * 40}\n"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A real DVC project of two stages over a folder outside of it, run once, with an empty store; each test has a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        base = tmp_path_factory.mktemp("made")
        root, raw = base / "project", base / "videos of Anna"
        root.mkdir()
        raw.mkdir()
        (raw / "anna.mp4").write_text("not really a video")
        (root / "dvc.yaml").write_text(STAGES.format(python=sys.executable))
        (root / "toy.py").write_text(TOY)
        write_params(root, raw)
        (root / ".gitignore").write_text("mlflow.db*\nmlartifacts\n.cache\n/out\n/models\n")
        call(root, "git", "init", "-q", "-b", "main")
        call(root, "git", "config", "user.email", "nobody@example.com")
        call(root, "git", "config", "user.name", "nobody")
        call(root, *DVC, "init", "-q")
        call(root, *DVC, "repro", "-q")
        call(root, "git", "add", "-A")
        call(root, "git", "commit", "-qm", "one")
        connect(base / "home")
        return base


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    shutil.copytree(made / "project", root, symlinks=True)
    shutil.copy(made / "home" / "mlflow.db", root)
    return workspace_at(root)


def workspace_at(root, home=None, **params):
    return Workspace(root, home or root, Params(**params), (home or root) / ".cache" / "onscreen")


def raw_of(made):
    return made / "videos of Anna"


def live_training(project, **environment):
    """The curve of the project's training, as its stage logs it while it runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with training_run(project, "train_hq", {"learning_rate": 0.5}) as log:
            for step, loss in CURVE.items():
                log({"train_loss": loss, "learning_rate": 0.1, "temperature": 0.07}, step)


def passes(workspace):
    client, experiment = connect(workspace.home)
    return client.search_runs([experiment], f"tags.`{RECORDED}` != ''")


def everything(workspace):
    client, experiment = connect(workspace.home)
    return client, client.search_runs([experiment])


def children(workspace, parent):
    client, experiment = connect(workspace.home)
    found = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent.info.run_id}'")
    return {run.data.tags[STAGE]: run for run in found} if len(found) == len({run.data.tags[STAGE] for run in found}) else found


def points_of(client, run):
    return {point.step: point.value for point in client.get_metric_history(run.info.run_id, "train_loss")}


def test_a_pass_is_a_run_with_a_child_for_each_stage(project, made):
    assert track(project) == 1
    (run,) = passes(project)
    here, client = workspace_pass(project.root), connect(project.home)[0]
    assert run.data.params["x"] == "4"
    assert run.data.metrics == {"toy.score.value": 2.0, "train_hq.epochs": 3.0}
    assert run.data.tags["md5.out"] == here.md5s()["out"]
    assert (run.data.tags[KIND], run.info.status, run.data.tags["git.dirty"]) == ("pass", "FINISHED", "false")
    assert run.data.tags["mlflow.source.git.commit"] == here.commit
    stages = children(project, run)
    assert sorted(stages) == ["toy", "train_hq"]
    toy, training = stages["toy"], stages["train_hq"]
    assert set(toy.data.params) == {"x", "data.raw"}
    assert toy.data.metrics == {"toy.score.value": 2.0}
    assert {name for name in training.data.tags if name.startswith("md5.")} == {
        *("md5.toy.py", "md5.out", "md5.models/hq", "md5.reports/metrics/train_hq.json")
    }
    assert points_of(client, training) == CURVE  # from history.json: nothing was recorded while it ran
    (read,) = training.inputs.dataset_inputs
    assert (read.dataset.name, read.dataset.digest, read.dataset.source_type) == ("out", here.md5s()["out"], "dvc")
    assert json.loads(read.dataset.source) == {"path": "out", "rev": here.commit, "repo": ""}
    assert [item.dataset.digest for item in run.inputs.dataset_inputs] == [here.md5s()[str(raw_of(made))]]
    assert {"machine.python", "machine.cores", "version.dvc"} <= set(run.data.tags) & set(training.data.tags)


def test_no_path_of_the_machine_is_in_a_run(project, made):
    track(project)
    _, runs = everything(project)
    texts = [
        json.dumps([run.data.tags, run.data.params, [item.dataset.source for item in run.inputs.dataset_inputs]]) for run in runs
    ]
    own = {run.info.run_id for run in runs}
    texts += [path.read_text() for path in (made / "home" / "mlartifacts").rglob("*.json") if own & set(path.parts)]
    assert len(texts) == 5
    assert not [text for text in texts if "Anna" in text or str(project.root) in text]


def test_a_second_track_changes_nothing_and_the_run_file_names_what_there_is(project):
    track(project)
    before, (run,) = (project.reports / "run.json").read_bytes(), passes(project)
    written = json.loads(before)
    assert (written["pass"], written["run_id"]) == (workspace_pass(project.root).digest, run.info.run_id)
    assert written["stages"] == {stage: found.info.run_id for stage, found in children(project, run).items()}
    assert "tracking_uri" not in written
    call(project.root, "git", "add", "-A")
    call(project.root, "git", "commit", "-qm", "recorded")
    assert track(project) == 0
    assert (project.reports / "run.json").read_bytes() == before
    assert len(everything(project)[1]) == 3


def test_an_old_pass_that_dvc_restores_is_known_and_a_new_one_is_new(project, made):
    live_training(project)
    track(project)
    write_params(project.root, raw_of(made), x=6)
    with pytest.raises(ToolError, match="dvc repro"):
        track(project)
    call(project.root, *DVC, "repro", "-q", "--single-item", "toy")
    write_params(project.root, raw_of(made), x=4)
    call(project.root, *DVC, "repro", "-q")
    assert track(project) == 0


def test_the_live_run_becomes_the_child_of_its_pass_and_a_later_pass_names_it(project, made):
    live_training(project)
    track(project)
    client, runs = everything(project)
    (first,) = passes(project)
    live = children(project, first)["train_hq"]
    assert len(runs) == 3  # no second run of the training
    assert (live.data.tags[LIVE], live.data.tags[KIND], live.data.tags["machine.did"]) == ("true", "stage", "trained")
    assert live.data.params == {"train_hq.learning_rate": "0.5", "train_hq.name": "n" * 40}
    assert points_of(client, live) == CURVE
    call(project.root, *DVC, "exp", "run", "-q", "--name", "other", "-S", "+data.note=1", "--temp")
    assert track(project) == 1
    second = next(run for run in passes(project) if run.data.tags["DVC_EXP_NAME"] == "other")
    skipped = children(project, second)["train_hq"]
    assert skipped.data.tags["onscreen.trained_in"] == live.info.run_id
    assert points_of(client, skipped) == CURVE
    assert client.get_run(live.info.run_id).data.tags[PARENT] == first.info.run_id


def test_experiments_are_recorded_from_git_with_their_curves_any_time_later(project):
    call(project.root, *DVC, "exp", "run", "-q", "--name", "bigger", "-S", "x=10", "-S", "train_hq.learning_rate=1.5", "--temp")
    (found,) = experiment_passes(project.root)
    assert (found.name, found.metrics["toy"]["score"]["value"]) == ("bigger", 5.0)
    text = (project.root / "params.yaml").read_text()
    (project.root / "params.yaml").write_text(text.replace("x: 4", "x: 6"))
    with pytest.raises(ToolError, match="dvc repro"):
        track(project)
    (run,) = passes(project)
    assert (run.data.tags["DVC_EXP_NAME"], run.data.tags["mlflow.source.git.commit"]) == ("bigger", found.commit)
    client = connect(project.home)[0]
    assert points_of(client, children(project, run)["train_hq"]) == {0: 1.5, 1: 0.75, 2: 0.5}
    (project.root / "params.yaml").write_text(text)
    assert track(project) == 1
    assert sorted(run.data.tags["DVC_EXP_NAME"] for run in passes(project)) == ["bigger", "workspace"]


def test_a_clone_records_anew_in_its_own_store_and_finds_the_pass_in_a_shared_one(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.root}/mlflow.db")
    track(project)
    (there,) = passes(project)
    call(tmp_path, "git", "clone", "-q", project.root, "clone")
    clone = workspace_at(tmp_path / "clone")
    shutil.copytree(project.root / ".dvc" / "cache", clone.root / ".dvc" / "cache")
    assert track(clone) == 0  # nothing is pulled, and nothing needs to be
    assert read_json(clone.reports / "run.json") == read_json(project.reports / "run.json")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    shutil.copy(project.root / "mlflow.db", clone.root / "shared.db")
    with pytest.raises(ToolError, match="dvc pull"):
        track(clone)
    call(clone.root, *DVC, "checkout", "-q")
    assert track(clone) == 1
    assert read_json(clone.reports / "run.json")["run_id"] != there.info.run_id


def test_half_a_record_is_made_anew_and_its_live_run_is_not_lost(project, monkeypatch):
    live_training(project)
    code = (
        "import os, sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
        "from onscreen.tracking import passes; root = Path(sys.argv[1])\n"
        "passes.settle = lambda *given: os.kill(os.getpid(), 9)\n"
        "passes.track(Workspace(root, root, Params(), root))\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(project.root)], check=False).returncode == -9
    assert len(everything(project)[1]) == 3
    assert passes(project) == []
    assert track(project) == 1
    (run,) = passes(project)
    assert len(everything(project)[1]) == 3
    assert children(project, run)["train_hq"].data.tags[LIVE] == "true"


def test_checkouts_that_share_a_database_wait_for_each_other_to_make_it(tmp_path):
    code = "import sys; from pathlib import Path; from onscreen.tracking.store import connect; connect(Path(sys.argv[1]))"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/shared.db"}
    homes = [tmp_path / name for name in ("one", "two", "three")]
    running = [subprocess.Popen([sys.executable, "-c", code, str(home)], env=environment) for home in homes]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]


def test_of_two_machines_that_record_a_pass_at_once_one_record_stays(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.root}/mlflow.db")
    live_training(project)
    other = tmp_path / "other"
    shutil.copytree(project.root, other, symlinks=True, ignore=shutil.ignore_patterns("mlflow.db*", ".cache"))
    code = (
        "import sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
        "from onscreen.tracking.passes import track; root = Path(sys.argv[1]); track(Workspace(root, root, Params(), root))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(root)], cwd=root) for root in (project.root, other)]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    (run,) = passes(project)
    assert len(everything(project)[1]) == 3
    assert sorted(children(project, run)) == ["toy", "train_hq"]
    assert children(project, run)["train_hq"].data.tags[LIVE] == "true"


def test_of_two_whole_records_the_oldest_stays_whoever_looks(project):
    track(project)
    client, experiment = connect(project.home)
    (first,), digest = passes(project), workspace_pass(project.root).digest
    later = client.create_run(experiment, tags={KIND: "pass", RECORDED: digest}).info.run_id
    client.create_run(experiment, tags={KIND: "stage", STAGE: "toy", PARENT: later})
    client.create_run(experiment, tags={KIND: "stage", STAGE: "train_hq", LIVE: "true", PARENT: later})
    assert settle(client, experiment, digest, later) == first.info.run_id == find_pass(client, experiment, digest)
    assert len(everything(project)[1]) == 3
    assert sorted(children(project, first)) == ["toy", "train_hq"]


def test_a_pass_that_was_deleted_in_the_store_is_recorded_anew_without_old_children(project):
    track(project)
    client, _ = connect(project.home)
    client.delete_run(passes(project)[0].info.run_id)
    assert track(project) == 1
    assert len(everything(project)[1]) == 3


def test_a_pass_gets_its_commit_when_it_has_one(project, made):
    write_params(project.root, raw_of(made), x=8)
    call(project.root, *DVC, "repro", "-q")
    track(project)
    (run,) = passes(project)
    assert run.data.tags["git.dirty"] == "true"
    call(project.root, "git", "commit", "-qam", "eight")
    assert track(project) == 0
    found = [passes(project)[0], *children(project, run).values()]
    assert {(one.data.tags["git.dirty"], one.data.tags["mlflow.source.git.commit"]) for one in found} == {
        ("false", workspace_pass(project.root).commit)
    }


def test_with_tracking_off_nothing_is_recorded(project, caplog):
    caplog.set_level("INFO", logger="onscreen")
    assert track(replace(project, params=Params(tracking=Tracking(enabled=False)))) == 0
    assert "tracking.enabled is false" in caplog.text
    assert not (project.reports / "run.json").exists()
    assert track(project) == 1


def test_a_server_that_is_not_there_is_named(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:secret@127.0.0.1:9")
    with pytest.raises(ToolError, match=r"http://127\.0\.0\.1:9.*Nothing is lost") as error:
        track(project)
    assert "anna" not in str(error.value)


def test_without_a_pass_the_next_command_is_named(tmp_path):
    with pytest.raises(InputError, match="dvc repro"):
        workspace_pass(tmp_path)


def test_curves_can_be_watched_while_training_runs(project):
    with training_run(project, "train_hq", {"learning_rate": 0.1}, every_s=0.0) as log:
        log({"train_loss": 2.0}, 0)
        log({"train_loss": 1.0}, 1)
        client, experiment = connect(project.home)
        (run,) = client.search_runs([experiment], "attributes.status = 'RUNNING'")
        assert points_of(client, run) == {0: 2.0, 1: 1.0}
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_training_that_fails_says_so_and_keeps_its_curve(project):
    with pytest.raises(ZeroDivisionError), training_run(project, "train_hq", {}, every_s=600.0) as log:
        for step in range(3):
            log({"train_loss": 3.0 - step}, step)
        client, experiment = connect(project.home)
        (run,) = client.search_runs([experiment])
        assert len(points_of(client, run)) == 1  # the first at once, later ones wait
        raise ZeroDivisionError
    assert client.get_run(run.info.run_id).info.status == "FAILED"
    assert points_of(client, run) == {0: 3.0, 1: 2.0, 2: 1.0}


def test_six_processes_on_a_fresh_store_lose_nothing(project):
    (project.root / "mlflow.db").unlink()
    code = (
        "import sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
        "from onscreen.tracking.live import training_run; root = Path(sys.argv[1]); work = Workspace(root, root, Params(), root)\n"
        "with training_run(work, sys.argv[2], {'a': 1}) as log:\n"
        "    for step in range(20): log({'train_loss': step}, step)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(project.root), f"train{n}"]) for n in range(6)]
    assert [process.wait(timeout=300) for process in running] == [0] * 6
    client, runs = everything(project)
    assert len(runs) == 6
    assert {len(points_of(client, run)) for run in runs} == {20}
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_nested_sections_become_dotted_names():
    assert dict(flatten({"a": {"b": 1, "c": [1, 2]}, "d": None})) == {"a.b": 1, "a.c": [1, 2], "d": None}


def test_only_what_lies_in_the_checkout_is_named():
    assert [shown_path(path) for path in ("data/raw", "s3://bucket/raw", "1e-4")] == ["data/raw", "s3://bucket/raw", "1e-4"]
    hidden = [shown_path(path) for path in ("/home/anna/videos", "~/videos", "../videos", "hf:/home/anna/vit", "C:\\anna")]
    assert all("outside-" in path and "anna" not in path and "videos" not in path for path in hidden)
    assert len(set(hidden)) == 5


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://anna:secret@host:8443/mlflow/?token=x#y", "https://host:8443/mlflow"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("sqlite:////home/anna/mlflow.db", None),
        ("postgresql://anna:secret@host/mlflow", None),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri, shown):
    assert public_address(uri) == shown
