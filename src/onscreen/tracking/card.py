"""The model card of a registered version: what it is, what stands behind it, how well it does, and what it must not be used for.

Every number is from reports/metrics, config.json or a count of the checkout's tables. What is missing says why. Nobody is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

from onscreen.lineage import Pass, params_digest
from onscreen.matching.figures import FEWEST_FOR_INTERVAL
from onscreen.matching.folder import read_config
from onscreen.matching.hq_tree import read_tree
from onscreen.report.page import NAMES, WAYS
from onscreen.tracking.card_data import TITLES as SIDE_TITLES
from onscreen.tracking.card_data import Side, sides_of
from onscreen.tracking.card_weights import Weights, weights_behind
from onscreen.workspace import Workspace

TITLES = {"face_voice": "face-voice matching on our own videos", "hq": "face-voice matching on an HQ-VoxCeleb tree"}
_SHOWN = (
    "top1",
    "top5",
    "top10",
    "mrr",
    "map",
    "median_rank",
    "one_of_two",
    "one_of_10",
    "auc",
    "eer",
    "min_dcf_p05",
    "min_dcf_p50",
)
_CHIEF = (("verification", "auc"), ("verification", "eer"), ("face_to_voice", "top1"), ("voice_to_face", "top1"))
_STRATA = {
    "all": "everybody",
    "different_source": "people with several source videos",
    "same_source": "people with one source video",
}
_NOT_SCORED = "reports/metrics/evaluate.json holds nothing of this model; run `dvc repro evaluate`"


@dataclass(frozen=True)
class Facts:
    """What a card is made of. config: config.json. figures: evaluate.json's of the model, empty where it was not scored.

    metrics: stage -> its metrics file. sides: see card_data. own: made of own videos. sample: these are the sample's clips.
    """

    name: str
    config: dict[str, Any]
    figures: dict[str, Any]
    metrics: dict[str, Any]
    sides: dict[str, Side]
    weights: list[Weights]
    lineage: dict[str, str]
    own: bool
    sample: bool

    @property
    def no_figures(self) -> str | None:
        """Why there are none, or None."""
        if not self.figures:
            return _NOT_SCORED
        return None if "test_people" in self.figures else str(self.figures.get("reason", self.figures["status"]))

    @cached_property
    def limits(self) -> list[str]:
        """What the licences of its weights forbid, a line each."""
        return [f"{one.limit}: {one.name} ({one.role}), licence: {one.licence}" for one in self.weights if one.limit]


def facts_of(name: str, found: Pass, workspace: Workspace) -> Facts:
    """The facts of models/<name> as it lies in the checkout. found: the pass that made it."""
    config = read_config(workspace.models / name)
    figures = found.metrics.get("evaluate", {}).get(name, {})
    own = name != "hq" or not (workspace.hq / "split.json").is_file() or bool(read_tree(workspace.hq).source)
    sample = own and (workspace.raw / "sample.json").is_file()
    behind = weights_behind(config["inputs"], workspace.params, own=own, sample=sample)
    sides = sides_of(workspace, name, config, figures)
    return Facts(name, config, figures, found.metrics, sides, behind, _lineage(name, found), own, sample)


def _lineage(name: str, found: Pass) -> dict[str, str]:
    """commit, parameters and the md5s of the folders that it was made from."""
    folders = {path: md5 for path, md5 in sorted(found.md5s().items()) if path.startswith(("data/", "models/"))}
    others = {path for path in folders if path.startswith("models/") and path != f"models/{name}"}
    about = {"commit that it was made on": found.baseline, "parameters (hash)": params_digest(found.params), "pass": found.digest}
    return about | {f"md5 of {path}": md5 for path, md5 in folders.items() if path not in others}


def card(facts: Facts) -> str:
    """The card as markdown."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("onscreen", "tracking")
    page = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701  # no HTML
    parts = {
        "title": TITLES[facts.name],
        "data_table": _table(("", "people", "pairs", "faces", "voices", "clips", "seconds of speech"), _data_rows(facts)),
        "weights_table": _table(
            ("weights", "what it is", "what it did", "licence", "trained on"), map(astuple, _in_order(facts))
        ),
        "lineage_table": _table(("", ""), facts.lineage.items()),
        "lost": _lost(facts),
        "face_in": _input(facts.config["inputs"].get("face", {})),
        "voice_in": _input(facts.config["inputs"].get("voice", {})),
        "threshold": _threshold(facts),
        "limitations": list(_limitations(facts)),
    }
    return page.get_template("card.md.jinja").render(facts=facts, **parts, **_scored(facts))


def summary(facts: Facts) -> str:
    """The card in a few lines, for the version's description."""
    data = facts.config["data"]
    trained = f"Trained on {data['training_pairs']} pairs of {data['training_people']} people."
    lines = [f"{TITLES[facts.name].capitalize()}. {trained}", f"Test: {_chief(facts)}."]
    lines += ["Made of sample clips: scores mean nothing but that the pipeline runs."] if facts.sample else []
    lines.append(
        "Limits of use: " + ("; ".join(facts.limits) if facts.limits else "none in the licences of the weights behind it") + "."
    )
    lines += [
        "Not for identifying or authenticating people, nor for decisions about them.",
        "All of it: artifacts/model_card.md.",
    ]
    return "\n\n".join(lines)


def _chief(facts: Facts) -> str:
    if facts.no_figures:
        return facts.no_figures
    told = [f"{WAYS[way]}, {NAMES[name]}: {_value(facts.figures['all'][way][name])}" for way, name in _CHIEF]
    return f"{facts.figures['test_people']} people; " + "; ".join(told)


def _in_order(facts: Facts) -> list[Weights]:
    return sorted(facts.weights, key=lambda one: (not one.limit, one.name))


def _data_rows(facts: Facts) -> Iterator[tuple[Any, ...]]:
    for side, found in facts.sides.items():
        yield SIDE_TITLES[side], *astuple(found)


def _lost(facts: Facts) -> str:
    """Of all sides: people, and items by reason."""
    training = facts.metrics.get(f"train_{facts.name}", {}).get("left_out", {})
    test = facts.figures.get("left_out", {}).get("test", {})
    told = []
    for side, found in (("training and validation", training), ("test", test)):
        items = ", ".join(f"{count} x {code}" for code, count in sorted(found.get("items", {}).items()))
        if items or found.get("people"):
            told.append(f"{side}: {found.get('people', 0)} people, items: {items or 'none'}")
    return "; ".join(told)


def _input(how: Mapping[str, Any]) -> str:
    tower = str(how.get("tower", "not recorded"))
    if tower.startswith("hf:"):
        return f"{'vectors of a frozen' if how.get('frozen') else 'what is given to a trained'} transformers network"
    if "mel_bands" in how:
        return f"log-mel spectrograms of {how['mel_bands']} bands, {how['hop_ms']} ms a frame"
    embedder = str(how.get("embedder"))
    return {"embedding": f"{embedder if not embedder.startswith('hf:') else 'transformers'} embeddings"}.get(
        tower, f"{tower} spectrograms"
    )


def _scored(facts: Facts) -> dict[str, Any]:
    """The parts of the card that need figures."""
    if facts.no_figures:
        return {}
    figures = facts.figures
    everybody = figures["all"]
    rows = [(WAYS[way], NAMES[name], *_cells(everybody[way][name])) for way in WAYS for name in _SHOWN if name in everybody[way]]
    strata = [
        (_STRATA.get(name, name.replace("_", " ")), found["people"], *(_value(found[way][figure]) for way, figure in _CHIEF))
        for name, found in figures.items()
        if isinstance(found, dict) and "verification" in found
    ]
    heads = ("", "people", *(f"{NAMES[name]}, {WAYS[way].lower()}" for way, name in _CHIEF))
    return {
        "figures_table": _table(("", "", "value", "95 % interval", "chance", "gender floor"), rows),
        "strata_table": _table(heads, strata),
        "gallery": _gallery(everybody),
        "gender": _gender(figures),
        "permuted": _permuted(figures.get("permuted_labels", {})),
        "contamination": _contamination(figures),
    }


def _cells(figure: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """value, interval, chance, floor."""
    if figure.get("value") is None:
        return f"none: {figure['reason']}", "", _number(figure.get("chance")), ""
    return _number(figure["value"]), _interval(figure), _number(figure.get("chance")), _number(figure.get("gender_floor"))


def _value(figure: Mapping[str, Any]) -> str:
    if figure.get("value") is None:
        return f"none: {figure['reason']}"
    return f"{_number(figure['value'])} ({_interval(figure)})"


def _interval(figure: Mapping[str, Any]) -> str:
    if figure.get("low") is None:
        return f"no interval: {figure.get('interval_reason', 'not recorded')}"
    return f"{_number(figure['low'])} to {_number(figure['high'])}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".removesuffix(".000")


def _gallery(everybody: Mapping[str, Any]) -> str:
    told = []
    for way, of in (("face_to_voice", "voices"), ("voice_to_face", "faces")):
        found = everybody[way]
        if "gallery" in found:
            told.append(
                f"{WAYS[way]}: {found.get('queries', 0)} queries among {found['gallery']} {of} of {found['gallery_people']} people."
            )
    return " ".join(told)


def _gender(figures: Mapping[str, Any]) -> str:
    known = figures.get("labels", {}).get("gender", {})
    if not known.get("labelled"):
        return f"no floor: {known.get('reason', 'nothing is recorded')}"
    return f"known of {known['labelled']} of {known['of']} people"


def _permuted(found: Mapping[str, Any]) -> str:
    if "auc" not in found:
        return f"none: {found.get('reason', 'not recorded')}"
    auc = found["auc"]
    return f"AUC {_number(auc['value'])}, mean of {found['permutations']} permutations from {_number(auc['low'])} to {_number(auc['high'])}"


def _contamination(figures: Mapping[str, Any]) -> str:
    if "contaminated" not in figures:
        return "not recorded"
    seen = {True: "yes", False: "no", None: "not known"}[figures["contaminated"]]
    return f"whether a network behind it has seen the test people: {seen}; {figures['contaminated_reason']}"


def _threshold(facts: Facts) -> str:
    """Where it lies, and what it gets wrong on the people that it was chosen on and on those under test."""
    chosen = facts.config.get("calibration", {})
    if chosen.get("threshold") is None:
        return f"None: {chosen.get('reason', 'config.json has none')}. Scores can be ranked, and say nothing of one pair."
    told = (
        f"A face and a voice are taken for one person from {chosen['threshold']:.4f}, chosen on {chosen['validation_people']} validation "
        f"people: there {chosen['missed']:.1%} of right combinations are missed and {chosen['accepted']:.1%} of wrong ones accepted."
    )
    errors = facts.figures.get("all", {}).get("verification", {}).get("at_threshold", {})
    if errors.get("value") is None:
        return told
    return f"{told} On the test people, from {errors['value']:.4f}: {errors['missed']:.1%} missed, {errors['accepted']:.1%} accepted."


def _limitations(facts: Facts) -> Iterator[str]:
    figures, people = facts.figures, facts.figures.get("test_people", 0)
    if facts.sample:
        yield "Sample clips: drawn faces and synthetic voices, in which a face says nothing of a voice. Scores mean nothing."
        yield "The rights in some of the pictures that the sample was drawn from stay with their owners (docs/sample.md)."
    if people < FEWEST_FOR_INTERVAL:
        yield f"{people} test people: too few for any interval, so no figure says how the model does on others."
    if not figures.get("labels", {}).get("gender", {}).get("labelled"):
        yield "Nobody's gender is known, so how much of its figures gender alone explains is not known either."
    if figures.get("contaminated") is not False:
        yield "Networks behind it may have seen the test people, or have: then figures are higher than on strangers."
    one_source = figures.get("same_source", {}).get("people")
    if one_source:
        yield f"{one_source} test people have one source video: their face and voice share its light, room and compression."
    yield "Age, language, skin colour, microphones and cameras are not recorded, and how figures differ by them was not measured."


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
