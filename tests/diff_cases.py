"""A real git and DVC project with the files that a comparison reads, and two branches."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

STAGES = """stages:
  make:
    cmd: "{python} make.py"
    deps: [make.py, "${{data.raw}}"]
    params: [seed]
    outs: [data/made]
  evaluate:
    cmd: "{python} evaluate.py"
    deps: [data/made, src]
    params: [seed]
    outs: [models/face_voice, {{reports/resamples.json: {{cache: false}}}}]
    plots: [reports/plots/evaluate]
    metrics: [{{reports/metrics/evaluate.json: {{cache: false}}}}, {{reports/metrics/prepare.json: {{cache: false}}}}]
"""
MAKE = """import pathlib
made = pathlib.Path("data/made")
made.mkdir(parents=True)
for file in pathlib.Path("data/raw").iterdir():
    (made / file.name).write_text(file.read_text() + pathlib.Path("params.yaml").read_text())
"""
EVALUATE = """import pathlib, shutil
for name in ("reports/resamples.json", "reports/metrics/evaluate.json", "reports/metrics/prepare.json"):
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("src/" + pathlib.Path(name).name, name)
for folder in ("models/face_voice", "reports/plots/evaluate"):
    pathlib.Path(folder).mkdir(parents=True)
shutil.copy("src/face_voice_roc.csv", "reports/plots/evaluate")
pathlib.Path("models/face_voice/config.json").write_text("{}")
"""
GATES = """gates:
  evaluate.face_voice.all.verification.auc: {direction: higher, same: test_set, relative: 0.02}
  evaluate.face_voice.all.verification.eer: {direction: lower, same: test_set, relative: 0.02}
  prepare.rejected_share: {direction: lower, same: raw, absolute: 0.5}
"""
FIGURES = ("verification.auc", "verification.eer", "face_to_voice.top1", "voice_to_face.top1")


def call(root: Path, *command: object) -> str:
    done = subprocess.run([str(part) for part in command], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def dvc(root: Path, *command: object) -> None:
    """DVC's own command line, without a process of half a second for each."""
    from dvc.cli import main

    before = Path.cwd()
    os.chdir(root)
    try:
        code = main([str(part) for part in command])
    finally:
        os.chdir(before)
    if code:
        raise AssertionError(f"dvc {command} ended with {code}")


def commit(root: Path, message: str) -> str:
    call(root, "git", "add", "-A")
    call(root, "git", "commit", "-qm", message)
    return call(root, "git", "rev-parse", "HEAD")


def started(root: Path) -> Path:
    """A project that has not run: git, DVC, a remote beside it, three videos."""
    root.mkdir(parents=True)
    (root / "src").mkdir()
    (root / "dvc.yaml").write_text(STAGES.format(python=sys.executable))
    (root / "make.py").write_text(MAKE)
    (root / "evaluate.py").write_text(EVALUATE)
    (root / ".gitignore").write_text("/models\n/reports/plots\n")
    write_params(root, seed=0)
    write_metrics(root)
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    for number in range(3):
        (raw / f"vid_{number}.mp4").write_text(f"video {number}")
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "git", "config", "user.email", "nobody@example.com")
    call(root, "git", "config", "user.name", "nobody")
    dvc(root, "init", "-q")
    dvc(root, "config", "core.analytics", "false")
    dvc(root, "remote", "add", "-q", "-d", "store", root.parent / "store")
    dvc(root, "add", "-q", "data/raw")
    return root


def project(root: Path) -> Path:
    """The same with gates, run, committed and pushed."""
    started(root)
    (root / "gates.yaml").write_text(GATES)
    run(root)
    commit(root, "one")
    return root


def branch(root: Path) -> Path:
    """The same with a branch "better" checked out, run, committed and pushed: another seed, a better model, one more reject."""
    call(root, "git", "switch", "-qc", "better")
    write_params(root, seed=1)
    write_metrics(root, skill=0.8, rejected=2)
    run(root)
    commit(root, "two")
    return root


def run(root: Path) -> None:
    dvc(root, "repro", "-q")
    dvc(root, "push", "-q")


def write_params(root: Path, seed: int, raw: str = "data/raw") -> None:
    text = f"data:\n  raw: {raw}\nseed: {seed}\nsplit:\n  salt: Anna Kim\ndedupe:\n  threshold: auto\n"
    (root / "params.yaml").write_text(text)


def evaluation(skill: float = 0.7, people: int = 20, test_set: str = "people one") -> dict[str, Any]:
    """evaluate.json's section of a model."""
    figures = {name: 1 - skill if name.endswith("eer") else skill for name in FIGURES}
    rows = {name: {"value": value, "chance": 0.5, "low": value - 0.05, "high": value + 0.05} for name, value in figures.items()}
    nested: dict[str, Any] = {}
    for name, row in rows.items():
        way, figure = name.split(".")
        nested.setdefault(way, {})[figure] = row
    return {
        "status": "ok",
        "test_people": people,
        "test_set_sha256": hashlib.sha256(test_set.encode()).hexdigest(),
        "all": {"people": people, **nested},
        "same_gender": {"people": people - 1, **nested},
        "labels": {"gender": {"labelled": people, "of": people, "people": {"Anna Kim": 3, "anna_kim": 2}}},
    }


def drawn(skill: float = 0.7, people: int = 20, test_set: str = "people one", spread: float = 0.001) -> dict[str, Any]:
    """resamples.json's section of a model: the same people drawn whatever the skill."""
    luck = np.random.default_rng(0).normal(0, 0.05, 200)  # the draws' common part: what makes people easy or hard
    own = np.random.default_rng(round(skill * 1000)).normal(0, spread, 200)  # what one model has of its own
    figures = {f"all.{name}": (luck + own + (1 - skill if name.endswith("eer") else skill)).round(5).tolist() for name in FIGURES}
    sha256 = hashlib.sha256(test_set.encode()).hexdigest()
    return {"test_set_sha256": sha256, "people": people, "resamples": 200, "seed": 0, "figures": figures}


def write_metrics(root: Path, skill: float = 0.7, people: int = 20, test_set: str = "people one", rejected: int = 1) -> None:
    """What the next pass will give."""
    why = {"status": "no pairs", "reason": "3 people; an interval needs 10"}
    put(root, "evaluate.json", {"status": "ok", "face_voice": evaluation(skill, people, test_set), "hq": why})
    put(root, "resamples.json", {"face_voice": drawn(skill, people, test_set), "hq": {"reason": why["reason"]}})
    counts = {"clips": 3, "clips_with_voice": 3, "videos": 3, "hours": 0.1}
    put(root, "prepare.json", {"status": "ok", **counts, "rejects": {"clip": {"no_picture": rejected}}})

    bend = [(x / 20, (x / 20) ** (1 - skill)) for x in range(21)]
    rows = "\n".join(f"{false},{true}" for false, true in bend)
    (root / "src" / "face_voice_roc.csv").write_text(f"false_positive_rate,true_positive_rate\n{rows}\n")


def put(root: Path, name: str, data: Any) -> None:
    (root / "src" / name).write_text(json.dumps(data, indent=1))
