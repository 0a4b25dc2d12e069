"""What a run made is made again from where it came, whatever the checkout has become since, and the checkout stays as it is."""

import pytest

from onscreen.config import Params
from onscreen.errors import InputError, ToolError
from onscreen.tracking.live import training_run
from onscreen.tracking.passes import track
from onscreen.tracking.store import KIND, connect, runs_with
from onscreen.versions.rerun import rerun
from onscreen.workspace import Workspace
from rebuild_cases import call, commit, dvc, made, settled, state_of


@pytest.fixture(scope="module")
def reran(tmp_path_factory):
    """A checkout that has moved on from three passes: one of a commit, one of an experiment, one recorded and never committed.

    Returns it and the runs by name.
    """
    with settled():
        root = made(tmp_path_factory.mktemp("rerun") / "project")
        workspace = Workspace(root, root, Params(), root / ".cache" / "onscreen")
        dvc(root, "exp", "run", "-q", "--name", "other", "-S", "shift=1", "--temp")
        track(workspace)
        (root / "params.yaml").write_text("loaded: true\nshift: 2\n")
        dvc(root, "repro", "-q")
        track(workspace)
        call(root, "git", "checkout", "-q", "--", ".")
        (root / "stage.py").write_text((root / "stage.py").read_text() + "# newer\n")
        dvc(root, "repro", "-q")
        commit(root, "newer code")
        client, experiment = connect(root)
        runs = list(runs_with(client, experiment, {KIND: "pass"}))
        by = {(run.data.tags["DVC_EXP_NAME"], run.data.params["shift"]): run.info.run_id for run in runs}
        yield workspace, {"committed": by["workspace", "0"], "experiment": by["other", "1"], "changed": by["workspace", "2"]}


@pytest.mark.parametrize("name", ["committed", "experiment", "changed"])
def test_a_run_is_made_again_and_is_identical(reran, name, capsys, caplog):
    workspace, runs = reran
    before = state_of(workspace.root)
    assert rerun(workspace, runs[name], None) is True
    assert "4 of 4 outputs are identical" in capsys.readouterr().out
    assert ("no commit here holds this pass" in caplog.text) == (name == "changed")
    assert state_of(workspace.root) == before


def test_a_stage_stands_for_its_pass_and_output_keeps_what_was_made(reran, tmp_path, capsys):
    workspace, runs = reran
    client, experiment = connect(workspace.home)
    stage = next(run for run in runs_with(client, experiment, {"mlflow.parentRunId": runs["experiment"]}))
    assert rerun(workspace, stage.info.run_id, tmp_path / "kept") is True
    assert "shift: 1" in (tmp_path / "kept" / "even" / "tables" / "all.txt").read_text()
    with pytest.raises(InputError, match="not an empty folder"):
        rerun(workspace, stage.info.run_id, tmp_path / "kept")


def test_code_that_was_never_committed_is_refused_and_named(reran):
    workspace, _ = reran
    code = workspace.root / "stage.py"
    known = code.read_text()
    code.write_text(known + "# never committed\n")
    dvc(workspace.root, "repro", "-q")
    track(workspace)
    client, experiment = connect(workspace.home)
    newest = list(runs_with(client, experiment, {KIND: "pass"}))[-1]
    call(workspace.root, "git", "checkout", "-q", "--", ".")
    with pytest.raises(ToolError, match=r"modified stage\.py"):
        rerun(workspace, newest.info.run_id, None)


def test_a_run_without_a_pass_says_what_to_ask_for(reran):
    workspace, _ = reran
    with pytest.raises(ZeroDivisionError), training_run(workspace, "train_hq", {"seed": 1}):
        raise ZeroDivisionError
    client, experiment = connect(workspace.home)
    (run,) = runs_with(client, experiment, {KIND: "training"})
    with pytest.raises(InputError, match="a training that was watched; ask for the run of its pass"):
        rerun(workspace, run.info.run_id, None)
    with pytest.raises(InputError, match="there is no run"):
        rerun(workspace, "0" * 32, None)
