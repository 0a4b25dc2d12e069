"""How much of a figure is the luck of one training: the same commit with several seeds, each a DVC experiment.

Only the trainings draw anew (train_face_voice.seed, train_hq.seed); people, pairs, test set and the bootstrap stay the same. What
two seeds differ by is no progress, whatever a single run's interval over people says.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from onscreen import git
from onscreen.console import log
from onscreen.errors import ToolError
from onscreen.lineage import RUN_FILE, Pass, pass_at, require_up_to_date
from onscreen.versions.compare import CHIEF
from onscreen.workspace import Workspace

KEYS = ("train_face_voice.seed", "train_hq.seed")
_SHOWN = 5  # changed files in an error


@dataclass(frozen=True)
class Spread:
    """A figure over seeds. values: of the seeds that have one. here: what the commit's own metrics say of it.

    missing: why other seeds have none.
    """

    name: str
    values: tuple[float, ...]
    here: dict[str, Any]
    missing: tuple[str, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of seeds, by n - 1; None of fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def print_seeds(workspace: Workspace, number: int) -> None:
    """Run seeds 0 to number - 1 of the checkout's commit as experiments, those that are not there yet, and print each chief
    figure's mean and standard deviation over them.

    Raises InputError when there is no commit, or no pass in it; ToolError when files are not committed or the pass is stale, and,
    after the table, when a seed failed.
    """
    root = workspace.root
    commit = git.commit_of(root)
    here = pass_at(root, commit)
    _require_committed(root)
    require_up_to_date(root)
    found = {seed: _pass_of(root, commit, seed) or _ran(root, commit, seed) for seed in range(number)}
    passes = [one for one in found.values() if one is not None]
    failed = [seed for seed, one in found.items() if one is None]
    if passes:
        every = spreads(passes, here)
        Console().print(table_of(every, commit), *without_interval(every), *without_any(every), sep="\n")
    if failed:
        told = ", ".join(map(str, failed))
        raise ToolError(f"{len(failed)} of {number} seeds failed: {told}. What DVC said stands above; repeat to try only these.")


def name_of(commit: str, seed: int) -> str:
    """The experiment's name; it holds the commit, because DVC finds experiments of all commits by name."""
    return f"seed-{seed}-{commit[:7]}"


def spreads(passes: Sequence[Pass], here: Pass) -> list[Spread]:
    """Every chief figure over these passes. here: the commit's own pass."""
    return [_spread(name, [_figure(one, name) for one in passes], _figure(here, name)) for name in CHIEF]


def table_of(found: Sequence[Spread], commit: str) -> Table:
    """One line a figure that some seed has; the interval beside it is that of people in the commit's own run."""
    table = Table(title=f"Seeds of commit {commit[:7]}", title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for title in ("figure", "seeds", "mean ± sd", "min-max", "this commit, 95 % over people"):
        table.add_column(title, no_wrap=title == "figure", overflow="fold")
    marks = _marks(found)
    for one in (one for one in found if one.values):
        sd = "one seed has no sd" if one.deviation is None else f"± {one.deviation:.3f}"
        extremes = f"{min(one.values):.3f}-{max(one.values):.3f}"
        table.add_row(one.name, str(len(one.values)), f"{one.mean:.3f} {sd}", extremes, _single(one.here, marks))
    return table


def without_interval(found: Sequence[Spread]) -> list[str]:
    """What the marks of the table stand for: why the commit's own figure has no interval."""
    return [f"{mark} no interval: {why}" for why, mark in _marks(found).items()]


def _marks(found: Sequence[Spread]) -> dict[str, str]:
    """A mark for each reason, told once below the table."""
    alone = [one.here for one in found if one.values and one.here.get("value") is not None and one.here.get("low") is None]
    reasons = dict.fromkeys(str(figure.get("interval_reason", "none")) for figure in alone)
    return {why: f"({place})" for place, why in enumerate(reasons, 1)}


def without_any(found: Sequence[Spread]) -> list[str]:
    """Lines that name the figures that no seed has, by the reason."""
    names: dict[str, list[str]] = {}
    for one in (one for one in found if not one.values):
        names.setdefault("; ".join(one.missing), []).append(one.name)
    return [f"No seed has {', '.join(of)}: {why}." for why, of in names.items()]


def _single(figure: dict[str, Any], marks: dict[str, str]) -> str:
    if figure.get("value") is None:
        return str(figure.get("reason", "none"))
    if figure.get("low") is None:
        return f"{figure['value']:.3f} {marks[str(figure.get('interval_reason', 'none'))]}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _spread(name: str, figures: Sequence[dict[str, Any]], here: dict[str, Any]) -> Spread:
    values = tuple(float(one["value"]) for one in figures if one.get("value") is not None)
    missing = dict.fromkeys(str(one.get("reason", "none")) for one in figures if one.get("value") is None)
    return Spread(name.removeprefix("evaluate."), values, here, tuple(missing))


def _figure(found: Pass, name: str) -> dict[str, Any]:
    """A figure as evaluate.json has it, or why it is not there."""
    absent: dict[str, Any] = {"value": None, "reason": f"{name} is not in its metrics"}
    figure = reduce(lambda section, key: section.get(key, {}), name.split("."), found.metrics)
    return figure or absent


def _pass_of(root: Path, commit: str, seed: int) -> Pass | None:
    """The pass with a seed that there is already: the commit's own, or an experiment's on it."""
    own = pass_at(root, commit)
    if all(_value(own.params, key) == seed for key in KEYS):
        return own
    ref = f"refs/exps/{commit[:2]}/{commit[2:]}/{name_of(commit, seed)}"
    return next((pass_at(root, sha) for name, sha in git.refs(root, ref) if name == ref), None)


def _value(params: dict[str, Any], key: str) -> Any:
    section, name = key.split(".")
    return params.get(section, {}).get(name)


def _ran(root: Path, commit: str, seed: int) -> Pass | None:
    """Run a seed as an experiment, in a folder of DVC's own. None where it failed."""
    log.info("seed %d: running as experiment %s", seed, name_of(commit, seed))
    setting = [part for key in KEYS for part in ("-S", f"{key}={seed}")]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name_of(commit, seed), *setting]
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # dvc.yaml runs `python`
    # as long as the training takes; Ctrl-C reaches DVC as well, which ends it
    ended = subprocess.run(command, cwd=root, env={**os.environ, "PATH": programs, "DVC_NO_ANALYTICS": "true"}, check=False)
    found = _pass_of(root, commit, seed) if ended.returncode == 0 else None
    if found is None:
        log.error("seed %d failed, status %d", seed, ended.returncode)
    return found


def _require_committed(root: Path) -> None:
    """Raise ToolError that names what git does not hold as it is: an experiment belongs to the commit that it starts from."""
    changed = list(_changed(root))
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ToolError(
            f"{', '.join(changed[:_SHOWN])}{more}: not committed. Seeds are experiments on a commit, so that each says of what: "
            "run `git add` and `git commit` first."
        )


def _changed(root: Path) -> Iterator[str]:
    told = git.call(["git", "status", "--porcelain", "--", ".", f":(exclude){RUN_FILE}"], root)
    for line in told.splitlines():
        yield line[3:]
