"""One side of a comparison: what git holds of a pass, read from the checkout or from a commit; no data, no host."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen import git
from onscreen.errors import InputError
from onscreen.lineage import METRICS, RUN_FILE
from onscreen.versions import shown

RESAMPLES = "reports/resamples.json"
_FILES = ("params.yaml", "dvc.lock", "gates.yaml", RESAMPLES, RUN_FILE)
_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)


@dataclass(frozen=True)
class Side:
    """params: of params.yaml. lock: stages of dvc.lock; None where there is no dvc.lock. metrics: stage -> its metrics file.

    resamples, run: of reports/resamples.json and reports/run.json. no_numbers: where a metrics file holds NaN or Infinity.
    gates: text of gates.yaml.
    """

    params: dict[str, Any]
    lock: dict[str, Any] | None
    metrics: dict[str, Any]
    resamples: dict[str, Any]
    run: dict[str, Any]
    no_numbers: tuple[str, ...]
    gates: str | None

    def entries(self, kind: str) -> dict[str, dict[str, Any]]:
        """path -> entry of dvc.lock (md5, size, nfiles). kind: outs or deps."""
        stages = (self.lock or {}).values()
        return {entry["path"]: entry for stage in stages for entry in stage.get(kind) or []}

    def raw(self) -> dict[str, Any] | None:
        """The entry of the folder of videos, wherever data.raw says that it is."""
        data = self.params.get("data")
        named = data.get("raw") if isinstance(data, dict) else None
        return self.entries("deps").get(named) if isinstance(named, str) else None


def here(root: Path) -> Side:
    """The checkout as it is. Raises InputError when nothing ran here, or a file is not what it should be."""
    for name in ("params.yaml", "dvc.lock"):
        if not (root / name).is_file():
            where = "Run this in the folder that holds params.yaml." if name == "params.yaml" else "Run `dvc repro` first."
            raise InputError(f"{root / name} does not exist. {where}")
    names = sorted(path.relative_to(root).as_posix() for path in (root / METRICS).glob("*.json"))
    texts = {name: _text(root / name) for name in (*_FILES, *names) if (root / name).is_file()}
    return _side(texts, "")


def at(root: Path, sha: str) -> Side:
    """A commit's side. One without dvc.lock, or without params.yaml, is empty there."""
    return _side(git.read_files(root, sha, *_FILES, METRICS), f" at commit {sha[:10]}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: {error}") from error


def _side(texts: Mapping[str, str], where: str) -> Side:
    names = [name for name in texts if name.startswith(METRICS) and name.endswith(".json")]
    metrics = {Path(name).stem: _json(texts, name, where) for name in names}
    broken = tuple(
        f"{METRICS}{stage}.json holds {value} at {_shown(name)}" for stage, data in metrics.items() for name, value in _odd(data)
    )
    lock = _yaml(texts, "dvc.lock", where)
    if lock is not None and not _is_lock(lock.get("stages")):
        raise InputError(f"dvc.lock{where} holds no stages as DVC writes them. Run `dvc repro`, or restore the file from git.")
    return Side(
        params=_yaml(texts, "params.yaml", where) or {},
        lock=None if lock is None else lock["stages"],
        metrics=metrics,
        resamples=_json(texts, RESAMPLES, where),
        run=_json(texts, RUN_FILE, where),
        no_numbers=broken,
        gates=texts.get("gates.yaml"),
    )


def _is_lock(stages: Any) -> bool:
    """Whether each stage has lists of entries that name a path, where it has any."""
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        return False
    lists = [stage.get(kind) or [] for stage in stages.values() for kind in ("deps", "outs")]
    return all(isinstance(found, list) and all(isinstance(one, dict) and "path" in one for one in found) for found in lists)


def _shown(name: str) -> str:
    return name if shown.key(name) else shown.HIDDEN


def _yaml(texts: Mapping[str, str], path: str, where: str) -> dict[str, Any] | None:
    if path not in texts:
        return None
    _refuse_conflict(texts[path], path, where)
    try:
        data = YAML(typ="safe", pure=True).load(texts[path])
    except YAMLError as error:
        raise InputError(f"{path}{where} is not readable as YAML: {' '.join(str(error).split())}") from error
    return _section(data if data is not None else {}, path, where)


def _json(texts: Mapping[str, str], path: str, where: str) -> dict[str, Any]:
    if path not in texts:
        return {}
    _refuse_conflict(texts[path], path, where)
    try:
        return _section(json.loads(texts[path]), path, where)
    except ValueError as error:
        raise InputError(f"{path}{where} is not JSON: {error}. `dvc repro` writes it anew.") from error


def _section(data: Any, path: str, where: str) -> dict[str, Any]:
    if isinstance(data, dict):
        return data
    raise InputError(f"{path}{where} holds no section of names and values. `dvc repro` writes it anew.")


def _refuse_conflict(text: str, path: str, where: str) -> None:
    if _CONFLICT.search(text):
        raise InputError(
            f"{path}{where} holds conflict markers of a merge. Resolve it (for dvc.lock: `dvc repro`), then commit it."
        )


def _odd(data: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Places of numbers that are none."""
    if isinstance(data, float) and not math.isfinite(data):
        yield name, data
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _odd(value, f"{name}.{key}" if name else str(key))
