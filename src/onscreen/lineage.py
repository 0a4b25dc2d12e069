"""What DVC and git know of a pass of the pipeline: parameters, metrics, md5s of everything read and written.

A pass is one state of dvc.lock and params.yaml: the checkout's own, a commit's, or that of an experiment (refs/exps), which git
keeps whole. Nothing here needs a run id, so a pass can be recorded any time later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen import git
from onscreen.console import log
from onscreen.errors import InputError, ToolError

METRICS = "reports/metrics/"
RUN_FILE = "reports/run.json"  # written by `onscreen track`, after a pass
MADE_BY_PASSES = ("dvc.lock", "reports")  # what a pass itself changes of what git holds
_STATE = ("params.yaml", "dvc.lock")
_NOT_EXPERIMENTS = ("stash", "apply", "celery", "exec", "temp")


@dataclass(frozen=True)
class Pass:
    """One finished pass. name: the experiment's, or "workspace", or what was asked for. baseline: the commit it started from.

    params: of params.yaml. lock: of dvc.lock. metrics: stage -> content of its metrics file. digest: of params and lock, without
    the section `tracking`, which says nothing of what was computed.
    commit: the one whose code and parameters made this, or, where dirty, the one that they were changed from.
    """

    name: str
    baseline: str
    params: dict[str, Any]
    lock: dict[str, Any]
    metrics: dict[str, Any]
    digest: str
    commit: str = ""
    dirty: bool = False

    def md5s(self) -> dict[str, str]:
        """path -> md5 of every dependency and output (a folder's ends in .dir), as dvc.lock has them."""
        return {path: md5 for stage in self.lock["stages"] for kind in ("deps", "outs") for path, md5 in self.files(stage, kind)}

    def files(self, stage: str, kind: str) -> list[tuple[str, str]]:
        """(path, md5) of a stage's files. kind: deps or outs."""
        return [(entry["path"], entry["md5"]) for entry in self.lock["stages"][stage].get(kind, []) if "md5" in entry]


def workspace_pass(root: Path) -> Pass:
    """The pass that lies in the checkout, up to date or not. Raises InputError when there is none."""
    if not (root / "dvc.lock").is_file():
        raise InputError(f"{root / 'dvc.lock'} does not exist: nothing ran here yet. Run `dvc repro` first.")
    paths = [*(root / name for name in _STATE), *sorted((root / METRICS).glob("*.json"))]
    files = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    commit = git.commit_of(root)
    return _pass("workspace", commit, files, str(root), commit, git.is_dirty(root, MADE_BY_PASSES))


def pass_at(root: Path, revision: str) -> Pass:
    """The pass of a commit, branch, tag or experiment, from git alone; neither data nor a host is needed.

    Raises InputError when this clone has no such commit, when it holds no dvc.lock, or one that cannot be read.
    """
    commit = git.commit_of(root, revision)
    return _pass(revision, commit, git.read_files(root, commit, *_STATE, METRICS), revision, commit)


def require_up_to_date(root: Path) -> None:
    """Raise ToolError, naming the stages, when the checkout is not what its dvc.lock says."""
    changed = json.loads(git.call(["dvc", "status", "--json"], root))
    if not changed:
        return
    whys = [why for stage in changed.values() for why in stage]  # of deps and outs: {"changed outs": {path: state}}
    states = [state for why in whys if isinstance(why, dict) for paths in why.values() for state in paths.values()]
    absent = len(states) >= len(whys) and all(state == "deleted" for state in states)
    what, todo = ("lacks data of", "dvc pull") if absent else ("has changed since", "dvc repro")
    raise ToolError(f"the checkout {what} its last pass ({', '.join(sorted(changed))}). Run `{todo}` first.")


def experiment_passes(root: Path, known: Collection[str] = ()) -> Iterator[Pass]:
    """The passes of all experiments that git holds here, finished ones only (a failed one has no ref).

    known: commits that need not be read.
    """
    for ref, commit in git.refs(root, "refs/exps"):
        parts = ref.split("/")
        if len(parts) != 5 or parts[2] in _NOT_EXPERIMENTS or commit in known:
            continue
        try:
            files = git.read_files(root, commit, *_STATE, METRICS)
            found = _pass(parts[4], parts[2] + parts[3], files, f"experiment {parts[4]}", commit)
        except (InputError, ToolError) as error:
            log.warning("experiment %s is not recorded: %s", parts[4], error)
            continue
        yield found


def _pass(name: str, baseline: str, files: dict[str, str], place: str, commit: str, dirty: bool = False) -> Pass:
    params, lock = (_read_yaml(path, files, place) for path in _STATE)
    if "stages" not in lock:
        raise InputError(f"dvc.lock of {place} holds no stages: nothing ran there. Run `dvc repro` there and commit dvc.lock.")
    metrics = {Path(path).stem: _read_json(path, text, place) for path, text in files.items() if path.startswith(METRICS)}
    computed = {key: value for key, value in params.items() if key != "tracking"}
    digest = hashlib.sha256(json.dumps([computed, lock], sort_keys=True).encode()).hexdigest()
    return Pass(name, baseline, params, lock, metrics, digest, commit, dirty)


def _read_yaml(path: str, files: dict[str, str], place: str) -> dict[str, Any]:
    if path not in files:
        raise InputError(f"{place} holds no {path}: it is from before the pipeline, or `dvc repro` never ran there")
    _refuse_conflict(path, files[path], place)
    try:
        found = YAML(typ="safe", pure=True).load(files[path])
    except YAMLError as error:
        raise InputError(f"{path} of {place} is not valid YAML: {error}") from error
    return found or {}


def _read_json(path: str, text: str, place: str) -> Any:
    _refuse_conflict(path, text, place)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} of {place} is not valid JSON: {error}. Run `dvc repro` there.") from error


def _refuse_conflict(path: str, text: str, place: str) -> None:
    if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in text.splitlines()):
        raise InputError(
            f"{path} of {place} holds git's conflict markers (<<<<<<<). Take one side, `git checkout --ours {path}` or "
            f"`git checkout --theirs {path}`, then run `dvc repro`, which makes it right."
        )


def flatten(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every leaf of nested sections; lists are leaves."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def params_digest(params: dict[str, Any]) -> str:
    """A short hash that tells whether two runs had the same parameters."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]
