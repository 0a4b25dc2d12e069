"""A comparison as markdown that GitHub shows: what fails first, whole rows, never longer than a comment may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from onscreen.versions.compare import Compared, DataChange, ParamChange, Row, Slice
from onscreen.versions.freshness import FAIL, OK, Check
from onscreen.versions.revision import Base

LIMIT = 60_000  # characters; a comment on GitHub holds 65,536, and what posts it may add lines of its own
_MOST_TOP = 400  # rows of one table; nobody reads more, and the JSON has them


@dataclass(frozen=True)
class Section:
    """before: lines above the table (heading, header). rows: may be cut from the end. after: lines below."""

    before: tuple[str, ...]
    rows: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What is said of a comparison beside its numbers. old_gates_fail: see diff.py. links: of MLflow, markdown. pictures: names of files beside diff.md."""

    base: Base
    first: bool
    gates_changed: bool
    old_gates_fail: tuple[str, ...] | None
    no_gates: bool
    no_numbers: tuple[str, ...]
    checks: tuple[Check, ...]
    links: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    no_pictures: tuple[str, ...] = field(default=())


def render(compared: Compared, said: Said, failed: bool) -> str:
    """The whole comparison, at most LIMIT characters."""
    return _fitted(list(_sections(compared, said, failed)))


def _sections(compared: Compared, said: Said, failed: bool) -> Iterator[Section]:
    yield Section((f"### onscreen diff: {'**FAIL**' if failed else 'pass'}", "", *_opening(compared, said), ""))
    yield _table(
        "Gates",
        _GATE_HEAD,
        [_gate_row(row) for row in compared.gated],
        said.no_gates and "There is no `gates.yaml`: nothing is gated.",
    )
    yield Section(("**Lock and data**", "", *_checks(said)), (), ("",))
    yield _table("Chief figures without a gate", _FIGURE_HEAD, [_figure_row(row) for row in compared.chief])
    yield _table(
        "Parameters",
        "| parameter | before | now |\n|---|---|---|",
        [_param(row) for row in compared.params],
        "No parameter changed.",
    )
    data = [row for row in compared.data if not row.path.startswith("reports/")]
    yield _table("Data", _DATA_HEAD, [_data(row) for row in data], "No data changed.", _unchanged(compared))
    yield _table("Counts", "| count | before | now | change |\n|---|--:|--:|--:|", [_count(row) for row in compared.counts])
    if said.pictures or said.no_pictures:
        pictures = [f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in said.pictures]
        yield Section(("**Pictures**", "", *pictures, *said.no_pictures, ""))
    if said.links:
        yield Section(("**MLflow**", "", *said.links, ""))
    yield _folded(
        "Slices: people of one gender, one nationality, one source", _SLICE_HEAD, [_slice(row) for row in compared.slices]
    )
    reports = [row for row in compared.data if row.path.startswith("reports/")]
    yield _folded("Reports and plots that changed", _DATA_HEAD, [_data(row) for row in reports])
    yield _folded("All other numbers that changed; no verdict", _FIGURE_HEAD, [_figure_row(row) for row in compared.others])


_GATE_HEAD = "| number | better | before | now | change | 95 % interval of the change | verdict |\n|---|---|--:|--:|--:|--:|---|"
_FIGURE_HEAD = "| number | better | before | now | change | 95 % interval of the change | |\n|---|---|--:|--:|--:|--:|---|"
_DATA_HEAD = "| path | | files before | files now | bytes before | bytes now |\n|---|---|--:|--:|--:|--:|"
_SLICE_HEAD = "| model | slice | people | figure | before | now | change | |\n|---|---|---|---|--:|--:|--:|---|"


def _opening(compared: Compared, said: Said) -> Iterator[str]:
    yield f"This checkout against commit `{said.base.short}`, {said.base.how}."
    if said.first:
        yield "That commit has no `dvc.lock`: nothing had run there, so everything is new."
    if said.gates_changed:
        yield f"`gates.yaml` itself is another than in that commit. {_by_old_gates(said.old_gates_fail)}"
    failing = [*(row.change.name for row in compared.failed), *(check.name for check in said.checks if check.state == FAIL)]
    failing += ["NaN or Infinity in metrics"] if said.no_numbers else []
    if failing:
        yield f"What fails: {', '.join(f'`{what}`' for what in failing)}."


def _by_old_gates(fail: tuple[str, ...] | None) -> str:
    if fail is None:
        return "That commit's gates do not fit today's numbers."
    return f"By that commit's gates {', '.join(f'`{name}`' for name in fail) or 'nothing'} would fail."


def _checks(said: Said) -> Iterator[str]:
    for place in said.no_numbers:
        yield f"- **FAIL** {cell(place)}"
    for check in said.checks:
        if check.state == OK:
            yield f"- {check.name}: yes"
        elif len(check.why) == 1:
            yield f"- {check.name}: **{check.state}**: {cell(check.why[0])}"
        else:
            yield f"- {check.name}: **{check.state}**"
            yield from (f"  - {cell(line)}" for line in check.why)


def _table(title: str, head: str, rows: Sequence[str], nothing: str | bool = "", after: Sequence[str] = ()) -> Section:
    if rows:
        return Section((f"**{title}**", "", *head.split("\n")), tuple(rows), ("", *after))
    return Section((f"**{title}**", "", nothing, "")) if isinstance(nothing, str) and nothing else Section(())


def _folded(title: str, head: str, rows: Sequence[str]) -> Section:
    if not rows:
        return Section(())
    return Section(
        (f"<details><summary>{title} ({len(rows)})</summary>", "", *head.split("\n")), tuple(rows), ("", "</details>", "")
    )


def _gate_row(row: Row) -> str:
    verdict = row.verdict
    word = "" if verdict is None else f"**{verdict.word}**" if verdict.word in (FAIL, "better") else verdict.word
    why = f": {cell(verdict.why)}" if verdict and verdict.why else ""
    return f"{_numbers(row)} {word}{why} |"


def _figure_row(row: Row) -> str:
    change = row.change
    if change.new is None or change.old is None:
        note = change.reason if change.new is None else "new"
    else:
        note = (
            f"not comparable: {change.not_comparable}"
            if change.not_comparable
            else change.no_interval and f"no interval: {change.no_interval}"
        )
    return f"{_numbers(row)} {cell(note)} |"


def _numbers(row: Row) -> str:
    """The first six cells. Numbers that cannot be compared have no difference."""
    change = row.change
    difference = "" if change.difference is None or change.not_comparable else signed(change.difference)
    interval = "" if change.low is None or change.high is None else f"{signed(change.low)} to {signed(change.high)}"
    cells = (name(change.name), row.direction or "", figure(change.old), figure(change.new), difference, interval)
    return f"| {' | '.join(cells)} |"


def _param(row: ParamChange) -> str:
    values = ["" if value is None else name(value) for value in (row.old, row.new)]
    return f"| {name(row.name)} | {values[0]} | {values[1]} |"


def _data(row: DataChange) -> str:
    numbers = [row.old_files, row.new_files, row.old_bytes, row.new_bytes]
    return f"| {name(row.path)} | {row.state} | {' | '.join('' if number is None else f'{number:,}' for number in numbers)} |"


def _unchanged(compared: Compared) -> tuple[str, ...]:
    return (f"{compared.same_data} inputs and outputs are the same.", "") if compared.same_data else ()


def _count(row: Row) -> str:
    change = row.change
    difference = "" if change.difference is None else signed(change.difference)
    return f"| {name(change.name)} | {figure(change.old)} | {figure(change.new)} | {difference} |"


def _slice(row: Slice) -> str:
    known = row.old is not None and row.new is not None
    change = "" if row.not_comparable or not known else signed((row.new or 0) - (row.old or 0))
    counts = [None if count is None else f"{count:,}" for count in (row.old_people, row.new_people)]
    people = counts[1] if counts[0] == counts[1] else f"{counts[0] or 'none'} before, {counts[1] or 'none'} now"
    note = f"not comparable: {row.not_comparable}" if row.not_comparable and known else ""
    cells = (row.model, row.stratum, people or "", row.figure, figure(row.old), figure(row.new), change, cell(note))
    return f"| {' | '.join(cells)} |"


def figure(value: float | None) -> str:
    """A number as it is read: whole ones with all digits, others with four that count."""
    if value is None:
        return "none"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def signed(value: float) -> str:
    """A change, with its sign."""
    text = figure(value)
    return text if value <= 0 or text == "0" else f"+{text}"


def name(text: str) -> str:
    """A name or a value in a cell, taken as it is: no mention, link or markup."""
    return f"`{cell(text).replace('`', chr(39))}`"


def cell(text: str) -> str:
    """Text that stays within one cell of a table."""
    return " ".join(text.replace("|", "/").replace("<", "‹").replace("@", "＠").split())[:300]


def _fitted(sections: list[Section]) -> str:
    """Whole rows are left out from the end of the last tables first, and it is said how many."""
    kept = [min(len(section.rows), _MOST_TOP) for section in sections]
    for number in reversed(range(len(sections))):
        text = _joined(sections, kept)
        while len(text) > LIMIT and kept[number]:
            over = len(text) - LIMIT
            kept[number] -= _rows_of(sections[number].rows[: kept[number]], over)
            text = _joined(sections, kept)
    return _joined(sections, kept)


def _rows_of(rows: Sequence[str], characters: int) -> int:
    """How many rows, from the last, hold so many characters: at least one."""
    taken = 0
    for count, row in enumerate(reversed(rows), 1):
        taken += len(row) + 1
        if taken >= characters:
            return count
    return len(rows)


def _joined(sections: Sequence[Section], kept: Sequence[int]) -> str:
    lines: list[str] = []
    for section, count in zip(sections, kept, strict=True):
        left_out = len(section.rows) - count
        more = ["", f"{left_out} more rows are in `diff.json` (`onscreen diff --output <folder>`)."] if left_out else []
        lines += [*section.before, *section.rows[:count], *more, *section.after]
    return "\n".join(lines).rstrip() + "\n"
