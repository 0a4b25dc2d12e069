"""Seeds of one commit as experiments, on a real DVC project whose one stage scores what the seeds say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onscreen.config import Params
from onscreen.errors import InputError, ToolError
from onscreen.lineage import Pass
from onscreen.versions.seeds import name_of, print_seeds, spreads
from onscreen.workspace import Workspace

STAGE = """stages:
  toy:
    cmd: python toy.py
    deps: [toy.py]
    params: [train_face_voice, train_hq]
    metrics: [{reports/metrics/evaluate.json: {cache: false}}]
"""
TOY = """import json, pathlib, sys
from ruamel.yaml import YAML
params = YAML(typ="safe").load(pathlib.Path("params.yaml").read_text())
seed = params["train_face_voice"]["seed"]
assert params["train_hq"]["seed"] == seed
with open(pathlib.Path(params["train_face_voice"]["told"]), "a") as file:
    file.write(f"{seed} ")
if seed == 2:
    sys.exit("no luck")
auc = {"value": 0.6 + seed / 10, "low": 0.5, "high": 0.7}
none = {"value": None, "reason": "1 person; at least 2 are needed"}
one = {"verification": {"auc": auc, "eer": none}}
out = pathlib.Path("reports/metrics/evaluate.json")
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps({"status": "ok", "face_voice": {"all": one}}))
"""


def call(root: Path, *command: str) -> str:
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stage writes the seeds that it ran with."""
    return tmp_path_factory.mktemp("told") / "told"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, told: Path) -> Iterator[Workspace]:
    """A DVC project of one stage, run and committed; the last test that takes it changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        patch.setenv("COLUMNS", "200")
        yield made_project(tmp_path_factory.mktemp("seeds") / "project", told)


def made_project(root: Path, told: Path) -> Workspace:
    root.mkdir()
    (root / "dvc.yaml").write_text(STAGE)
    (root / "toy.py").write_text(TOY)
    (root / "params.yaml").write_text(f"train_face_voice:\n  seed: 0\n  told: {told}\ntrain_hq:\n  seed: 0\n")
    call(root, "git", "init", "-q")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    call(root, "dvc", "init", "-q")
    call(root, "dvc", "repro", "-q")
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", "one")
    return Workspace(root, root, Params(), root / ".cache")


def test_each_seed_runs_once_and_a_failed_one_is_named_beside_what_the_others_say(
    project: Workspace, told: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # what is there already is told again
        with pytest.raises(ToolError, match="1 of 3 seeds failed: 2"):
            print_seeds(project, 3)
        table = capfd.readouterr().out
        (row,) = [line for line in table.splitlines() if "face_voice.all.verification.auc" in line]
        assert row.split()[1] == "2"
        assert "0.650 ± 0.071" in row  # 0.6 and 0.7
        assert "0.600-0.700" in row
        assert "0.600 [0.500, 0.700]" in row
        assert "face_voice.all.verification.eer: 1 person; at least 2 are needed." in table
    assert told.read_text() == "0 1 2 2 "  # the commit's own is seed 0; the failed one is tried again
    assert call(project.root, "git", "status", "--porcelain") == ""
    commit = call(project.root, "git", "rev-parse", "HEAD").strip()
    kept = call(project.root, "git", "for-each-ref", "--format=%(refname)", f"refs/exps/{commit[:2]}").split()
    assert [ref.rpartition("/")[2] for ref in kept] == [name_of(commit, 1)]


def test_what_is_not_committed_or_not_run_is_refused_before_any_training(project: Workspace, told: Path) -> None:
    before, params = told.read_text(), project.root / "params.yaml"
    params.write_text(params.read_text() + "other: 1\n")
    with pytest.raises(ToolError, match=r"^params\.yaml: not committed"):
        print_seeds(project, 2)
    params.write_text(params.read_text().replace("seed: 0", "seed: 7"))
    call(project.root, "git", "commit", "-qam", "other parameters, not run")
    with pytest.raises(ToolError, match="dvc repro"):
        print_seeds(project, 2)
    call(project.root, "git", "rm", "-q", "dvc.lock")
    call(project.root, "git", "commit", "-qm", "no pass")
    with pytest.raises(InputError, match=r"no dvc\.lock"):
        print_seeds(project, 2)
    assert told.read_text() == before


def test_a_folder_without_git_or_without_a_commit_says_so(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path, Params(), tmp_path)
    with pytest.raises(InputError, match="git repository"):
        print_seeds(workspace, 2)
    call(tmp_path, "git", "init", "-q")
    with pytest.raises(InputError, match="no commit"):
        print_seeds(workspace, 2)


def test_one_value_has_no_deviation_and_a_figure_that_metrics_lack_says_so() -> None:
    def made(value: float | None) -> Pass:
        figure = {"value": value, "reason": "too few"} if value is None else {"value": value}
        return Pass("p", "", {}, {}, {"evaluate": {"hq": {"all": {"verification": {"auc": figure}}}}}, "")

    found = {one.name: one for one in spreads([made(0.5), made(None)], made(0.5))}
    assert found["hq.all.verification.auc"].values == (0.5,)
    assert found["hq.all.verification.auc"].deviation is None
    assert found["hq.all.verification.auc"].missing == ("too few",)
    assert found["face_voice.all.face_to_voice.top1"].missing[0].endswith("is not in its metrics")
