"""Whether dvc.lock tells of what is in git now, and whether the data it names can be had by others. No data is needed here.

`dvc repro --dry --allow-missing` exits 0 on a stale lock, and `dvc status` calls data that a clone has not pulled changed. So the
latter's answer is read: what is only not here does not count, but then md5s of producer, consumer and .dvc file must agree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import onscreen
from onscreen import git
from onscreen.errors import InputError
from onscreen.lineage import METRICS
from onscreen.versions import shown

OK, FAIL, NOT_CHECKED = "ok", "FAIL", "not checked"
_REMOTE_S = 120  # a remote that does not answer by then is "not checked"
_NOT_HERE = ("deleted", "not in cache")
_SHOWN = 20


@dataclass(frozen=True)
class Check:
    """One thing that must hold beside the metrics. state: ok, FAIL or not checked; why: one line each."""

    name: str
    state: str
    why: tuple[str, ...] = ()


def lock_is_fresh(root: Path, lock: dict[str, Any]) -> Check:
    """Compare dvc.lock with dvc.yaml, params.yaml and the files that git holds. lock: stages of dvc.lock."""
    paths = _Paths(root, lock)
    pipeline = _pipeline(root)
    outs = _outs(pipeline)
    held = {path for path, how in outs.items() if how.get("cache") is False}  # by git, so that a clone without data has them, too
    unmade = _unmade(root, {*pipeline, *lock}, outs)
    why = [*_stages(pipeline, lock), *unmade, *_status(root, lock, paths, held), *_chain(root, lock, paths)]
    return _check("dvc.lock is up to date", list(dict.fromkeys(why)), "`dvc repro` brings it up to date; commit dvc.lock with it")


class _Paths:
    """Which paths git tracks, and how a path is called: one that neither the pipeline writes nor git tracks may be a person's."""

    def __init__(self, root: Path, lock: dict[str, Any]) -> None:
        self._root = root
        self.tracked = set(git.call(["git", "ls-files", "-z"], root).split("\0"))
        self._written = {entry["path"] for stage in lock.values() for entry in stage.get("outs") or []}

    def in_git(self, path: str) -> bool:
        """Whether git has a path, or would have it: what neither a stage makes nor a .dvc file names nor git ignores."""
        if path in self.tracked or path in self._written or Path(path).is_absolute() or (self._root / f"{path}.dvc").is_file():
            return path in self.tracked
        return not git.is_ignored(self._root, path)

    def named(self, path: str) -> str:
        own = path in self.tracked or path in self._written or path in ("data/raw", "src") or path.startswith("src/")
        return path if own and not path.endswith(".dvc") else "an input"


def data_is_pushed(root: Path, lock: dict[str, Any]) -> Check:
    """Ask the default remote for every object that dvc.lock and the .dvc files name, in a process that can be ended."""
    name = "data is on the remote"
    environment = {**os.environ, "DVC_NO_ANALYTICS": "true", "PYTHONPATH": _python_path()}
    command = [sys.executable, "-m", "onscreen.versions.remote"]
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=_REMOTE_S, check=False)
    except subprocess.TimeoutExpired:
        return Check(name, NOT_CHECKED, (f"the default remote did not answer within {_REMOTE_S} s",))
    if done.returncode != 0:
        return Check(name, NOT_CHECKED, ("the default remote could not be read; `dvc status --cloud` says why",))
    found = json.loads(done.stdout)
    if found["not_checked"]:
        return Check(name, NOT_CHECKED, (found["not_checked"],))
    paths = _Paths(root, lock)
    lacking = [
        f"{paths.named(path)}: {count} of {of} objects are missing there" for path, (count, of) in found["missing"].items()
    ]
    return _check(name, lacking, "`dvc push` brings them there")


def _check(name: str, why: list[str], then: str) -> Check:
    if not why:
        return Check(name, OK)
    more = [f"and {len(why) - _SHOWN} more"] if len(why) > _SHOWN else []
    return Check(name, FAIL, (*why[:_SHOWN], *more, then))


def _python_path() -> str:
    """The process must run this code, also where it is a checkout's own and not the installed one."""
    own = str(Path(onscreen.__file__).parents[1])
    return os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH")])])


def _pipeline(root: Path) -> dict[str, Any]:
    try:
        data = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{root / 'dvc.yaml'} does not exist. Run this in the folder of the pipeline.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{root / 'dvc.yaml'} is not readable as YAML: {' '.join(str(error).split())}") from error
    stages = data.get("stages") if isinstance(data, dict) else None
    return stages if isinstance(stages, dict) else {}


def _stages(pipeline: dict[str, Any], lock: dict[str, Any]) -> Iterator[str]:
    """A stage whose outputs were never made is not in the lock, and `dvc status` only calls its outputs deleted. It asks nothing of
    one that is frozen, and neither it nor `dvc repro` looks at what the lock alone has."""
    made = {name.partition("@")[0] for name in lock}
    for name, told in pipeline.items():
        if name not in made:
            yield f"stage {name} is in dvc.yaml and not in dvc.lock"
        if isinstance(told, dict) and told.get("frozen"):
            yield f"stage {name} is frozen in dvc.yaml, so that nobody knows whether it is up to date; `dvc unfreeze` it"
    for name in sorted(made - set(pipeline)):
        yield f"stage {name} is in dvc.lock and not in dvc.yaml; take it out of dvc.lock too"


def _outs(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Path -> options of every output of dvc.yaml."""
    kinds = ("outs", "metrics", "plots")
    outs = [out for stage in pipeline.values() if isinstance(stage, dict) for kind in kinds for out in stage.get(kind) or []]
    told = [item for out in outs for item in (out.items() if isinstance(out, dict) else [(out, None)])]
    return {str(path): how if isinstance(how, dict) else {} for path, how in told}


def _unmade(root: Path, stages: set[str], outs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Metrics that no stage makes: nothing says whether anybody measured them. A file of another name may be a person's."""
    for file in sorted((root / METRICS).glob("*.json")):
        path = f"{METRICS}{file.name}"
        if path not in outs:
            yield f"{path if file.stem in stages else 'a file of reports/metrics'} is no output of a stage of dvc.yaml"


def _status(root: Path, lock: dict[str, Any], paths: _Paths, held: set[str]) -> Iterator[str]:
    for name, entries in _dvc_status(root).items():
        known = {entry["path"] for kind in ("deps", "outs") for entry in lock.get(name, {}).get(kind) or []}
        for entry in entries:
            if entry == "changed command":
                yield f"stage {name}: its command is another in dvc.yaml"
            elif isinstance(entry, dict):
                yield from _changed(name, entry, known, paths, held)


def _changed(stage: str, entry: dict[str, dict[str, Any]], known: set[str], paths: _Paths, held: set[str]) -> Iterator[str]:
    who = "a .dvc file" if stage.endswith(".dvc") else f"stage {stage}"
    known = set(entry.get("changed outs", {})) if stage.endswith(".dvc") else known
    for path, state in ((path, state) for part in entry.values() for path, state in part.items()):
        if isinstance(state, dict):
            names = ", ".join(name if shown.key(name) else shown.HIDDEN for name in sorted(state))
            yield f"{who}: parameters changed: {names}"
        elif state == "update available":
            continue
        elif state not in _NOT_HERE or path in held or paths.in_git(path) or path not in known:
            yield f"{who}: {paths.named(path)} is {'not in dvc.lock' if path not in known else state}"


def _dvc_status(root: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = json.loads(git.call([sys.executable, "-m", "dvc", "status", "--json"], root))
    return found


def _chain(root: Path, lock: dict[str, Any], paths: _Paths) -> Iterator[str]:
    """What a stage has read must be what another has written, or what a .dvc file names."""
    written = {entry["path"]: (name, entry.get("md5")) for name, stage in lock.items() for entry in stage.get("outs") or []}
    for name, stage in lock.items():
        for entry in stage.get("deps") or []:
            path = entry["path"]
            if path in written and written[path][1] != entry.get("md5"):
                yield f"stage {name} has read another {paths.named(path)} than stage {written[path][0]} has written"
            added = _added(root, path)
            if added is not None and added != entry.get("md5"):
                yield f"stage {name} has read another {paths.named(path)} than its .dvc file names"


def _added(root: Path, path: str) -> str | None:
    """The md5 in the .dvc file of a path; None where there is none."""
    file = root / f"{path}.dvc"
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise InputError(
            f"{file} is not readable as YAML (conflict markers of a merge?): {' '.join(str(error).split())}"
        ) from error
    outs = data.get("outs") if isinstance(data, dict) else None
    return outs[0].get("md5") if outs else None
