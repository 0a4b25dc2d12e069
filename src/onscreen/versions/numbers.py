"""Every number of the metrics files under one dotted name, with its interval, or with the reason why there is none."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onscreen.versions import shown
from onscreen.versions.sides import Side

_BESIDE = ("chance", "low", "high", "gender_floor", "reason", "interval_reason")
_LOWER = re.compile(
    r"(eer|min_dcf_p\d+|median_rank|val_loss|train_loss|missed|accepted|singleton_rate|rejected_share|without_\w+_share)$"
)
_HIGHER = re.compile(r"(auc|top\d+|mrr|map|one_of_\w+|balanced_accuracy|\w*(f1|precision|recall)|ari|nmi)$")
_MOST = 10**300  # whole numbers beyond are no float
_ABOUT_DATA = ("prepare", "extract_faces", "dedupe", "voices", "split", "hq", "m2p")


@dataclass(frozen=True)
class Number:
    """value: None where there is none; reason says why. low, high: its own 95 % interval, where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    interval_reason: str = ""


def numbers_of(side: Side) -> dict[str, Number]:
    """Dotted name (stage first) -> number. Names that are not onscreen's own kind, and counts by label, are left out."""
    found = {name: number for stage, data in side.metrics.items() for name, number in _numbers(data, stage) if shown.key(name)}
    return found | _shares(found)


def direction_of(name: str) -> str | None:
    """higher or lower is better; None where neither is, as for a count."""
    last = name.rpartition(".")[2]
    if ".permuted_labels." in name:  # a check that lands on chance when all is well
        return None
    if name.startswith(_ABOUT_DATA) and "." in name and not re.search(r"(f1|precision|recall|ari|nmi|_share|_rate)$", last):
        return None
    return "lower" if _LOWER.match(last) else "higher" if _HIGHER.match(last) else None


def is_count(name: str, numbers: tuple[Number | None, ...]) -> bool:
    """Whether it counts data (clips, faces, people, rejects, seconds), which is neither better nor worse."""
    if name.partition(".")[0] not in _ABOUT_DATA or direction_of(name):
        return False
    values = [number.value for number in numbers if number and number.value is not None]
    return name.endswith(("hours", "_s")) or (bool(values) and all(float(value).is_integer() for value in values))


def _numbers(data: Any, name: str) -> Iterator[tuple[str, Number]]:
    if not isinstance(data, dict):
        return
    if "value" in data:
        yield name, _figure(data)
    for key, value in data.items():
        below = f"{name}.{key}"
        if isinstance(value, dict):
            if not re.fullmatch(r"evaluate\.\w+\.labels\.\w+\.people", below):  # counts by what labels.csv says of people
                yield from _numbers(value, below)
        elif (value is None or _is_number(value)) and key != "value" and not ("value" in data and key in _BESIDE):
            yield below, _number(value, data.get(f"{key}_reason"))


def _is_number(value: Any) -> bool:
    return (isinstance(value, float) or (isinstance(value, int) and abs(value) < _MOST)) and not isinstance(value, bool)


def _number(value: Any, why: Any) -> Number:
    if _is_number(value) and math.isfinite(value):
        return Number(float(value))
    return Number(None, reason="it is not a finite number" if _is_number(value) else shown.reason(why))


def _figure(data: dict[str, Any]) -> Number:
    value = _number(data["value"], data.get("reason"))
    low, high = (_number(data.get(end), None).value for end in ("low", "high"))
    why = shown.reason(data["interval_reason"]) if "interval_reason" in data else ""
    return Number(value.value, low, high, value.reason, why)


def _shares(found: dict[str, Number]) -> dict[str, Number]:
    """Shares of what was lost on the way, which the counts alone do not show."""
    rejected = sum(number.value or 0 for name, number in found.items() if name.startswith("prepare.rejects.clip."))
    shares = {
        "prepare.rejected_share": (rejected, _sum(_value(found, "prepare.clips"), rejected)),
        "prepare.without_voice_share": _rest(found, "prepare.clips", "prepare.clips_with_voice"),
        "extract_faces.without_face_share": _rest(found, "extract_faces.clips", "extract_faces.clips_with_face"),
    }
    return {name: Number(part / of) for name, (part, of) in shares.items() if part is not None and of}


def _value(found: dict[str, Number], name: str) -> float | None:
    return found[name].value if name in found else None


def _sum(first: float | None, second: float) -> float | None:
    return None if first is None else first + second


def _rest(found: dict[str, Number], all_of: str, those: str) -> tuple[float | None, float | None]:
    whole, part = _value(found, all_of), _value(found, those)
    return (None if whole is None or part is None else whole - part), whole
