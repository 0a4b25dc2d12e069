"""`onscreen rerun`: what a run made, made again from the commit and the parameters that it came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from onscreen import git
from onscreen.console import log
from onscreen.errors import InputError
from onscreen.tracking.store import connect
from onscreen.tracking.trace_runs import RunFacts, lock_of, run_facts
from onscreen.versions.rebuild import rebuilt
from onscreen.versions.scratch import terminable
from onscreen.versions.verdict import print_verdict
from onscreen.workspace import Workspace


def rerun(workspace: Workspace, run_id: str, output: Path | None) -> bool:
    """Rebuild the pass that a run belongs to, and print how each md5 compares. output: a new folder that keeps the result.

    Returns whether all that should be identical is. Raises InputError or ToolError when it cannot be rebuilt.
    """
    client, _ = connect(workspace.home)
    facts = run_facts(client, run_id)
    lock = lock_of(client, facts)
    commit, params = _origin(workspace.root, facts, lock)
    with terminable(), _folder(output) as folder:
        return print_verdict(rebuilt(workspace.root, commit, lock, folder, params))


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with TemporaryDirectory(prefix="onscreen-rerun-") as folder:
            log.info("working in %s, which is removed afterwards; --output keeps a folder", folder)
            yield Path(folder) / "checkout"
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output {output} exists already and is not an empty folder; name a new one")
    yield output.absolute()


def _origin(root: Path, facts: RunFacts, lock: dict[str, Any]) -> tuple[str, str | None]:
    """The commit that holds a pass, and the text of params.yaml, where the commit has another.

    A pass that was recorded before it was committed is looked for in all commits; where none has its dvc.lock, the commit that it
    started from is taken, with the parameters that the lock knows of.
    """
    holder = next((commit for commit in _commits(root, facts) if _holds(root, commit, lock)), None)
    if holder:
        return holder, None
    if not facts.commit:
        raise InputError(f"run {facts.run_id} does not say which commit it came from; `onscreen track` records passes that do")
    base = git.commit_of(root, facts.commit)
    log.warning("no commit here holds this pass: %s, which it started from, is taken, with the run's parameters", base[:12])
    return base, _params(root, base, lock)


def _commits(root: Path, facts: RunFacts) -> Iterator[str]:
    """Commits that may hold the pass: the experiment's, then all that changed dvc.lock, the newest first."""
    for ref, commit in git.refs(root, "refs/exps"):
        if ref.endswith(f"/{facts.experiment}"):
            yield commit
    yield from git.call(["git", "log", "--all", "--format=%H", "--", "dvc.lock"], root).split()


def _holds(root: Path, commit: str, lock: dict[str, Any]) -> bool:
    text = git.read_files(root, commit, "dvc.lock").get("dvc.lock", "")
    md5s = {out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", []) if "md5" in out}
    return all(md5 in text for md5 in md5s) and bool(YAML(typ="safe", pure=True).load(text) == lock)


def _params(root: Path, commit: str, lock: dict[str, Any]) -> str:
    """params.yaml of the commit with the values that the lock's stages were run with; comments are kept."""
    from io import StringIO

    yaml = YAML()
    params = yaml.load(git.read_files(root, commit, "params.yaml")["params.yaml"])
    for stage in lock["stages"].values():
        for name, value in stage.get("params", {}).get("params.yaml", {}).items():
            section = params
            *sections, last = name.split(".")
            for key in sections:
                section = section[key]
            section[last] = value
    text = StringIO()
    yaml.dump(params, text)
    return text.getvalue()
