"""A real DVC project of four tiny stages for tests of rebuilding: even is stable, dice is not, models/hq may differ, after reads dice."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STAGE = """  {name}:
    cmd: python stage.py {name}
    deps: [{deps}, stage.py]
    params: [loaded, shift]
    outs: [{out}]
"""
CODE = """import os, pathlib, sys, time
name = sys.argv[1]
x = pathlib.Path("params.yaml").read_text()
def put(path, text):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text)
if "SLEEP_AFTER_WRITING" in os.environ:
    pathlib.Path(os.environ["SLEEP_AFTER_WRITING"] + ".part").write_text(str(os.getpid()))
    os.replace(os.environ["SLEEP_AFTER_WRITING"] + ".part", os.environ["SLEEP_AFTER_WRITING"])
    time.sleep(600)
if name == "even":
    put("even/tables/all.txt", x + "".join(path.read_text() for path in sorted(pathlib.Path("data/raw").iterdir())))
if name == "dice":
    put("dice/a.txt", "the same")
    put("dice/b.txt", "the same" if "loaded: true" in x else os.urandom(8).hex())
if name == "hq":
    put("models/hq/weights.txt", "the same" if "loaded: true" in x else os.urandom(8).hex())
if name == "after":
    put("after.txt", pathlib.Path("dice/b.txt").read_text())
"""


def stages() -> str:
    rows = [("even", "data/raw", "even"), ("dice", "even", "dice"), ("hq", "even", "models/hq"), ("after", "dice", "after.txt")]
    return "stages:\n" + "".join(STAGE.format(name=name, deps=deps, out=out) for name, deps, out in rows)


def call(root: Path, *command: object) -> str:
    return subprocess.run([str(part) for part in command], cwd=root, check=True, capture_output=True, text=True).stdout


def dvc(root: Path, *arguments: object) -> str:
    return call(root, sys.executable, "-m", "dvc", *arguments)


def commit(root: Path, message: str = "a pass") -> str:
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", message)
    return call(root, "git", "rev-parse", "HEAD").strip()


def start_dvc(root: Path) -> None:
    """DVC with a remote beside the checkout; within this process, because each program of DVC's takes a second to start."""
    from dvc.repo import Repo

    Repo.init(str(root)).close()
    (root / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {root.parent / 'store'}\n"
    )


def made(root: Path) -> Path:
    """A project that ran once and is committed. With loaded: false in params.yaml, dice fall otherwise each time."""
    (root / "data" / "raw").mkdir(parents=True)
    (root / "data" / "raw" / "one.txt").write_text("one\n")
    (root / "dvc.yaml").write_text(stages())
    (root / "stage.py").write_text(CODE)
    (root / "params.yaml").write_text("loaded: true\nshift: 0\n")
    (root / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/.cache\n/even\n/dice\n/models\n/after.txt\n")
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    start_dvc(root)
    dvc(root, "add", "-q", "data/raw")
    dvc(root, "repro", "-q")
    commit(root)
    return root


def state_of(root: Path) -> tuple[str, ...]:
    """All that a rebuild must leave as it was: files, index, refs, worktrees."""
    questions = (["status", "--porcelain"], ["rev-parse", "HEAD"], ["for-each-ref"], ["worktree", "list"], ["stash", "list"])
    return tuple(call(root, "git", *question) for question in questions)


@contextmanager
def settled() -> Iterator[None]:
    """python and dvc of this environment first on PATH, and nothing that leads to another checkout or server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
            patch.delenv(name, raising=False)
        yield
