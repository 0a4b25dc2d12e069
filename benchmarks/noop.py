"""What `dvc repro` costs when nothing changed, beside a bare DVC pipeline of as many stages.

    python benchmarks/noop.py CHECKOUT        a checkout in which `dvc repro` has run

The bare pipeline has a stage for each of the checkout's, in the same order, with a command that does nothing, one file of
dependencies, one output and the stage before it: what DVC itself costs. The one with as many entries has, beside that, as many
dependencies, outputs and parameters in each stage, of a line each: what it costs to name them. All are run in turns; medians of
core-seconds (user and system, with child processes) and of wall time. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

ROUNDS = 7
LIMIT = 1.2  # of the bare pipeline's time
OURS, BARE, ENTRIES = "this pipeline", "bare pipeline", "bare, with as many entries"
DVC = [sys.executable, "-m", "dvc"]


@dataclass(frozen=True)
class Cost:
    """Seconds of one `dvc repro`."""

    core: float
    wall: float


def bare_pipeline(checkout: Path, root: Path, *, entries: bool) -> None:
    """A DVC project with the checkout's stages by name, each after the one before. entries: with as many of everything."""
    stages = YAML(typ="safe").load((checkout / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    shutil.copy(checkout / "params.yaml", root)
    made, before = {}, list[str]()
    for name, stage in stages.items():
        told = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        deps = [f"{name}{number}.txt" for number in range(len(stage["deps"]) if entries else 1)]
        outs = [f"{name}{number}.out" for number in range(len(told) if entries else 1)]
        for dep in deps:
            (root / dep).write_text(dep, encoding="utf-8")
        made[name] = {"cmd": f"touch {' '.join(outs)}", "deps": [*deps, *before], "outs": outs}
        if entries and "params" in stage:
            made[name]["params"] = stage["params"]
        before = outs[:1]
    with (root / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": made}, file)
    for command in (["git", "init", "-q"], [*DVC, "init", "-q"], [*DVC, "repro", "-q"]):
        subprocess.run(command, cwd=root, check=True)


def repro(root: Path) -> Cost:
    """Run `dvc repro` where nothing changed. Raises RuntimeError when a stage had to run."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run([*DVC, "repro"], cwd=root, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if "up to date" not in ended.stdout:
        raise RuntimeError(f"{root}: `dvc repro` ran stages: {ended.stdout[-300:]}")
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    os.environ |= {"DVC_NO_ANALYTICS": "true", "DVC_CHECK_UPDATE": "false"}
    with tempfile.TemporaryDirectory() as folder:
        places = {OURS: given.checkout.resolve(), BARE: Path(folder) / "bare", ENTRIES: Path(folder) / "entries"}
        for name in (BARE, ENTRIES):
            places[name].mkdir()
            bare_pipeline(given.checkout, places[name], entries=name == ENTRIES)
        for root in places.values():
            repro(root)  # fills caches
        costs: dict[str, list[Cost]] = {name: [] for name in places}
        for _ in range(given.rounds):
            for name, root in places.items():
                costs[name].append(repro(root))
    show(costs)


def show(costs: dict[str, list[Cost]]) -> None:
    """A line a pipeline, and what this one costs of it."""
    titles = ("", "core-seconds, median", "least", "wall seconds, median", "this pipeline's core-seconds by it")
    table = Table(*titles, title="`dvc repro`, nothing changed")
    ours = statistics.median(one.core for one in costs[OURS])
    for name, own in costs.items():
        core, wall = (statistics.median(getattr(one, of) for one in own) for of in ("core", "wall"))
        table.add_row(name, f"{core:.2f}", f"{min(one.core for one in own):.2f}", f"{wall:.2f}", f"{ours / core:.2f}")
    Console().print(table, f"{len(costs[BARE])} rounds in turns; up to {LIMIT} is wanted", sep="\n")


if __name__ == "__main__":
    main()
