"""What verbs of versions say where something is wrong with git, DVC, disk or MLflow: one line that names it, and soon.

The verbs run as the command line has them, in this process, in a tiny project of one stage with the repository's params.yaml.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world import REPO, call, environment

from onscreen.cli import main
from stage_cases import checkout

pytestmark = pytest.mark.e2e
SOON_S = 60  # on a busy machine; none waits for a host that is not there
RUN = "0" * 32
VERBS = {
    "track": ["track"],
    "diff": ["diff"],
    "verify": ["verify"],
    "trace": ["trace", "face_voice@champion"],
    "trace a clip": ["trace", "vid_1"],
    "promote": ["promote", "face_voice"],
    "seeds": ["seeds", "-n", "2"],
    "rerun": ["rerun", RUN],
    "train": ["train_face_voice"],
}
STAGE = """stages:
  split:
    cmd: python split.py
    deps: [split.py]
    params: [split]
    outs: [data/splits]
    metrics: [{reports/metrics/split.json: {cache: false}}]
"""
SPLIT = """from pathlib import Path
Path("data/splits").mkdir(parents=True, exist_ok=True)
Path("data/splits/people.txt").write_text("nobody")
Path("reports/metrics").mkdir(parents=True, exist_ok=True)
Path("reports/metrics/split.json").write_text('{"status": "ok", "people": {"train": 1}}')
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Two commits with a pass each."""
    root = tmp_path_factory.mktemp("project") / "project"
    root.mkdir()
    shutil.copy(REPO / "params.yaml", root)
    (root / "dvc.yaml").write_text(STAGE)
    (root / "split.py").write_text(SPLIT)
    (root / ".gitignore").write_text("/.cache/\n/mlflow.db*\n/mlartifacts/\n")
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    call(root, "dvc", "init", "-q")
    call(root, "dvc", "repro", "-q")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", "one")
    call(root, "git", "commit", "-qm", "two", "--allow-empty")
    return root


@pytest.fixture
def copy(project, tmp_path):
    """The project, to be broken."""
    return Path(shutil.copytree(project, tmp_path / "copy", symlinks=True))


def said(monkeypatch, root, verb, **changes):
    """The exit code of a verb in root, and what stands on standard error, as a person sees it."""
    for name, value in environment(**changes).items():
        monkeypatch.setenv(name, value)
    for name in {"MLFLOW_TRACKING_URI", "DVC_ROOT"} - changes.keys():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["onscreen", *VERBS[verb]])
    begin, errors = time.monotonic(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as end:
        main()
    assert time.monotonic() - begin < SOON_S
    return end.value.code, errors.getvalue()


@contextlib.contextmanager
def unchangeable(folder):
    """A folder in which not even root can make a file; the test is skipped where the file system has no such flag."""
    folder.mkdir(exist_ok=True)
    tried = subprocess.run(["chattr", "+i", folder], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"folders cannot be made unchangeable here: {tried.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


def refused(monkeypatch, root, verb, *named, **changes):
    """That a verb ends with a line that names these, and no traceback."""
    code, told = said(monkeypatch, root, verb, **changes)
    assert code not in (0, None), told
    (line,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in told
    for name in named:
        assert name in line, line


@pytest.mark.parametrize("verb", ["track", "diff", "verify", "trace a clip", "seeds"])
def test_conflict_markers_in_dvc_lock_are_named(copy, monkeypatch, verb):
    lock = (copy / "dvc.lock").read_text()
    (copy / "dvc.lock").write_text(f"<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> other\n")
    if verb in ("verify", "seeds"):  # which take what is committed
        call(copy, "git", "commit", "-qam", "a merge gone wrong")
    refused(monkeypatch, copy, verb, "dvc.lock")


@pytest.mark.parametrize("verb", ["track", "diff", "verify", "seeds"])
def test_a_folder_without_git_says_so(copy, monkeypatch, verb):
    shutil.rmtree(copy / ".git")
    refused(monkeypatch, copy, verb, "git")


@pytest.mark.parametrize("verb", ["track", "diff", "verify", "seeds"])
def test_a_repository_without_a_commit_says_so(copy, monkeypatch, verb):
    shutil.rmtree(copy / ".git")
    call(copy, "git", "init", "-q", "-b", "main")
    refused(monkeypatch, copy, verb, "commit")


def test_diff_in_a_shallow_clone_says_how_to_get_the_rest(project, tmp_path, monkeypatch):
    call(tmp_path, "git", "clone", "-q", "--depth", "1", f"file://{project}", "clone")
    refused(monkeypatch, tmp_path / "clone", "diff", "shallow", "--unshallow")


def test_a_detached_head_is_tracked_like_a_branch(copy, monkeypatch):
    call(copy, "git", "checkout", "-q", "--detach")
    monkeypatch.setattr(sys, "argv", ["onscreen", "track"])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PATH", environment()["PATH"])
    main_ends_well()
    assert len(json.loads((copy / "reports/run.json").read_text())["stages"]) == 1


def main_ends_well():
    with contextlib.suppress(SystemExit):
        main()


@pytest.mark.parametrize("verb", ["trace", "promote"])
def test_a_registry_without_a_champion_or_any_model_says_what_there_is(copy, monkeypatch, verb):
    refused(monkeypatch, copy, verb, "face_voice", "onscreen track")


def test_a_run_that_nobody_knows_is_named(copy, monkeypatch):
    refused(monkeypatch, copy, "rerun", RUN)


def test_models_that_may_not_be_written_are_named_by_the_training(tmp_path, monkeypatch):
    """Root may write where permissions forbid it; not in a folder that may not be changed."""
    checkout(tmp_path, {"quarantine": 2}, clips=1)
    shutil.copy(REPO / "params.yaml", tmp_path)
    with unchangeable(tmp_path / "models"):
        refused(monkeypatch, tmp_path, "train", "models")


@pytest.mark.parametrize("verb", ["track", "trace", "promote", "rerun"])
def test_a_server_that_does_not_answer_is_named_without_its_password(copy, monkeypatch, verb):
    uri = "http://somebody:secret@127.0.0.1:9"
    code, told = said(monkeypatch, copy, verb, MLFLOW_TRACKING_URI=uri)
    assert code not in (0, None)
    (line,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert "127.0.0.1:9" in line
    assert "secret" not in told


def test_a_run_file_that_may_not_be_written_is_named_and_the_pass_is_recorded(copy, monkeypatch):
    with unchangeable(copy / "reports"):
        refused(monkeypatch, copy, "track", "reports/run.json", "The pass is recorded")
