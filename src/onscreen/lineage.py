"""What DVC and git know of a pass of the pipeline: parameters, metrics, md5s of everything read and written.

A pass is one state of dvc.lock and params.yaml: the checkout's own, or that of an experiment (refs/exps), which git keeps
whole. Nothing here needs a run id, so a pass can be recorded any time later.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from onscreen.console import log
from onscreen.errors import InputError, ToolError

METRICS = "reports/metrics/"
_NOT_EXPERIMENTS = ("stash", "apply", "celery", "exec", "temp")


@dataclass(frozen=True)
class Pass:
    """One finished pass. name: the experiment's, or "workspace". baseline: the commit it started from.

    params: of params.yaml. lock: of dvc.lock. metrics: stage -> content of its metrics file.
    """

    name: str
    baseline: str
    params: dict[str, Any]
    lock: dict[str, Any]
    metrics: dict[str, Any]
    digest: str

    def md5s(self) -> dict[str, str]:
        """path -> md5 of every dependency and output (a folder's ends in .dir), as dvc.lock has them."""
        entries = [entry for stage in self.lock["stages"].values() for entry in [*stage.get("deps", []), *stage.get("outs", [])]]
        return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def workspace_pass(root: Path) -> Pass:
    """The pass that lies in the checkout, up to date or not. Raises InputError when there is none."""
    if not (root / "dvc.lock").is_file():
        raise InputError(f"{root / 'dvc.lock'} does not exist: nothing ran here yet. Run `dvc repro` first.")
    files = {path.name: path.read_text(encoding="utf-8") for path in (root / "params.yaml", root / "dvc.lock")}
    metrics = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((root / METRICS).glob("*.json"))}
    return _pass("workspace", _call(["git", "rev-parse", "HEAD"], root).strip(), files, metrics)


def require_up_to_date(root: Path) -> None:
    """Raise ToolError, naming the stages, when the checkout is not what its dvc.lock says."""
    changed = json.loads(_call(["dvc", "status", "--json"], root))
    if changed:
        raise ToolError(f"the checkout has changed since its last pass ({', '.join(sorted(changed))}). Run `dvc repro` first.")


def experiment_passes(root: Path) -> Iterator[Pass]:
    """The passes of all experiments that git holds here, finished ones only (a failed one has no ref)."""
    listing = _call(["git", "for-each-ref", "--format=%(refname)", "refs/exps"], root)
    for ref in listing.split():
        parts = ref.split("/")
        if len(parts) != 5 or parts[2] in _NOT_EXPERIMENTS:
            continue
        if "dvc.lock" not in _call(["git", "ls-tree", "--name-only", ref], root).splitlines():
            log.warning("experiment %s holds no dvc.lock and is not recorded", parts[4])
            continue
        yield _experiment(root, ref, parts[2] + parts[3], parts[4])


def _experiment(root: Path, ref: str, baseline: str, name: str) -> Pass:
    listed = _call(["git", "ls-tree", "--name-only", ref, METRICS], root).splitlines()
    files = {path: _call(["git", "show", f"{ref}:{path}"], root) for path in ("params.yaml", "dvc.lock")}
    metrics = {
        Path(path).stem: json.loads(_call(["git", "show", f"{ref}:{path}"], root)) for path in listed if path.endswith(".json")
    }
    return _pass(name, baseline, files, metrics)


def _pass(name: str, baseline: str, files: dict[str, str], metrics: dict[str, Any]) -> Pass:
    params, lock = (YAML(typ="safe", pure=True).load(files[path]) for path in ("params.yaml", "dvc.lock"))
    digest = hashlib.sha256(json.dumps([params, lock], sort_keys=True).encode()).hexdigest()
    return Pass(name, baseline, params, lock, metrics, digest)


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


def _call(command: list[str], root: Path) -> str:
    try:
        environment = {**os.environ, "DVC_NO_ANALYTICS": "true"}
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]} is not on PATH; run `source .venv/bin/activate` first") from error
    except subprocess.CalledProcessError as error:
        raise ToolError(f"`{' '.join(command)}` failed: {error.stderr.strip() or error.stdout.strip()}") from error
