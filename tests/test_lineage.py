"""A pass is read from git alone, whatever commit it is of, and what is wrong with a repository is named."""

import json
import subprocess

import pytest

from onscreen.errors import InputError
from onscreen.git import is_dirty
from onscreen.lineage import MADE_BY_PASSES, experiment_passes, pass_at, workspace_pass

LOCK = """schema: '2.0'
stages:
  toy:
    cmd: python toy.py
    deps:
    - path: toy.py
      hash: md5
      md5: {code}
      size: 3
    params:
      params.yaml:
        x: 1e-4
    outs:
    - path: out
      hash: md5
      md5: 098f6bcd4621d373cade4e832627b4f6.dir
      size: 4
"""


def git(root, *words):
    return subprocess.run(["git", *map(str, words)], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def commit(root, code="a" * 32, params="x: 1e-4\n"):
    """A commit of one finished pass; its name."""
    (root / "reports" / "metrics").mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(params)
    (root / "dvc.lock").write_text(LOCK.format(code=code))
    (root / "reports" / "metrics" / "toy.json").write_text(json.dumps({"score": 0.5}))
    git(root, "add", "-A")
    git(root, "commit", "-qm", code, "--allow-empty")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.email", "nobody@example.com")
    git(root, "config", "user.name", "nobody")
    return root


def test_the_pass_of_a_commit_is_that_of_its_checkout(repository):
    old, new = commit(repository), commit(repository, "b" * 32)
    here, then = workspace_pass(repository), pass_at(repository, "HEAD~1")
    assert pass_at(repository, new).digest == here.digest != then.digest
    assert (then.commit, then.params, then.metrics) == (old, {"x": 1e-4}, {"toy": {"score": 0.5}})
    assert then.md5s() == {"toy.py": "a" * 32, "out": "098f6bcd4621d373cade4e832627b4f6.dir"}
    assert then.files("toy", "outs") == [("out", "098f6bcd4621d373cade4e832627b4f6.dir")]


def test_a_project_in_a_folder_of_a_repository_and_a_detached_head_are_read_too(repository):
    project = repository / "project"
    project.mkdir()
    first = commit(project)
    commit(project, "b" * 32)
    git(repository, "checkout", "-q", first)
    assert pass_at(project, "HEAD").digest == workspace_pass(project).digest == pass_at(project, first).digest
    assert pass_at(project, "main").md5s()["toy.py"] == "b" * 32


def test_whether_runs_are_tracked_makes_no_other_pass(repository):
    commit(repository)
    before = workspace_pass(repository).digest
    (repository / "params.yaml").write_text("x: 1e-4\ntracking: {enabled: false}\n")
    assert workspace_pass(repository).digest == before


def test_what_a_pass_writes_makes_no_checkout_dirty_and_what_it_reads_does(repository):
    commit(repository)
    (repository / "dvc.lock").write_text(LOCK.format(code="c" * 32))
    (repository / "reports" / "run.json").write_text("{}")
    assert not workspace_pass(repository).dirty
    (repository / "params.yaml").write_text("x: 2\n")
    assert workspace_pass(repository).dirty
    assert is_dirty(repository, MADE_BY_PASSES)


@pytest.mark.parametrize("file", ["dvc.lock", "params.yaml", "reports/metrics/toy.json"])
def test_conflict_markers_are_named_with_the_way_out(repository, file):
    commit(repository)
    git(repository, "checkout", "-q", "-b", "other")
    commit(repository, "b" * 32, "x: 5\n")
    (repository / "reports/metrics/toy.json").write_text('{"score": 0.9}')
    git(repository, "commit", "-qam", "other")
    git(repository, "checkout", "-q", "main")
    commit(repository, "c" * 32, "x: 6\n")
    (repository / "reports/metrics/toy.json").write_text('{"score": 0.1}')
    git(repository, "commit", "-qam", "ours")
    merged = subprocess.run(["git", "merge", "other"], cwd=repository, capture_output=True)
    assert merged.returncode
    for path in {"params.yaml", "dvc.lock", "reports/metrics/toy.json"} - {file}:
        git(repository, "checkout", "--ours", path)
    with pytest.raises(InputError, match=rf"{file} .*--theirs {file}`, then run `dvc repro`"):
        workspace_pass(repository)


def test_without_git_or_a_commit_the_next_command_is_named(tmp_path, repository):
    for root, told in ((tmp_path / "plain", "in no git repository"), (repository, "git commit")):
        root.mkdir(exist_ok=True)
        (root / "params.yaml").write_text("x: 1\n")
        (root / "dvc.lock").write_text(LOCK.format(code="a" * 32))
        with pytest.raises(InputError, match=told):
            workspace_pass(root)
        with pytest.raises(InputError, match=told):
            pass_at(root, "HEAD")


def test_a_commit_that_is_not_there_is_named_and_a_shallow_clone_says_how_to_get_it(repository, tmp_path):
    old = commit(repository)
    commit(repository, "b" * 32)
    with pytest.raises(InputError, match="no-such-branch: no such commit"):
        pass_at(repository, "no-such-branch")
    with pytest.raises(InputError, match="--all"):
        pass_at(repository, "--all")  # no option of git's
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", shallow)
    assert pass_at(shallow, "HEAD").digest == workspace_pass(repository).digest
    with pytest.raises(InputError, match="fetch --unshallow"):
        pass_at(shallow, old)


def test_a_commit_from_before_the_pipeline_is_named(repository):
    (repository / "README.md").write_text("hello")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "zero")
    commit(repository)
    with pytest.raises(InputError, match=r"HEAD~1 holds no params\.yaml"):
        pass_at(repository, "HEAD~1")


def test_experiments_that_are_known_are_not_read_and_a_broken_one_hides_no_other(repository, caplog):
    baseline = commit(repository)
    shas = {}
    for name, content in (("good", "d" * 32), ("broken", "e" * 32)):
        shas[name] = commit(repository, content)
        if name == "broken":
            (repository / "dvc.lock").write_text("<<<<<<< ours\n")
            git(repository, "commit", "-qam", "broken")
            shas[name] = git(repository, "rev-parse", "HEAD")
        git(repository, "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", shas[name])
    git(repository, "update-ref", "refs/exps/exec/EXEC_HEAD", baseline)
    (found,) = experiment_passes(repository)
    assert (found.name, found.baseline, found.commit, found.dirty) == ("good", baseline, shas["good"], False)
    assert "broken" in caplog.text
    assert list(experiment_passes(repository, known={shas["good"]})) == []
