"""A pass is recorded once, whoever made it, and a training's curves are there while it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from onscreen.config import Params
from onscreen.errors import InputError, ToolError
from onscreen.lineage import experiment_passes, flatten, workspace_pass
from onscreen.tracking.live import training_run
from onscreen.tracking.passes import track
from onscreen.tracking.store import RECORDED, connect
from onscreen.workspace import Workspace

DVC = [sys.executable, "-m", "dvc"]
STAGE = """stages:
  toy:
    cmd: "{python} toy.py"
    deps: [toy.py]
    params: [x]
    outs: [out]
    metrics: [{{reports/metrics/toy.json: {{cache: false}}}}]
"""
TOY = """import json, pathlib
x = int(pathlib.Path("params.yaml").read_text().split(":")[1])
pathlib.Path("out").write_text(str(x))
pathlib.Path("reports/metrics").mkdir(parents=True, exist_ok=True)
pathlib.Path("reports/metrics/toy.json").write_text(json.dumps({"status": "ok", "score": {"value": x / 2, "top1": None}}))
"""


def call(root, *command):
    subprocess.run([str(part) for part in command], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A real DVC project of one stage, run once."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(STAGE.format(python=sys.executable))
    (root / "toy.py").write_text(TOY)
    (root / "params.yaml").write_text("x: 4\n")
    (root / ".gitignore").write_text("mlflow.db*\nmlartifacts\n.cache\nout\n")
    call(root, "git", "init", "-q")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    call(root, *DVC, "init", "-q")
    call(root, *DVC, "repro", "-q")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", "one")
    return Workspace(root, root, Params(), root / ".cache" / "onscreen")


def passes(workspace):
    client, experiment = connect(workspace.home)
    return client.search_runs([experiment], f"tags.`{RECORDED}` != ''")


def test_a_pass_is_recorded_once_with_params_metrics_and_md5s(project):
    assert track(project) == 1
    assert track(project) == 0
    (run,) = passes(project)
    assert run.data.params["x"] == "4"
    assert run.data.metrics == {"toy.score.value": 2.0}
    assert run.data.tags["md5.out"] == workspace_pass(project.root).md5s()["out"]
    assert run.info.status == "FINISHED"


def test_an_old_pass_that_dvc_restores_is_known_and_a_new_one_is_new(project):
    track(project)
    (project.root / "params.yaml").write_text("x: 6\n")
    with pytest.raises(ToolError, match="dvc repro"):
        track(project)
    call(project.root, *DVC, "repro", "-q")
    assert track(project) == 1
    (project.root / "params.yaml").write_text("x: 4\n")
    call(project.root, *DVC, "repro", "-q")
    assert track(project) == 0


def test_experiments_are_recorded_from_git_any_time_later(project):
    call(project.root, *DVC, "exp", "run", "-q", "--name", "bigger", "-S", "x=10", "--temp")
    (found,) = experiment_passes(project.root)
    assert (found.name, found.metrics["toy"]["score"]["value"]) == ("bigger", 5.0)
    assert track(project) == 2
    assert sorted(run.data.tags["DVC_EXP_NAME"] for run in passes(project)) == ["bigger", "workspace"]


def test_a_server_that_is_not_there_is_named(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ToolError, match=r"127\.0\.0\.1:9"):
        connect(project.home)


def test_experiments_are_recorded_though_the_checkout_has_changed(project):
    call(project.root, *DVC, "exp", "run", "-q", "--name", "bigger", "-S", "x=10", "--temp")
    (project.root / "params.yaml").write_text("x: 6\n")
    with pytest.raises(ToolError, match="dvc repro"):
        track(project)
    assert [run.data.tags["DVC_EXP_NAME"] for run in passes(project)] == ["bigger"]


def test_without_a_pass_the_next_command_is_named(tmp_path):
    with pytest.raises(InputError, match="dvc repro"):
        workspace_pass(tmp_path)


def test_curves_can_be_watched_while_training_runs(project):
    with training_run(project, "train_hq", {"learning_rate": 0.1}, every_s=0.0) as log:
        log({"train_loss": 2.0}, 0)
        log({"train_loss": 1.0}, 1)
        client, experiment = connect(project.home)
        (run,) = client.search_runs([experiment], "attributes.status = 'RUNNING'")
        history = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 1.0)]
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_training_that_fails_says_so_and_keeps_its_curve(project):
    with pytest.raises(ZeroDivisionError), training_run(project, "train_hq", {}, every_s=600.0) as log:
        for step in range(3):
            log({"train_loss": 3.0 - step}, step)
        client, experiment = connect(project.home)
        (run,) = client.search_runs([experiment])
        assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 1  # the first at once, later ones wait
        raise ZeroDivisionError
    run = client.get_run(run.info.run_id)
    assert run.info.status == "FAILED"
    assert [point.value for point in client.get_metric_history(run.info.run_id, "train_loss")] == [3.0, 2.0, 1.0]


def test_four_processes_on_a_fresh_store_lose_nothing(project):
    code = (
        "import sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
        "from onscreen.tracking.live import training_run; root = Path(sys.argv[1]); work = Workspace(root, root, Params(), root)\n"
        "with training_run(work, sys.argv[2], {'a': 1}) as log:\n"
        "    for step in range(20): log({'loss': step}, step)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(project.root), f"train{n}"]) for n in range(4)]
    assert [process.wait(timeout=300) for process in running] == [0] * 4
    client, experiment = connect(project.home)
    runs = client.search_runs([experiment])
    assert len(runs) == 4
    assert {len(client.get_metric_history(run.info.run_id, "loss")) for run in runs} == {20}


def test_nested_sections_become_dotted_names():
    assert dict(flatten({"a": {"b": 1, "c": [1, 2]}, "d": None})) == {"a.b": 1, "a.c": [1, 2], "d": None}
