"""Pictures of a comparison as PNG, on white, so that they read on any page: what changed, ROC curves, distances of faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onscreen.store import atomic_path
from onscreen.versions.compare import CHIEF, Compared, Row
from onscreen.versions.gates import Change
from onscreen.versions.numbers import Number, numbers_of
from onscreen.versions.plot_files import PlotFiles, Rows
from onscreen.versions.sides import Side

_EVALUATE, _DEDUPE = "reports/plots/evaluate", "reports/plots/dedupe"
_BEFORE, _NOW = "#9a6700", "#0550ae"  # brown and blue, told apart also by those who see few colours
_COLOUR = {"field": "side", "type": "nominal", "scale": {"domain": ["before", "now"], "range": [_BEFORE, _NOW]}, "title": None}
_WIDTH = {
    "field": "side",
    "type": "nominal",
    "scale": {"domain": ["before", "now"], "range": [4, 1.8]},
    "legend": None,
}  # so that both are seen where they are the same
_NAMES = {
    "verification.auc": "AUC",
    "verification.eer": "EER (lower is better)",
    "face_to_voice.top1": "Top-1, face to voice",
    "voice_to_face.top1": "Top-1, voice to face",
    "face_to_voice.mrr": "MRR, face to voice",
    "voice_to_face.mrr": "MRR, voice to face",
}
_ROW = 40  # points of height of a figure, in both panels
_SCALE = 2.0  # pixels a point, for screens of today

Spec = dict[str, Any]


def write_pictures(root: Path, old: Side, new: Side, compared: Compared, output: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write what can be drawn. File names of the pictures, and lines that say which are lacking and what would bring them."""
    made, lacking = list[str](), list[str]()
    sides = PlotFiles(root, old, checked_out=False), PlotFiles(root, new, checked_out=True)
    for name, drawn in (
        ("changes", _changes(compared, old, new)),
        ("roc", _roc(sides, [model for model in ("face_voice", "hq") if _plotted(new, model)])),
        ("distances", _distances(sides, _DEDUPE in new.entries("outs"))),
    ):
        if isinstance(drawn, dict):
            _write(drawn, output / f"{name}.png")
            made.append(f"{name}.png")
        else:
            (output / f"{name}.png").unlink(missing_ok=True)  # of an earlier comparison
            lacking += [drawn] if drawn else []
    return tuple(made), tuple(lacking)


def _write(spec: Spec, path: Path) -> None:
    import vl_convert

    style = {
        "font": "sans-serif",
        "axis": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260},
        "view": {"stroke": "#d0d7de"},
    }
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "padding": 12,
        "config": style,
        **spec,
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(vl_convert.vegalite_to_png(whole, scale=_SCALE))


def _plotted(side: Side, model: str) -> bool:
    section = side.metrics.get("evaluate", {}).get(model)
    return isinstance(section, dict) and section.get("status") == "ok" and _EVALUATE in side.entries("outs")


def _changes(compared: Compared, old: Side, new: Side) -> Spec | str:
    """Chief figures of both sides with their own intervals, and the paired interval of the change beside them."""
    known = {row.change.name: row for row in (*compared.gated, *compared.chief)}
    rows = [row for name in CHIEF if (row := known.get(name)) and (row.change.new is not None or row.change.old is not None)]
    if not rows:
        return "No figure of a model has a number on either side: there is nothing to draw of changes."
    before, now = numbers_of(old), numbers_of(new)
    values = [value for row in rows for value in _values(row, before, now)]
    changes = [_change(row) for row in rows]
    order = [_label(row.change.name) for row in rows]
    if all(row["change"] is None for row in changes):
        return {**_values_panel(values, order), "title": f"No change is drawn: {changes[0]['note']}"}
    return {"spacing": 24, "hconcat": [_values_panel(values, order), _changes_panel(changes, order)]}


def _label(name: str) -> str:
    _, model, rest = name.split(".", 2)
    return f"{model}: {_NAMES[rest.removeprefix('all.')]}"


def _values(row: Row, before: dict[str, Number], now: dict[str, Number]) -> Iterator[Spec]:
    for side, numbers in (("before", before), ("now", now)):
        number = numbers.get(row.change.name)
        if number is not None and number.value is not None:
            low, high = (number.value if end is None else end for end in (number.low, number.high))
            yield {"figure": _label(row.change.name), "side": side, "value": number.value, "low": low, "high": high}


def _change(row: Row) -> Spec:
    change = row.change
    shown = None if change.not_comparable else change.difference
    return {"figure": _label(change.name), "change": shown, "low": change.low, "high": change.high, "note": _note(change)}


def _note(change: Change) -> str:
    """Why something is not drawn; the table says it at length."""
    if change.old is None:
        return "only now"
    if change.new is None:
        return "only before"
    if change.not_comparable:
        return "not comparable"
    return "" if change.low is not None else "no interval"


def _values_panel(values: list[Spec], order: list[str]) -> Spec:
    y = {"field": "figure", "type": "nominal", "sort": order, "title": None}
    offset = {"field": "side", "type": "nominal"}
    x = {"type": "quantitative", "title": "value, with its 95 % interval", "scale": {"domain": [0, 1]}}
    return {
        "data": {"values": values},
        "width": 300,
        "height": _ROW * len(order),
        "encoding": {"y": y, "yOffset": offset, "color": {**_COLOUR, "legend": {"orient": "top"}}},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {"x": {**x, "field": "value"}}},
        ],
    }


def _changes_panel(changes: list[Spec], order: list[str]) -> Spec:
    widest = (
        max((abs(row[key]) for row in changes for key in ("low", "high", "change") if row[key] is not None), default=0.1) * 1.1
    )
    y = {"field": "figure", "type": "nominal", "sort": order, "title": None, "axis": {"labels": False, "ticks": False}}
    domain = {"domain": [-(widest or 0.1), widest or 0.1]}
    x = {"type": "quantitative", "title": "now - before, with its 95 % paired interval", "scale": domain}
    grey = {"type": "text", "color": "#57606a", "fontSize": 12, "align": "left", "dx": 8, "dy": -8}
    return {
        "data": {"values": changes},
        "width": 300,
        "height": _ROW * len(order),
        "layer": [
            {"mark": {"type": "rule", "color": "#57606a", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0, **x}}},
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 3, "color": "#1f2328"},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "transform": [{"filter": "isValid(datum.change)"}],
                "mark": {"type": "point", "filled": True, "size": 70, "color": "#1f2328", "opacity": 1},
                "encoding": {"y": y, "x": {**x, "field": "change"}},
            },
            {"mark": grey, "encoding": {"y": y, "x": {"datum": 0, **x}, "text": {"field": "note"}}},
        ],
    }


def _roc(sides: tuple[PlotFiles, PlotFiles], models: list[str]) -> Spec | str:
    columns = ("false_positive_rate", "true_positive_rate")
    drawn = list[Spec]()
    for model in models:
        found = [side.rows(_EVALUATE, f"{model}_roc.csv", columns) for side in sides]
        if (why := _lacking(found, "The ROC curves", _EVALUATE)) is not None:
            return why
        drawn += [{**row, "model": model, "side": name} for name, rows in _named(found) for row in rows]
    if not drawn:
        return ""
    x, y = ({"field": field, "type": "quantitative", "scale": {"domain": [0, 1]}} for field in columns)
    encoding = {
        "x": {**x, "title": "wrong combinations taken for one person"},
        "y": {**y, "title": "right combinations found"},
        "color": {**_COLOUR, "legend": {"orient": "top"}},
        "strokeWidth": _WIDTH,
        "order": {"field": columns[0], "type": "quantitative"},
    }
    return {
        "data": {"values": drawn},
        "facet": {"column": {"field": "model", "title": "ROC"}},
        "spec": {"width": 260, "height": 260, "mark": "line", "encoding": encoding},
    }


def _distances(sides: tuple[PlotFiles, PlotFiles], made: bool) -> Spec | str:
    if not made:
        return ""
    kinds = {"same_person": "two faces of one person", "different_people": "faces of two people"}
    found = [side.rows(_DEDUPE, "distances.csv", ("cosine_distance", *kinds)) for side in sides]
    if (why := _lacking(found, "The distances between faces", _DEDUPE)) is not None:
        return why
    drawn = [
        {"distance": row["cosine_distance"], "share": share, "faces": text, "side": name}
        for name, rows in _named(found)
        for kind, text in kinds.items()
        for row, share in zip(rows, _shares([row[kind] for row in rows]), strict=True)
    ]
    if not drawn:
        return ""
    encoding = {
        "x": {"field": "distance", "type": "quantitative", "title": "cosine distance of two faces"},
        "y": {"field": "share", "type": "quantitative", "title": "share of pairs"},
        "color": {**_COLOUR, "legend": {"orient": "top"}},
        "strokeWidth": _WIDTH,
    }
    mark = {"type": "line", "interpolate": "step-after"}
    return {
        "data": {"values": drawn},
        "facet": {"row": {"field": "faces", "title": None, "header": {"labelOrient": "top", "labelFontSize": 12}}},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": 560, "height": 160, "mark": mark, "encoding": encoding},
    }


def _shares(counts: list[float]) -> list[float]:
    return [count / (sum(counts) or 1) for count in counts]


def _named(found: list[Rows | None]) -> Iterator[tuple[str, Rows]]:
    yield from zip(("before", "now"), (rows or [] for rows in found), strict=True)


def _lacking(found: list[Rows | None], what: str, folder: str) -> str | None:
    """What to do for the side whose plots are not on this machine; None where both are."""
    before, now = found
    if now is None:
        return f"{what} are not on this machine: `dvc fetch {folder}` brings them."
    if before is None:
        return f"{what} of the other commit are not on this machine: `dvc fetch --all-commits {folder}` brings them."
    return None
