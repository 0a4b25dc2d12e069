"""One side of a comparison: what git holds of a pass, read from the checkout or from a commit; no data, no host."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen.errors import InputError
from onscreen.versions.revision import file_at, files_at

METRICS = "reports/metrics"
Read = Callable[[str], str | None]
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
    return _side(lambda path: _text(root / path), names, "")


def at(root: Path, sha: str) -> Side:
    """A commit's side. One without dvc.lock, or without params.yaml, is empty there."""
    names = [path for path in files_at(root, sha, METRICS) if path.endswith(".json")]
    return _side(lambda path: file_at(root, sha, path), names, f" at commit {sha[:10]}")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: {error}") from error


def _side(read: Read, names: list[str], where: str) -> Side:
    metrics = {Path(name).stem: _json(read, name, where) for name in names}
    broken = tuple(
        f"{METRICS}/{stage}.json holds {value} at {name}" for stage, data in metrics.items() for name, value in _odd(data)
    )
    lock = _yaml(read, "dvc.lock", where)
    if lock is not None and not isinstance(lock.get("stages"), dict):
        raise InputError(f"dvc.lock{where} has no stages. Run `dvc repro`, or restore the file from git.")
    return Side(
        params=_yaml(read, "params.yaml", where) or {},
        lock=None if lock is None else lock["stages"],
        metrics=metrics,
        resamples=_json(read, "reports/resamples.json", where),
        run=_json(read, "reports/run.json", where),
        no_numbers=broken,
        gates=read("gates.yaml"),
    )


def _yaml(read: Read, path: str, where: str) -> dict[str, Any] | None:
    text = read(path)
    if text is None:
        return None
    _refuse_conflict(text, path, where)
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise InputError(f"{path}{where} is not readable as YAML: {' '.join(str(error).split())}") from error
    return _section(data if data is not None else {}, path, where)


def _json(read: Read, path: str, where: str) -> dict[str, Any]:
    text = read(path)
    if text is None:
        return {}
    _refuse_conflict(text, path, where)
    try:
        return _section(json.loads(text), path, where)
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
