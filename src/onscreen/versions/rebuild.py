"""Everything that a pass made, made again from its commit, and compared md5 by md5."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from onscreen.console import log
from onscreen.dvc_cache import DvcCache
from onscreen.errors import ToolError
from onscreen.versions.bit_stable import NOT_BIT_STABLE
from onscreen.versions.scratch import Scratch, bring_in, laid_out


@dataclass(frozen=True)
class Output:
    """An output of a stage. then, now: md5, a folder's ends in .dir. files: of a folder, those that differ, where that is known.

    follows: the stage's inputs differ already, so that this one says nothing of the stage itself.
    """

    stage: str
    path: str
    then: str
    now: str
    files: tuple[str, ...] = ()
    follows: bool = False

    @property
    def identical(self) -> bool:
        return self.then == self.now

    @property
    def reason(self) -> str:
        """Why it may differ; "" where it may not."""
        return "" if self.identical else NOT_BIT_STABLE.get(self.path, "")


def rebuilt(root: Path, commit: str, lock: dict[str, Any], folder: Path, params: str | None = None) -> list[Output]:
    """Make a pass again in an empty folder. lock: of the pass. params: text of its params.yaml, where it is not the commit's.

    Raises ToolError when the commit's files are not those that the lock tells of, or when a stage fails.
    """
    log.info("rebuilding commit %s in %s", commit[:12], folder)
    scratch = laid_out(root, commit, folder)
    YAML().dump(lock, scratch.project / "dvc.lock")
    if params is not None:
        (scratch.project / "params.yaml").write_text(params, encoding="utf-8")
    bring_in(root, scratch, _sources(lock))
    _require_same_inputs(scratch, _made(lock) | ({"params.yaml"} if params is not None else set()))
    _forget(scratch, _made(lock))
    if status := scratch.dvc("repro", "--force", "--no-run-cache"):
        raise ToolError(f"`dvc repro` of commit {commit[:12]} failed with status {status}; what it said stands above")
    now = YAML(typ="safe", pure=True).load(scratch.project / "dvc.lock")
    return list(_compared(lock["stages"], now["stages"], DvcCache.of(root), DvcCache.of(scratch.project)))


def _forget(scratch: Scratch, made: Iterable[str]) -> None:
    """Take away dvc.lock and outputs that git holds: what no stage makes again must not count as made."""
    (scratch.project / "dvc.lock").unlink()
    for path in made:
        place = scratch.project / path
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)


def _made(lock: Mapping[str, Any]) -> set[str]:
    return {out["path"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


def _sources(lock: Mapping[str, Any]) -> list[str]:
    """Paths that stages read and none makes."""
    made = _made(lock)
    read = {dep["path"] for stage in lock["stages"].values() for dep in stage.get("deps", [])}
    return sorted(read - made)


def _require_same_inputs(scratch: Scratch, known: set[str]) -> None:
    """Raise ToolError when code, parameters, commands or raw data are others than those that made the pass.

    known: files that may be missing or other bytes. Single parameters are compared all the same.
    """
    changed = {stage: list(_changes(told, known)) for stage, told in scratch.status().items()}
    told = [f"{stage}: {', '.join(what)}" for stage, what in changed.items() if what]
    if told:
        raise ToolError(
            "dvc.lock was not made by these files. Run `dvc repro`, commit dvc.lock with them, and try again. " + "; ".join(told)
        )


def _changes(told: list[Any], known: set[str]) -> Iterator[str]:
    """What of a stage's status is more than that outputs are not here."""
    for entry in told:
        if isinstance(entry, str):
            yield entry  # "changed command"
            continue
        for kind, paths in entry.items():
            if kind == "changed deps":
                for path, state in paths.items():
                    if isinstance(state, dict):
                        yield f"changed parameters {', '.join(state)}"
                    elif path not in known:
                        yield f"{state} {path}"


def _compared(then: Mapping[str, Any], now: Mapping[str, Any], old: DvcCache, new: DvcCache) -> Iterator[Output]:
    differ: set[str] = set()
    for stage in _in_order(then):
        made = {out["path"]: out["md5"] for out in now.get(stage, {}).get("outs", [])}
        follows = any(dep["path"] in differ for dep in then[stage].get("deps", []))
        for out in then[stage].get("outs", []):
            path, was, is_ = out["path"], out["md5"], made.get(out["path"], "")
            if was != is_:
                differ.add(path)
            yield Output(stage, path, was, is_, () if was == is_ else _different(old.files(was), new.files(is_)), follows)


def _different(then: Mapping[str, str] | None, now: Mapping[str, str] | None) -> tuple[str, ...]:
    """Names of the files of a folder that are not the same; none where a list is not here, or it is no folder."""
    if then is None or now is None:
        return ()
    return tuple(sorted(name for name in {**then, **now} if then.get(name) != now.get(name)))


def _in_order(stages: Mapping[str, Any]) -> list[str]:
    """Stages, each after those whose outputs it reads."""
    from graphlib import TopologicalSorter

    maker = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}
    graph = {
        name: {maker[dep["path"]] for dep in stage.get("deps", []) if dep["path"] in maker} for name, stage in stages.items()
    }
    return list(TopologicalSorter(graph).static_order())
