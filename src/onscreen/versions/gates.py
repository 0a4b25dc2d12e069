"""gates.yaml: which change of a number passes, and the verdict on each."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from onscreen.config import Section
from onscreen.errors import ConfigError

PASS, BETTER, NOISE, FAIL = "pass", "better", "within noise", "FAIL"  # a verdict, no password
NOT_COMPARABLE, NO_NUMBER = "not comparable", "no number"
NEW = "new"


class Gate(Section):
    """One number's gate; gates.yaml explains the keys."""

    direction: Literal["higher", "lower"]
    same: Literal["test_set", "raw", "nothing"]
    absolute: float | None = None
    relative: Annotated[float, Field(ge=0, le=1)] | None = None
    noise: Annotated[float, Field(ge=0)] = 0.0


class Gates(Section):
    gates: dict[str, Gate] = Field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One number on both sides. there: whether the metrics files have it at all; it may be null there.

    low, high: 95 % paired interval of new - old. not_comparable: why old says nothing about new; empty where it does.
    no_interval: why there is no interval, for figures that are meant to have one; empty for those that never have. excused: whether
    that is why a loss is not judged, as with too few people; resamples that are missing now, or of other draws, are no excuse.
    """

    name: str
    old: float | None
    new: float | None
    there_old: bool
    there_new: bool
    reason: str = ""
    low: float | None = None
    high: float | None = None
    not_comparable: str = ""
    no_interval: str = ""
    excused: bool = True

    @property
    def difference(self) -> float | None:
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True)
class Verdict:
    word: str
    why: str = ""


def read_gates(text: str | None, names: Collection[str], stages: Collection[str]) -> dict[str, Gate]:
    """The gates of gates.yaml; none where there is no such file. names: all numbers of both sides. stages: that have metrics.

    Raises ConfigError naming the key, what stands there and what is allowed. A name whose section is there and which is not
    in it is wrong; one whose whole section is missing (labels, where there are none) is not.
    """
    if text is None:
        return {}
    try:
        data = YAML(typ="safe", pure=True).load(text)
        found = Gates.model_validate_json(json.dumps(data if data is not None else {})).gates
    except (YAMLError, TypeError) as error:
        raise ConfigError(f"gates.yaml is not readable: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item["loc"], item["type"], item["msg"]) for item in error.errors())) from error
    for name in found:
        _require_known(name, names, stages)
    return found


def judge(gate: Gate, change: Change) -> Verdict:
    """The verdict on one number. Its own limit comes first, then whether the sides can be compared, then what was lost."""
    if change.new is None:
        return _without_number(change)
    if gate.absolute is not None and _worse(gate, gate.absolute, change.new) > 0:
        return Verdict(FAIL, f"the limit is {gate.absolute:g}")
    if change.old is None:
        return Verdict(NEW, "no number to compare with")
    if change.not_comparable:
        return Verdict(NOT_COMPARABLE, change.not_comparable)
    return _compared(gate, change, _worse(gate, change.old, change.new))


def _compared(gate: Gate, change: Change, loss: float) -> Verdict:
    if loss == 0:
        return Verdict(PASS, "unchanged")
    if change.low is not None and change.high is not None:
        if change.low <= 0 <= change.high:
            return Verdict(NOISE, "the interval of the change holds 0")
    elif change.no_interval:
        return _without_interval(gate, change, loss)
    if abs(loss) <= gate.noise:
        return Verdict(NOISE, f"up to {gate.noise:g} is noise")
    if loss < 0:
        return Verdict(BETTER)
    return _lost(gate, change, loss)


def _without_interval(gate: Gate, change: Change, loss: float) -> Verdict:
    why = f"no interval of the change: {change.no_interval}"
    lost = _lost(gate, change, loss) if loss > gate.noise and not change.excused else None
    return Verdict(FAIL, f"{lost.why}; {why}") if lost and lost.word == FAIL else Verdict(NOT_COMPARABLE, why)


def _lost(gate: Gate, change: Change, loss: float) -> Verdict:
    if gate.relative is None:
        return Verdict(PASS, "worse; the gate sets no limit to a loss")
    if not change.old:
        return Verdict(FAIL, "worse than 0, of which no share can be lost")
    share = loss / abs(change.old)
    why = f"worse by {share:.1%}; {gate.relative:.1%} may be lost"
    return Verdict(FAIL if share > gate.relative else PASS, why)


def _without_number(change: Change) -> Verdict:
    if change.old is not None:
        return Verdict(FAIL, f"it was {change.old:.4g} and is {'null' if change.there_new else 'missing'} now: {change.reason}")
    if change.there_old and not change.there_new:
        return Verdict(FAIL, "it was there, as null, and is missing now")
    return Verdict(NO_NUMBER, change.reason)


def _worse(gate: Gate, old: float, new: float) -> float:
    """How much worse new is than old; negative where it is better."""
    return old - new if gate.direction == "higher" else new - old


def _explain(loc: tuple[str | int, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc) or "the file"
    if kind == "extra_forbidden":
        known = Gates.model_fields if len(loc) == 1 else Gate.model_fields
        return f"gates.yaml: {key} is not a key. Known here: {', '.join(known)}"
    if kind == "missing":
        return f"gates.yaml: {key} is missing"
    return f"gates.yaml: {key}: {message[0].lower()}{message[1:]}"


def _require_known(name: str, names: Collection[str], stages: Collection[str]) -> None:
    if name in names:
        return
    stage, _, _ = name.partition(".")
    if stage not in stages:
        raise ConfigError(f"gates.yaml: {name}: {stage} has no metrics. Stages that have: {', '.join(sorted(stages))}")
    section = name.rpartition(".")[0]
    beside = sorted(known for known in names if known.rpartition(".")[0] == section)
    if beside and section != stage:
        close = difflib.get_close_matches(name, beside, n=3, cutoff=0.0)
        raise ConfigError(f"gates.yaml: {name} is no number of reports/metrics/{stage}.json. There are: {', '.join(close)}, ...")
