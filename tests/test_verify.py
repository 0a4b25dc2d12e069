"""A commit is rebuilt from nothing; what differs is named, and what is known to differ is no failure."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from onscreen.config import Params
from onscreen.errors import InputError, ToolError
from onscreen.versions.bit_stable import NOT_BIT_STABLE
from onscreen.versions.verify import verify
from onscreen.workspace import Workspace
from rebuild_cases import call, commit, dvc, made, settled, state_of

REPO = Path(__file__).parents[1]
VERIFY = (
    "import sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
    "from onscreen.versions.verify import verify; root = Path(sys.argv[1]); verify(Workspace(root, root, Params(), root))\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose outputs are the same each time, pushed. Tests leave it as it is, or copy it."""
    with settled():
        root = made(tmp_path_factory.mktemp("verify") / "project")
        dvc(root, "push", "-q")
        yield root


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Temporary folders of this test alone, so that what is left behind is seen."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def runs(pid):
    """Whether a process is there and has not ended: one whose parent is gone may wait for init to take notice."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def workspace(root):
    return Workspace(root, root, Params(), root / ".cache" / "onscreen")


def test_what_differs_is_named_with_its_files_and_what_may_differ_is_told(project, tmp_path, capsys, elsewhere, caplog):
    root = shutil.copytree(project, tmp_path / "copy")
    (root / "params.yaml").write_text("loaded: false\nshift: 0\n")
    dvc(root, "repro", "-q")
    commit(root)
    (root / "note.txt").write_text("not committed")
    before = state_of(root)
    assert verify(workspace(root)) is False
    told = " ".join(capsys.readouterr().out.split())
    assert "dice: dice (b.txt) differs, and the stage's inputs do not" in told
    assert f"hq: models/hq (weights.txt) may differ: {NOT_BIT_STABLE['models/hq']}" in told
    assert "after: after.txt follows from an input that differs" in told
    assert "1 of 4 outputs are identical; 1 should be and are not" in told
    assert "not committed" in caplog.text
    assert state_of(root) == before
    assert list(elsewhere.iterdir()) == []


def test_a_shallow_detached_clone_without_any_data_is_verified_from_the_remote(project, tmp_path, capsys):
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "-q", "--depth=1", project.as_uri(), clone)
    call(clone, "git", "checkout", "-q", "--detach")
    assert verify(workspace(clone)) is True
    assert "4 of 4 outputs are identical" in capsys.readouterr().out
    assert not (clone / "even").exists()


def test_a_lock_that_other_files_made_is_refused(project, tmp_path):
    root = shutil.copytree(project, tmp_path / "copy")
    code = root / "stage.py"
    code.write_text(code.read_text() + "# changed\n")
    commit(root)
    with pytest.raises(ToolError, match=r"(?s)dvc\.lock was not made by these files.*even: modified stage\.py"):
        verify(workspace(root))


def test_what_no_stage_makes_any_more_is_not_called_identical(project, tmp_path, capsys):
    root = shutil.copytree(project, tmp_path / "copy")
    pipeline = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(pipeline[: pipeline.index("  after:")])
    commit(root)
    assert verify(workspace(root)) is False
    told = " ".join(capsys.readouterr().out.split())
    assert "-> not made" in told
    assert "3 of 4 outputs are identical; 1 should be and are not" in told


def test_raw_data_that_is_nowhere_is_named(project, tmp_path):
    root = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    dvc(root, "remote", "modify", "-q", "--local", "store", "url", tmp_path / "empty")
    with pytest.raises(ToolError, match=r"data/raw\.dvc.*neither in the checkout's DVC cache nor in the remote"):
        verify(workspace(root))


def test_without_git_the_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no git repository"):
        verify(workspace(tmp_path))


def test_when_it_is_ended_its_programs_end_and_its_folder_goes(project, elsewhere, tmp_path):
    started = tmp_path / "started"
    environment = {**os.environ, "TMPDIR": str(elsewhere), "SLEEP_AFTER_WRITING": str(started)}
    running = subprocess.Popen([sys.executable, "-c", VERIFY, str(project)], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not started.exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.1)
    stage = int(started.read_text())
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) == 128 + signal.SIGTERM
    assert list(elsewhere.iterdir()) == []
    assert not runs(stage)


def test_few_outputs_may_differ_and_each_is_one_of_the_pipeline_with_a_reason():
    stages = YAML(typ="safe", pure=True).load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    entries = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
    assert set(NOT_BIT_STABLE) <= {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}
    assert len(NOT_BIT_STABLE) <= 3
    assert all(len(reason) > 40 for reason in NOT_BIT_STABLE.values())
