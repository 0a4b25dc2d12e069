"""`onscreen diff`: a checkout against a commit, from git alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from onscreen.errors import ConfigError, InputError
from onscreen.versions.compare import Compared, compare
from onscreen.versions.freshness import FAIL, Check, data_is_pushed, lock_is_fresh
from onscreen.versions.gates import read_gates
from onscreen.versions.links import mlflow_links
from onscreen.versions.markdown import Said, render
from onscreen.versions.numbers import numbers_of
from onscreen.versions.revision import Base, find_base
from onscreen.versions.sides import Side, at, here


@dataclass(frozen=True)
class Difference:
    """A whole comparison. passed: no gate failed, no metrics file holds NaN, the lock is fresh, and no data is known to be missing
    from the remote."""

    base: Base
    old: Side = field(repr=False)
    new: Side = field(repr=False)
    compared: Compared
    said: Said
    passed: bool

    def markdown(self) -> str:
        return render(self.compared, self.said, not self.passed)

    def as_json(self) -> dict[str, Any]:
        """Everything that the markdown says, uncut."""
        said = {name: value for name, value in asdict(self.said).items() if name != "base"}
        return {"passed": self.passed, "base": asdict(self.base), **said, **asdict(self.compared)}


def difference(root: Path, revision: str | None) -> Difference:
    """Compare the checkout with a commit. Raises InputError or ConfigError, naming the file or what git lacks."""
    base = find_base(root, revision)
    new, old = here(root), at(root, base.sha)
    names = numbers_of(old).keys() | numbers_of(new).keys()
    stages = {*old.metrics, *new.metrics, *(old.lock or {}), *(new.lock or {})}
    gates = read_gates(new.gates, names, stages)
    compared = compare(old, new, gates)
    checks: tuple[Check, ...] = (lock_is_fresh(root, new.lock or {}), data_is_pushed(root, new.lock or {}))
    said = Said(
        base=base,
        first=old.lock is None,
        gates_changed=old.gates is not None and old.gates != new.gates,
        old_gates_fail=_fail_by_old_gates(old, new, names, stages),
        no_gates=new.gates is None,
        no_numbers=new.no_numbers,
        checks=checks,
        links=mlflow_links(root, new.run),
    )
    passed = not compared.failed and not new.no_numbers and all(check.state != FAIL for check in checks)
    return Difference(base, old, new, compared, said, passed)


def _fail_by_old_gates(old: Side, new: Side, names: Collection[str], stages: Collection[str]) -> tuple[str, ...] | None:
    """Numbers that the other commit's gates would not let pass: whoever loosens a gate is seen to. Empty where they are the same,
    None where they do not fit: the change may put a wrong file right, or take out the stage that it names."""
    if old.gates is None or old.gates == new.gates:
        return ()
    try:
        gates = read_gates(old.gates, names, stages)
    except ConfigError:
        return None
    return tuple(row.change.name for row in compare(old, new, gates).failed)


def print_diff(root: Path, revision: str | None, output: Path | None) -> bool:
    """Print the comparison as markdown; write it with diff.json and pictures to a folder where one is named. Whether it passed."""
    from rich.console import Console

    found = difference(root, revision)
    if output is not None:
        found = _write(root, found, output)
    Console(soft_wrap=True).print(found.markdown(), markup=False, highlight=False, emoji=False)
    return found.passed


def _write(root: Path, found: Difference, output: Path) -> Difference:
    from onscreen.store import atomic_path, write_json
    from onscreen.versions.pictures import write_pictures

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output {output} cannot be a folder for the comparison: {error.strerror}. Name another one."
        ) from error
    made, lacking = write_pictures(root, found.old, found.new, found.compared, output)
    found = replace(found, said=replace(found.said, pictures=made, no_pictures=lacking))
    with atomic_path(output / "diff.md") as temporary:
        temporary.write_text(found.markdown(), encoding="utf-8")
    write_json(output / "diff.json", found.as_json())
    return found
