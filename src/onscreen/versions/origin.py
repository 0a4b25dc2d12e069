"""Which commit, dvc.lock and params.yaml a recorded pass came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from onscreen import git
from onscreen.console import log
from onscreen.errors import InputError
from onscreen.lineage import Pass, flatten, pass_at
from onscreen.tracking.shown import shown, shown_path
from onscreen.tracking.trace_runs import RunFacts


@dataclass(frozen=True)
class Origin:
    """commit: whose files made the pass. lock: the pass's dvc.lock. params: text of its params.yaml; None: the commit's."""

    commit: str
    lock: dict[str, Any]
    params: str | None = None


def origin_of(root: Path, facts: RunFacts, recorded: dict[str, Any]) -> Origin:
    """Where a pass came from. recorded: its dvc.lock as the store has it.

    A pass that was recorded before it was committed is looked for in all commits. Where none holds it, the commit that it was changed
    from is taken, with the parameters that the lock tells. Raises InputError when this clone has no such commit.
    """
    for commit in _candidates(root, facts):
        found = _read(root, commit, recorded)
        if found and found.digest == facts.digest:
            return Origin(commit, found.lock)
    if not facts.commits and not facts.baseline:
        raise InputError(f"run {facts.run_id} does not say which commit it came from; runs of `onscreen track` do")
    base = git.commit_of(root, (*facts.commits, facts.baseline)[0])
    log.warning("no commit here holds this pass: %s, which it was changed from, is taken, with the run's parameters", base[:12])
    lock = _unhidden(recorded, root, base)
    return Origin(base, lock, _params(root, base, lock))


def _candidates(root: Path, facts: RunFacts) -> Iterator[str]:
    """Commits that may hold the pass: those that the run names, the experiments', all that changed it, the newest first."""
    yield from facts.commits
    yield from (commit for ref, commit in git.refs(root, "refs/exps") if ref.endswith(f"/{facts.experiment}"))
    yield from git.call(["git", "log", "--all", "--format=%H", "--", "dvc.lock", "params.yaml"], root).split()


def _read(root: Path, commit: str, recorded: dict[str, Any]) -> Pass | None:
    """The pass of a commit, if it is there and has the same outputs; most have others, which is seen without parsing."""
    try:
        text = git.read_files(root, git.commit_of(root, commit), "dvc.lock").get("dvc.lock", "")
        return pass_at(root, commit) if all(md5 in text for md5 in _made(recorded)) else None
    except InputError:  # not in this clone, or not to be read: not the one
        return None


def _made(lock: dict[str, Any]) -> set[str]:
    return {out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", []) if "md5" in out}


def _unhidden(recorded: dict[str, Any], root: Path, commit: str) -> dict[str, Any]:
    """The lock with its paths outside of the checkout, as far as the commit's or the checkout's parameters name them."""
    texts = [
        git.read_files(root, commit, "params.yaml").get("params.yaml", ""),
        (root / "params.yaml").read_text(encoding="utf-8"),
    ]
    values = [value for text in texts for _, value in flatten(YAML(typ="safe", pure=True).load(text) or {})]
    names = {shown_path(value): value for value in values if isinstance(value, str)}

    def told(data: Any) -> Any:
        if isinstance(data, dict):
            return {names.get(key, key): told(value) for key, value in data.items()}
        if isinstance(data, list):
            return [told(value) for value in data]
        return names.get(data, data) if isinstance(data, str) else data

    found: dict[str, Any] = told(recorded)
    if shown(found) != recorded or any(path.startswith("outside-") for path in _read_paths(found)):
        raise InputError(
            "the run's data lay in a folder outside of the checkout, which the store does not name. Set data.raw (or hq.root) of "
            "params.yaml to that folder and try again."
        )
    return found


def _read_paths(lock: dict[str, Any]) -> Iterator[str]:
    return (dep["path"] for stage in lock["stages"].values() for dep in stage.get("deps", []))


def _params(root: Path, commit: str, lock: dict[str, Any]) -> str:
    """params.yaml of the commit with the values that the lock's stages were run with; comments are kept."""
    yaml = YAML()
    params = yaml.load(git.read_files(root, commit, "params.yaml")["params.yaml"])
    for stage in lock["stages"].values():
        for name, value in stage.get("params", {}).get("params.yaml", {}).items():
            *sections, last = name.split(".")
            section = params
            for key in sections:
                section = section[key]
            section[last] = value
    text = StringIO()
    yaml.dump(params, text)
    return text.getvalue()
