"""What a person reads of the checks of a dataset: a table of counts, what is wrong sample by sample, and how many are real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onscreen.checks.finding import Finding
from onscreen.store import write_json

STATUSES = ("pass", "warn", "fail", "unproven")
_STYLES = {"pass": "green", "warn": "yellow", "fail": "red", "unproven": "magenta"}
_LISTED = 20  # samples that are shown one by one, the failing ones first; the JSON holds all
_LINE, _INDENT = 100, "  "  # characters; of the names of what is real


def print_findings(dataset: Path, findings: Sequence[Finding], json: Path | None) -> bool:
    """Show the findings on standard output and write them to `json` where that is named. Returns whether nothing failed."""
    by_sample = _by_sample(findings)
    if json is not None:
        write_json(json, as_json(dataset, findings))
    screen = Console(soft_wrap=True)
    screen.print(_counts(dataset, findings))
    telling = [(label, found) for label, found in by_sample.items() if _wrong(found) or _of_the_set(found)]
    telling.sort(key=lambda one: not _wrong(one[1]))
    for label, found in telling[:_LISTED]:
        _print_sample(screen, label or "the set", found)
    if len(telling) > _LISTED:
        rest = "all are in the JSON" if json is not None else "--json FILE writes all"
        screen.print(f"and {len(telling) - _LISTED} more; {rest}", highlight=False)
    screen.print(summary(by_sample), highlight=False, markup=False)
    if failed := [finding for finding in by_sample.get("", ()) if finding.status == "fail"]:
        screen.print(f"the set as a whole: {len(failed)} checks fail", highlight=False)
    return all(finding.status != "fail" for finding in findings)


def as_json(dataset: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    """All findings, and what is real of each sample, as JSON data."""
    by_sample = _by_sample(findings)
    return {
        "dataset": dataset.name,
        "summary": summary(by_sample),
        "counts": dict(Counter(finding.status for finding in findings)),
        "samples": {label: what_is_real(found) for label, found in by_sample.items() if label},
        "findings": [asdict(finding) for finding in findings],
    }


def what_is_real(findings: Iterable[Finding]) -> dict[str, dict[str, list[str]]]:
    """real, not_real, unproven: part of the sample (what stands before the dot of a check) -> why not, in words."""
    by_part: dict[str, list[Finding]] = {}
    for finding in findings:
        by_part.setdefault(finding.check.partition(".")[0], []).append(finding)
    told: dict[str, dict[str, list[str]]] = {"real": {}, "not_real": {}, "unproven": {}}
    for part, found in by_part.items():
        failed, unproven = (_details(found, status) for status in ("fail", "unproven"))
        told["not_real" if failed else "unproven" if unproven else "real"][part] = failed or unproven
    return told


def summary(by_sample: Mapping[str, Sequence[Finding]]) -> str:
    """How many samples are real in every respect."""
    labels = [label for label in by_sample if label]
    real = sum(not any(found.status in ("fail", "unproven") for found in by_sample[label]) for label in labels)
    sound = sum(not any(found.status == "fail" for found in by_sample[label]) for label in labels)
    return f"{real} of {len(labels)} samples are real in every respect; {sound - real} more have nothing wrong, but could not be checked in full"


def _details(findings: Iterable[Finding], status: str) -> list[str]:
    return [finding.detail for finding in findings if finding.status == status]


def _by_sample(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.sample, []).append(finding)
    return found


def _of_the_set(findings: Iterable[Finding]) -> bool:
    """Whether a person has to look at how samples go together."""
    return any(finding.status == "warn" and finding.check.startswith(("leaks.", "set.")) for finding in findings)


def _wrong(findings: Iterable[Finding]) -> bool:
    return any(finding.status == "fail" for finding in findings)


def _counts(dataset: Path, findings: Sequence[Finding]) -> Table:
    table = Table(title=escape(str(dataset)))
    table.add_column("check")
    for status in STATUSES:
        table.add_column(status, justify="right", style=_STYLES[status])
    counts: dict[str, Counter[str]] = {}
    for finding in findings:
        counts.setdefault(finding.check, Counter())[finding.status] += 1
    for check, count in counts.items():
        table.add_row(check, *(str(count[status]) if count[status] else "" for status in STATUSES))
    return table


def _print_sample(screen: Console, label: str, findings: Sequence[Finding]) -> None:
    screen.print(label, style="bold", highlight=False, markup=False)
    for finding in findings:
        if finding.status != "pass":
            head = f"  [{_STYLES[finding.status]}]{finding.status:<9}[/]"
            screen.print(f"{head}{escape(finding.check)}: {escape(finding.detail)}", highlight=False)
    told = "; ".join(f"{name.replace('_', ' ')}: {', '.join(parts)}" for name, parts in what_is_real(findings).items() if parts)
    for line in wrap(told, min(screen.width, _LINE) - len(_INDENT)):
        screen.print(f"{_INDENT}{line}", highlight=False, markup=False)
