"""reports/report.html: one self-contained page about the data, the models and how far their figures can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onscreen.matching.folder import read_config
from onscreen.records import Reject
from onscreen.report.contents import Data, read_data
from onscreen.report.svg import Axes, Series, around, lines, steps
from onscreen.store import atomic_path, read_json

TITLES = {"face_voice": "Face-voice model", "hq": "HQ model (mel spectrograms, masked faces)"}
NAMES = {
    "top1": "Top-1",
    "top5": "Top-5",
    "top10": "Top-10",
    "mrr": "Mean reciprocal rank",
    "map": "Mean average precision",
    "median_rank": "Median rank",
    "one_of_two": "Right one of two",
    **{f"one_of_{size}": f"Right one of {size}" for size in range(3, 11)},
    "auc": "ROC AUC",
    "eer": "Equal error rate",
    "min_dcf_p05": "minDCF, prior 0.05",
    "min_dcf_p50": "minDCF, prior 0.5",
}
RATES = ("top", "one_of", "eer")  # shown in per cent
WAYS = {"face_to_voice": "Face to voice", "voice_to_face": "Voice to face", "verification": "Same person or not"}
STRATA = {
    "all": "Everybody, on different source videos where they have several",
    "different_source": "Only people with several source videos",
    "same_source": "Only people with one source video (face and voice share its light, room and compression)",
}
WITHIN = {"gender": "gender", "nationality": "nationality", "gender_and_nationality": "gender and nationality"}
SIZES = range(2, 11)  # of the choices that the 1:N chart shows
NOT_IN_TABLES = {"at_threshold", *(f"one_of_{size}" for size in range(3, 10))}  # said below them, and drawn
MOST_PEOPLE = 200  # rows of the table of identities


@dataclass(frozen=True)
class Curves:
    """What the charts of one model show. wrong, right: counts of scores between edges."""

    false_positive: list[float]
    true_positive: list[float]
    edges: list[float]
    right: list[int]
    wrong: list[int]


@dataclass(frozen=True)
class Row:
    """One figure as text. floor: what knowing gender alone reaches. reason: why there is no value."""

    name: str
    value: str
    chance: str
    floor: str
    interval: str
    reason: str


def write_report(
    root: Path,
    metrics: Mapping[str, Any],
    curves: Mapping[str, Curves],
    left_out: Sequence[Reject] = (),
    *,
    sample: bool = False,
) -> None:
    """Write root/reports/report.html from the tables of root/data, the models of root/models and these metrics.

    left_out: of the test. sample: whether sample clips are in the data; then the page says what scores on them mean.
    """
    models = [_model(root, name, metrics[name], curves.get(name)) for name in TITLES]
    page = render(read_data(root, left_out), models, metrics, sample)
    with atomic_path(root / "reports" / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def render(data: Data, models: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], sample: bool) -> str:
    """The page as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("onscreen", "report")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = page.get_template("page.html.jinja")
    people = data.people[:MOST_PEOPLE]
    return template.render(data=data, models=models, status=metrics["status"], shown=people, scope_of=SCOPES, sample=sample)


SCOPES = {
    "clip": "the clip",
    "part": "a part of it",
    "voice": "its voice",
    "face": "its face",
    "dance": "its dance",
    "hq": "its place in the HQ tree",
}


def _model(root: Path, name: str, figures: Mapping[str, Any], curves: Curves | None) -> dict[str, Any]:
    config = read_config(root / "models" / name)
    history = read_json(root / "models" / name / "history.json")
    titles = STRATA | {f"same_{key}": f"Told only from people of the same {words}" for key, words in WITHIN.items()}
    strata = [
        {
            "title": title,
            "people": figures[key].get("people"),
            "everybody": _everybody(key, figures),
            "tables": _tables(figures[key]),
        }
        for key, title in titles.items()
        if key in figures
    ]
    return {
        "title": TITLES[name],
        "status": figures["status"],
        "config": config,
        "epochs": len(history["train_loss"]),
        "backbones": figures.get("backbones_trained_on", {}),
        "seen": _SEEN[figures["contaminated"]] if "contaminated" in figures else None,
        "seen_reason": figures.get("contaminated_reason", ""),
        "labels": _labels(figures.get("labels", {})),
        "left_out": figures.get("left_out"),
        "strata": strata,
        "threshold": figures["all"]["verification"]["at_threshold"],
        "permuted": figures.get("permuted_labels"),
        "charts": _charts(history, curves, figures["all"]),
    }


def _everybody(stratum: str, figures: Mapping[str, Any]) -> bool:
    """Whether these are the figures of all people once more."""
    return stratum != "all" and bool(figures[stratum].get("people")) and figures[stratum] == figures["all"]


_SEEN = {True: "Contaminated", False: "Not contaminated", None: "Contaminated or not: unknown"}


def _labels(labels: Mapping[str, Any]) -> list[str]:
    """What is known of the people under test, a sentence a label."""
    found = []
    for name, told in labels.items():
        if "reason" in told:
            found.append(f"{told['reason']}: no figures within one {name}" + (", no floor" if name == "gender" else ""))
            continue
        counts = ", ".join(f"{count} {value}" for value, count in told["people"].items())
        alone = f"; {told['alone']} are the only ones of theirs and left out there" if told["alone"] else ""
        found.append(f"{name} is known of {told['labelled']} of {told['of']} test people ({counts}){alone}")
    return found


def _tables(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"title": title, "size": _size(figures[way])} | _rows(figures[way]) for way, title in WAYS.items()]


def _size(part: Mapping[str, Any]) -> str:
    if "queries" in part:
        return f"{part['queries']} queries, gallery of {part['gallery']} from {part['gallery_people']} people"
    if "positives" in part:
        return f"{part['positives']} right and {part['negatives']} wrong combinations"
    return ""


def _rows(part: Mapping[str, Any]) -> dict[str, Any]:
    """rows, and a note that holds for all of them: why there is no interval; or, where there is no figure at all, why."""
    found = {key: figure for key, figure in part.items() if isinstance(figure, dict) and key not in NOT_IN_TABLES}
    values = [figure for figure in found.values() if figure["value"] is not None]
    if not values:
        return {"rows": [], "note": "; ".join(dict.fromkeys(figure["reason"] for figure in found.values()))}
    notes = dict.fromkeys(figure["interval_reason"] for figure in values if "interval_reason" in figure)
    rows = [_row(key, figure) for key, figure in found.items()]
    return {"rows": rows, "floors": any(row.floor for row in rows), "note": "; ".join(notes)}


def _row(key: str, figure: Mapping[str, Any]) -> Row:
    def text(name: str) -> str:
        value = figure.get(name)
        return "" if value is None else f"{value:.1%}" if key.startswith(RATES) else f"{value:.3g}"

    interval = f"{text('low')} to {text('high')}" if figure.get("low") is not None else ""
    name = NAMES.get(key, key.replace("top", "Top-"))
    return Row(name, text("value") or "none", text("chance"), text("gender_floor"), interval, figure.get("reason", ""))


def _charts(history: Mapping[str, Any], curves: Curves | None, figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(caption, SVG) of the training, of the scores and of choices among N, those there are."""
    charts = []
    if history["train_loss"]:
        charts.append(("Loss by epoch", _losses(history)))
    if curves is not None:
        roc = Series("model", curves.false_positive, curves.true_positive)
        axes = Axes("false positive rate", "true positive rate", (0, 1), (0, 1))
        charts.append(("ROC", lines("ROC curve", axes, [roc, Series("chance", (0, 1), (0, 1), dashed=True)], legend_low=True)))
        charts.append(("Scores", _scores(curves)))
    choices = _choices(figures)
    return [*charts, ("Right one of N", choices)] if choices else charts


def _choices(figures: Mapping[str, Any]) -> str | None:
    """Both ways, chance, and the floor where it is known, by the number of answers; None where there are no figures."""
    found: dict[str, list[tuple[float, float]]] = {}
    for way in ("face_to_voice", "voice_to_face"):
        for size in SIZES:
            figure = figures[way].get("one_of_two" if size == 2 else f"one_of_{size}", {"value": None})
            if figure["value"] is not None:
                found.setdefault(WAYS[way], []).append((size, figure["value"]))
                if "gender_floor" in figure and way == "face_to_voice":
                    found.setdefault("gender alone", []).append((size, figure["gender_floor"]))
    if not found:
        return None
    found["chance"] = [(size, 1 / size) for size in SIZES]
    beside = ("gender alone", "chance")
    series = [
        Series(name, [x for x, _ in found[name]], [y for _, y in found[name]], dashed=name in beside)
        for name in sorted(found, key=lambda name: name in beside)
    ]
    return lines("Right one of N answers", Axes("answers to choose from", "share of right choices", (2, 10), (0, 1)), series)


def _losses(history: Mapping[str, Any]) -> str:
    series = []
    for name, title in (("train_loss", "training"), ("val_loss", "validation")):
        points = [(epoch, value) for epoch, value in enumerate(history[name], 1) if value is not None]
        if points:
            series.append(Series(title, [epoch for epoch, _ in points], [value for _, value in points]))
    x, y = around(series)
    return lines("Loss by epoch", Axes("epoch", "loss", x, y), series)


def _scores(curves: Curves) -> str:
    """Shares, not counts: there are far more wrong combinations than right ones."""
    series = []
    for name, counts in (("same person", curves.right), ("different people", curves.wrong)):
        total = max(1, sum(counts))
        series.append(Series(name, curves.edges[:-1], [count / total for count in counts]))
    top = max(max(one.y) for one in series)
    axes = Axes("cosine of face and voice", "share of combinations", (-1, 1), (0, top * 1.05 or 1))
    return steps("Scores of right and wrong combinations", axes, curves.edges, series)
