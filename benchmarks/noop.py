"""What `dvc repro` costs when nothing changed, beside a bare DVC pipeline of as many stages.

    python benchmarks/noop.py CHECKOUT        a checkout in which `dvc repro` has run

The bare pipeline has a stage for each of the checkout's, in the same order, with a command that does nothing, one file of
dependencies, one output and the stage before it: what DVC itself costs. Both are run in turns; medians of core-seconds (user and
system, with child processes) and of wall time. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
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
DVC = [sys.executable, "-m", "dvc"]


@dataclass(frozen=True)
class Cost:
    """Seconds of one `dvc repro`."""

    core: float
    wall: float


def bare_pipeline(checkout: Path, root: Path) -> None:
    """A DVC project with the checkout's stages by name, each depending on a file of its own and on the stage before."""
    stages = list(YAML(typ="safe").load((checkout / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    made, before = {}, list[str]()
    for name in stages:
        (root / f"{name}.txt").write_text(name, encoding="utf-8")
        made[name] = {"cmd": f"echo done > {name}.out", "deps": [f"{name}.txt", *before], "outs": [f"{name}.out"]}
        before = [f"{name}.out"]
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
        places = {"this pipeline": given.checkout.resolve(), "bare pipeline": Path(folder)}
        bare_pipeline(given.checkout, Path(folder))
        for root in places.values():
            repro(root)  # fills caches
        costs: dict[str, list[Cost]] = {name: [] for name in places}
        for _ in range(given.rounds):
            for name, root in places.items():
                costs[name].append(repro(root))
    show(costs)


def show(costs: dict[str, list[Cost]]) -> None:
    """A line a pipeline, and what one costs of the other."""
    table = Table("", "core-seconds, median", "core-seconds, least", "wall seconds, median", title="`dvc repro`, nothing changed")
    middle = {
        name: Cost(*(statistics.median(getattr(one, of) for one in own) for of in ("core", "wall")))
        for name, own in costs.items()
    }
    for name, own in costs.items():
        table.add_row(name, f"{middle[name].core:.2f}", f"{min(one.core for one in own):.2f}", f"{middle[name].wall:.2f}")
    ours, bare = middle["this pipeline"], middle["bare pipeline"]
    table.add_row("ratio", f"{ours.core / bare.core:.2f}", "", f"{ours.wall / bare.wall:.2f}")
    Console().print(table, f"{len(costs['bare pipeline'])} rounds in turns; a ratio up to {LIMIT} is wanted", sep="\n")


if __name__ == "__main__":
    main()
