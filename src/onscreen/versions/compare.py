"""What changed between two sides: parameters, data, numbers, each with what is needed to judge it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onscreen.lineage import flatten
from onscreen.matching.paired import paired_interval
from onscreen.versions import shown
from onscreen.versions.gates import Change, Gate, Verdict, judge
from onscreen.versions.numbers import Number, direction_of, is_count, numbers_of
from onscreen.versions.sides import Side

_FIGURES = tuple(f"all.verification.{figure}" for figure in ("auc", "eer")) + tuple(
    f"all.{way}.{figure}" for figure in ("top1", "mrr") for way in ("face_to_voice", "voice_to_face")
)  # those of matching.metrics.CHIEF, which a test holds equal: importing it costs seconds
CHIEF = tuple(f"evaluate.{model}.{figure}" for model in ("face_voice", "hq") for figure in _FIGURES)
_SLICE = re.compile(
    r"evaluate\.(?P<model>\w+)\.(?P<stratum>different_source|same_\w+)\.(?P<figure>verification\.(auc|eer)|\w+_to_\w+\.top1)"
)
_MODEL = re.compile(r"evaluate\.(?P<model>[^.]+)\.(?P<figure>.+)")
_DRAWN = ("test_set_sha256", "people", "resamples", "seed")


@dataclass(frozen=True)
class ParamChange:
    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class DataChange:
    """files, bytes: None where that side does not have it, or where dvc.lock does not count files (a single file)."""

    path: str
    state: str
    old_files: int | None
    new_files: int | None
    old_bytes: int | None
    new_bytes: int | None


@dataclass(frozen=True)
class Row:
    """A number on both sides. verdict: None where gates.yaml does not name it."""

    change: Change
    direction: str | None
    verdict: Verdict | None = None

    @property
    def changed(self) -> bool:
        return self.change.old != self.change.new


@dataclass(frozen=True)
class Slice:
    """A figure of a part of the people, which no gate reads."""

    model: str
    stratum: str
    figure: str
    old: float | None
    new: float | None
    old_people: int | None
    new_people: int | None
    not_comparable: str


@dataclass(frozen=True)
class Compared:
    """without_names: how many numbers stand under names that are not onscreen's own kind, and are not shown."""

    params: tuple[ParamChange, ...]
    data: tuple[DataChange, ...]
    same_data: int
    counts: tuple[Row, ...]
    gated: tuple[Row, ...]
    chief: tuple[Row, ...]
    others: tuple[Row, ...]
    slices: tuple[Slice, ...]

    @property
    def failed(self) -> tuple[Row, ...]:
        return tuple(row for row in self.gated if row.verdict and row.verdict.word == "FAIL")


def compare(old: Side, new: Side, gates: Mapping[str, Gate]) -> Compared:
    """Everything that differs, and every number that a gate or CHIEF names, changed or not."""
    before, now = numbers_of(old), numbers_of(new)
    data, same = _data(old, new)
    names = sorted(before.keys() | now.keys())
    sliced = [name for name in names if _SLICE.fullmatch(name)]
    counted = [name for name in names if is_count(name, (before.get(name), now.get(name)))]
    top = [*gates, *(name for name in CHIEF if name in names and name not in gates)]
    rest = [name for name in names if name not in {*top, *counted, *sliced}]
    rows = {name: _row(name, gates.get(name), old, new, before, now) for name in dict.fromkeys([*top, *rest, *counted])}
    return Compared(
        params=_params(old.params, new.params),
        data=data,
        same_data=same,
        counts=tuple(row for name in counted if (row := rows[name]).changed),
        gated=tuple(rows[name] for name in gates),
        chief=tuple(rows[name] for name in top if name not in gates),
        others=tuple(row for name in rest if (row := rows[name]).changed),
        slices=tuple(_slice(name, old, new, before, now) for name in sliced),
    )


def _params(old: dict[str, Any], new: dict[str, Any]) -> tuple[ParamChange, ...]:
    before, now = dict(flatten(old)), dict(flatten(new))
    changed = [
        name for name in sorted(before.keys() | now.keys()) if name not in before or name not in now or before[name] != now[name]
    ]
    return tuple(
        ParamChange(
            name if shown.key(name) else shown.HIDDEN,
            shown.param(before[name]) if name in before else None,
            shown.param(now[name]) if name in now else None,
        )
        for name in changed
    )


def _data(old: Side, new: Side) -> tuple[tuple[DataChange, ...], int]:
    """Changed inputs and outputs of dvc.lock, and how many are the same."""
    before, now = _entries(old), _entries(new)
    paths = sorted(before.keys() | now.keys())
    changed = [path for path in paths if before.get(path, {}).get("md5") != now.get(path, {}).get("md5")]
    return tuple(_data_change(path, before.get(path), now.get(path)) for path in changed), len(paths) - len(changed)


def _entries(side: Side) -> dict[str, dict[str, Any]]:
    own = {shown.path(path): entry for path, entry in side.entries("outs").items()}
    raw = side.raw()
    return {**({"data.raw": raw} if raw else {}), **own}


def _data_change(path: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> DataChange:
    state = "new" if old is None else "gone" if new is None else "changed"
    first, second = old or {}, new or {}
    return DataChange(path, state, first.get("nfiles"), second.get("nfiles"), first.get("size"), second.get("size"))


def _row(name: str, gate: Gate | None, old: Side, new: Side, before: Mapping[str, Number], now: Mapping[str, Number]) -> Row:
    same = gate.same if gate else "test_set" if name.startswith("evaluate.") else "nothing"
    first, second = before.get(name), now.get(name)
    change = _change(name, first, second, not_comparable(same, name, old, new), (old, new))
    return Row(change, gate.direction if gate else direction_of(name), judge(gate, change) if gate else None)


def _change(name: str, first: Number | None, second: Number | None, differs: str, sides: tuple[Side, Side]) -> Change:
    none_of_codes = Number(0.0) if _counts_codes(name, sides) else None
    first, second = first or none_of_codes, second or none_of_codes
    old, new = first.value if first else None, second.value if second else None
    reason = second.reason if second else "no metrics file has it"
    there = first is not None, second is not None
    if old is None or new is None or differs:
        return Change(name, old, new, *there, reason, not_comparable=differs)
    found = _paired(name, *sides)
    if isinstance(found, tuple):
        return Change(name, old, new, *there, reason, *found)
    return Change(name, old, new, *there, reason, no_interval=found.why, excused=found.excused)


def _counts_codes(name: str, sides: tuple[Side, Side]) -> bool:
    """Whether a name that is missing means 0: codes of rejects and flags are written where there are some."""
    stage, _, rest = name.partition(".")
    return rest.startswith(("rejects.", "flags.")) and all(rest.split(".")[0] in side.metrics.get(stage, {}) for side in sides)


def not_comparable(same: str, name: str, old: Side, new: Side) -> str:
    """Why a number's old value says nothing about its new one; empty where it does. same: of gates.yaml."""
    if same == "raw":
        before, now = old.raw(), new.raw()
        if before is None or now is None or None in (before.get("md5"), now.get("md5")):
            return "dvc.lock does not say, on both sides, which videos it is of"
        counts = f"{_many(before.get('nfiles'), 'file')} before, {_many(now.get('nfiles'), 'file')} now"
        return "" if before.get("md5") == now.get("md5") else f"the folder of videos changed: {counts}"
    match = _MODEL.fullmatch(name)
    if same != "test_set" or match is None:
        return ""
    first, second = (_of_model(side.metrics.get("evaluate"), match["model"]) for side in (old, new))
    sets = first.get("test_set_sha256"), second.get("test_set_sha256")
    if None in sets:
        when = "on either side" if sets[0] == sets[1] else "now" if sets[0] else "before"
        return f"which people and clips the model was scored on is not said {when}"
    people = f"{_many(first.get('test_people'), 'person')} before, {_many(second.get('test_people'), 'person')} now"
    return "" if sets[0] == sets[1] else f"the test set changed: {people}"


@dataclass(frozen=True)
class _Unpaired:
    """Why there is no interval; "" for a figure that never has one. excused: see gates.Change."""

    why: str
    excused: bool = True


def _paired(name: str, old: Side, new: Side) -> tuple[float, float] | _Unpaired:
    """The 95 % interval of new - old over the same draws of the same people; else why there is none."""
    match = _MODEL.fullmatch(name)
    if name not in CHIEF or match is None:
        return _Unpaired("")
    first, second = (_of_model(side.resamples, match["model"]) for side in (old, new))
    for one, when in ((first, "before"), (second, "now")):
        if "reason" in one:
            return _Unpaired(f"{shown.reason(one['reason'])} ({when})")
        if not isinstance(one.get("figures"), dict):
            return _Unpaired(f"no resamples were kept {when}", excused=when == "before")
    if any(first.get(key) != second.get(key) for key in _DRAWN):
        return _Unpaired("the two were not resampled alike (people, resamples or seed)", excused=False)
    evaluated = _of_model(new.metrics.get("evaluate"), match["model"]).get("test_set_sha256")
    if second.get("test_set_sha256") != evaluated:
        return _Unpaired("reports/resamples.json is of another test set than the metrics", excused=False)
    others, ours = (one["figures"].get(match["figure"]) for one in (first, second))
    if others is None or ours is None:
        return _Unpaired(f"{_many(second.get('people'), 'person')}: too few, or no spread, for resamples")
    return _interval(ours, others)


def _interval(ours: Any, others: Any) -> tuple[float, float] | _Unpaired:
    if not (_are_samples(ours) and _are_samples(others)):
        return _Unpaired("reports/resamples.json holds something else than numbers", excused=False)
    found = paired_interval(ours, others)
    return _Unpaired(found, excused=len(ours) == len(others)) if isinstance(found, str) else found


def _are_samples(found: Any) -> bool:
    return isinstance(found, list) and all(
        value is None or (isinstance(value, float | int) and -1 <= value <= 1) for value in found
    )


def _slice(name: str, old: Side, new: Side, before: Mapping[str, Number], now: Mapping[str, Number]) -> Slice:
    match = _SLICE.fullmatch(name)
    assert match is not None  # noqa: S101  # names were chosen by this pattern
    first, second = before.get(name), now.get(name)
    people = [_whole(numbers.get(f"evaluate.{match['model']}.{match['stratum']}.people")) for numbers in (before, now)]
    return Slice(
        match["model"],
        match["stratum"],
        match["figure"],
        first.value if first else None,
        second.value if second else None,
        people[0],
        people[1],
        not_comparable("test_set", name, old, new),
    )


def _whole(number: Number | None) -> int | None:
    return None if number is None or number.value is None else int(number.value)


def _of_model(data: Any, model: str) -> dict[str, Any]:
    found = data.get(model) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _many(count: Any, what: str) -> str:
    if not isinstance(count, int):
        return f"an unknown number of {what}s" if what != "person" else "an unknown number of people"
    plural = "people" if what == "person" else f"{what}s"
    return f"{count} {what if count == 1 else plural}"
