"""A folder that holds one commit of a checkout, its data and nothing else: own DVC cache, own item cache, own MLflow."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from onscreen.console import log
from onscreen.errors import InputError, ToolError
from onscreen.git import call
from onscreen.weights import home as weights_home

_DVC = (sys.executable, "-m", "dvc")
_FROM = "onscreen-checkout"  # the checkout's cache, as a remote
_LONGEST_S = 3600.0  # hashing raw data for the first time, for `dvc status`
_ENDS_S = 10.0  # what a program gets to end in before it is killed
_STDERR = 2  # of this process, whatever stands in for sys.stderr
# Variables that would lead into the user's checkout, experiment or tracking server.
_OWN = re.compile(
    r"DVC_(ROOT|STAGE|EXP_.*)|MLFLOW_.*|GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|PREFIX|OBJECT_DIRECTORY|NAMESPACE)"
)


@dataclass(frozen=True)
class Scratch:
    """folder: the repository. project: the project in it, as deep as in the checkout's repository."""

    folder: Path
    project: Path

    def run(self, *command: str) -> int:
        """Run a program in the project, its output on standard error, and return its exit status. When this process is
        interrupted, the program and all that it started end first."""
        process = subprocess.Popen(command, cwd=self.project, env=environment(), stdout=_STDERR, start_new_session=True)
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise

    def dvc(self, *arguments: str) -> int:
        """Run DVC, as Scratch.run does."""
        return self.run(*_DVC, *arguments)

    def status(self) -> dict[str, list[Any]]:
        """What of each stage differs from dvc.lock, as `dvc status` tells it."""
        found: dict[str, list[Any]] = json.loads(_told([*_DVC, "status", "--json"], self.project))
        return found


def environment() -> dict[str, str]:
    """What a rebuild's programs see. Weights are the user's: each file is checked against its sha256 when it is used."""
    own = {name: value for name, value in os.environ.items() if not _OWN.fullmatch(name)}
    programs = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")])  # dvc.yaml runs `python`
    told = {
        "PATH": programs,
        "ONSCREEN_HOME": str(weights_home()),
        "DVC_NO_ANALYTICS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return own | told


def _told(command: Sequence[str], folder: Path) -> str:
    """What a short program prints. Raises ToolError with its own words."""
    ended = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, encoding="utf-8", timeout=_LONGEST_S)
    if ended.returncode:
        raise ToolError(f"`{' '.join(command)}` failed: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, which ends a job in CI, end this block as Ctrl-C does, so that folders are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def laid_out(root: Path, commit: str, folder: Path) -> Scratch:
    """A new repository in an empty folder with one commit checked out; the user's own is only read. Nothing of DVC's is in it."""
    top, prefix = (call(["git", "rev-parse", what], root).rstrip("\n") for what in ("--show-toplevel", "--show-prefix"))
    folder.mkdir(parents=True, exist_ok=True)
    _told(["git", "init", "--quiet"], folder)
    _told(["git", "fetch", "--quiet", "--depth=1", "--no-tags", top, commit], folder)
    _told(["git", "checkout", "--quiet", "--detach", "FETCH_HEAD"], folder)
    scratch = Scratch(folder, folder / prefix)
    _configure(root, scratch.project)
    return scratch


def _configure(root: Path, project: Path) -> None:
    """An empty DVC cache of its own, the checkout's remotes, and the checkout's cache as one more."""
    from dvc.config import Config
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        remotes: dict[str, Any] = {name: dict(told) for name, told in repo.config["remote"].items()}
        default, cache = repo.config["core"].get("remote"), Path(repo.cache.local.path).parents[1]
    with Config(str(project / ".dvc"), validate=False).edit("local", validate=False) as config:
        config["remote"] = {**remotes, _FROM: {"url": str(cache)}}
        config["cache"] = {"dir": str(project / ".dvc" / "cache"), "type": ["reflink", "hardlink", "copy"]}
        if default:
            config["core"] = {"remote": default}


def bring_in(root: Path, scratch: Scratch, paths: Iterable[str]) -> None:
    """Bring the data that no stage makes: from DVC, or, where DVC does not know it, by a link to where it lies in the checkout.

    paths: as dvc.lock has them. Raises InputError when one is nowhere.
    """
    missing = [path for path in paths if not (scratch.project / path).exists()]
    for path in missing:
        if (scratch.project / f"{path}.dvc").is_file():
            _pull(scratch, f"{path}.dvc")
        elif (root / path).exists():
            log.warning("%s is known neither to git nor to DVC: what lies in the checkout now is used", path)
            (scratch.project / path).parent.mkdir(parents=True, exist_ok=True)
            (scratch.project / path).symlink_to((root / path).absolute())
        else:
            raise InputError(f"{path} is not there: neither git nor DVC knows it, and it is not in {root}")


def _pull(scratch: Scratch, target: str) -> None:
    if scratch.dvc("pull", "--quiet", "--remote", _FROM, target) == 0:
        return
    log.info("%s is not whole in the checkout's cache: asking the remote", target)
    if scratch.dvc("pull", "--quiet", target):
        raise ToolError(
            f"{target}: its data is neither in the checkout's DVC cache nor in the remote. Run `dvc push` where it is, or `dvc add` again."
        )
