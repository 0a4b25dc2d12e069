"""`onscreen promote`: the alias `champion` moves only to a version that is better on the current test set, by its paired interval.

Both versions are taken from the registry and scored anew, without anybody whom either was trained on or chosen by. What was found,
and why the alias moved or did not, is kept: as tags of both versions, and as a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onscreen.errors import InputError, OnscreenError, ToolError
from onscreen.matching.data import PairSet, of_people
from onscreen.matching.folder import load_model, met, read_config, read_sources
from onscreen.matching.metrics import Scoring
from onscreen.stages.evaluate import LOADERS, without
from onscreen.tracking.comparison import DECIDES, FIGURES, Compared, Comparison, compare, shared
from onscreen.tracking.registry import CHAMPION, MODELS, download_folder, version_of
from onscreen.tracking.shown import without_login
from onscreen.tracking.store import connect, failures, log_batch, store_of
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PROMOTION = "onscreen.promotion"  # tag of a version that asked to be champion: what was found when it last did
CHALLENGED = "onscreen.challenged"  # tag of a champion: what was found when it was last compared with another
_NO_SPREAD = 1e-9  # sums of weights differ by rounding
_MOST_REASON = 1000  # characters of a reason in a tag


@dataclass(frozen=True)
class Verdict:
    """promoted: whether the alias moves. reason: why, or why not. left_out: people of the test set who take no part, and why."""

    promoted: bool
    reason: str
    comparison: Comparison | None = None
    left_out: int = 0


def promote(workspace: Workspace, model: str, number: int | None = None) -> bool:
    """Make a version of face_voice or hq the champion, if it is better. number: the newest when None.

    Returns whether it is the champion now. Raises InputError when there is no such version, ToolError when the store does not
    answer; the alias is untouched then.
    """
    from filelock import FileLock

    if model not in MODELS.values():
        raise InputError(f"{model!r} is no registered model. Choose {' or '.join(MODELS.values())}.")
    client, experiment = connect(workspace.home)
    with FileLock(workspace.home / ".cache" / "promote.lock"), _mlflow_errors():
        challenger = version_of(client, model if number is None else f"{model}/{number}")
        champion = _champion(client, model)
        if champion is not None and str(champion.version) == str(challenger.version):
            _print(f"{model}/{challenger.version} is the champion already.")
            return True
        verdict = _judge(workspace, client, challenger, champion)
        _record(client, experiment, workspace, verdict, challenger, champion)
        if verdict.promoted:
            _move(client, challenger, champion)
    _show(verdict, challenger, champion)
    return verdict.promoted


@contextmanager
def _mlflow_errors() -> Iterator[None]:
    try:
        yield
    except failures() as error:
        raise ToolError(
            f"the comparison could not be kept, so the alias was not moved: {without_login(str(error))[:300]}"
        ) from error


def _champion(client: MlflowClient, model: str) -> ModelVersion | None:
    aliases = client.get_registered_model(model).aliases
    return version_of(client, f"{model}@{CHAMPION}") if CHAMPION in aliases else None


def _judge(workspace: Workspace, client: MlflowClient, challenger: ModelVersion, champion: ModelVersion | None) -> Verdict:
    """Score both on the same people and items. Whatever keeps one of them from being scored is a reason to refuse."""
    with TemporaryDirectory() as name:
        try:
            sides = [_side(workspace, client, version, Path(name)) for version in (challenger, champion) if version is not None]
        except _Unusable as error:
            return Verdict(False, str(error))
        return _decide(workspace, sides)


class _Unusable(Exception):
    """A version that cannot be scored here; its message is the reason to refuse."""


@dataclass(frozen=True)
class _Side:
    """A version as it lies in `folder`. test: the checkout's test pairs as it takes them in. seen, sources: digests of the people
    whom it was trained on or chosen by, and of the videos of these."""

    folder: Path
    test: PairSet
    seen: frozenset[str]
    sources: frozenset[str]


def _side(workspace: Workspace, client: MlflowClient, version: ModelVersion, place: Path) -> _Side:
    reasons: tuple[type[Exception], ...] = (OnscreenError, *failures())
    try:
        with store_of(client):
            folder = download_folder(version, place / str(version.version))
        config = read_config(folder)
        load_model(folder)
        test = LOADERS[version.name](workspace, config)["test"].pairs
    except reasons as error:
        raise _Unusable(_why(error, version, workspace, place)) from error
    seen = frozenset([*config["training_people_sha256"], *config["validation_people_sha256"]])
    return _Side(folder, test, seen, read_sources(folder))


def _why(error: Exception, version: ModelVersion, workspace: Workspace, place: Path) -> str:
    """In words that name no path of this machine: they are kept in tags."""
    told = without_login(str(error)).replace(f"{place}/", "").replace(f"{workspace.root}/", "").replace(f"{workspace.home}/", "")
    return f"{version.name}/{version.version} cannot be scored here: {told[:_MOST_REASON]}"


def _decide(workspace: Workspace, sides: list[_Side]) -> Verdict:
    params = workspace.params.evaluate
    seen = {digest for side in sides for digest in side.seen}
    known = {name for side in sides for other in sides for name in met(side.test, other.sources)}
    tests = [of_people(without(side.test, seen), lambda name: name not in known) for side in sides]
    tests = [*shared(tests[0], tests[-1])][: len(sides)]
    left_out = max(len(side.test.by_person) for side in sides) - len(tests[0].by_person)
    models = [(load_model(side.folder), test) for side, test in zip(sides, tests, strict=True)]
    other = models[1] if len(models) > 1 else None
    found = compare(models[0], other, Scoring(params.top_k, params.bootstrap, params.seed))
    if isinstance(found, str):
        return Verdict(False, found, left_out=left_out)
    return Verdict(*_verdict(found.decisive, "chance" if other is None else "the champion"), found, left_out)


def _verdict(decisive: Compared, other: str) -> tuple[bool, str]:
    if decisive.low is None or decisive.high is None:
        return False, f"{FIGURES[DECIDES]} cannot be compared: {decisive.reason}"
    interval = f"95 % interval {_interval(decisive)}"
    told = f"{FIGURES[DECIDES]} {decisive.value:.3f}, {other} {decisive.other:.3f}, difference {decisive.difference:+.3f}, {interval}"
    return decisive.low > 0, told if decisive.low > 0 else f"{told}: it does not lie above 0"


def _record(
    client: MlflowClient,
    experiment: str,
    workspace: Workspace,
    verdict: Verdict,
    challenger: ModelVersion,
    champion: ModelVersion | None,
) -> None:
    """Keep what was found with both versions, and as a run. The alias moves after this, so that it never moves without a reason."""
    told = json.dumps(_as_json(verdict, workspace, challenger, champion))
    tags = {"onscreen.kind": "promotion", "onscreen.model": challenger.name, PROMOTION: told}
    run = client.create_run(experiment, run_name=f"promotion of {challenger.name}/{challenger.version}", tags=tags)
    log_batch(client, run.info.run_id, metrics=dict(_numbers(verdict)))
    client.set_terminated(run.info.run_id, "FINISHED")
    client.set_model_version_tag(challenger.name, challenger.version, PROMOTION, told)
    if champion is not None:
        client.set_model_version_tag(champion.name, champion.version, CHALLENGED, told)


def _as_json(verdict: Verdict, workspace: Workspace, challenger: ModelVersion, champion: ModelVersion | None) -> dict[str, Any]:
    params, found = workspace.params.evaluate, verdict.comparison
    about: dict[str, Any] = {
        "verdict": "promoted" if verdict.promoted else "refused",
        "reason": verdict.reason,
        "compared_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "challenger": str(challenger.version),
        "champion": str(champion.version) if champion else None,
        "figure": DECIDES,
        "people_left_out": verdict.left_out,
    }
    if found is None:
        return about
    figures = {name: one.as_json() for name, one in found.figures.items()}
    resampled = {"resamples": params.bootstrap, "seed": params.seed}
    return about | {"people": found.people, "test_set_sha256": found.test_set_sha256, **resampled, "figures": figures}


def _numbers(verdict: Verdict) -> Iterator[tuple[str, float]]:
    """Figures as a run's metrics."""
    yield "promoted", float(verdict.promoted)
    if verdict.comparison is None:
        return
    yield "people", float(verdict.comparison.people)
    for name, one in verdict.comparison.figures.items():
        for key, value in one.as_json().items():
            if isinstance(value, float):
                yield f"{name}.{key}", value


def _move(client: MlflowClient, challenger: ModelVersion, champion: ModelVersion | None) -> None:
    """Set the alias, unless somebody else moved it while the two were compared."""
    now = _champion(client, challenger.name)
    if (str(now.version) if now else None) != (str(champion.version) if champion else None):
        raise ToolError(
            f"{challenger.name}@{CHAMPION} has moved to version {now.version if now else 'none'} meanwhile. Run `onscreen promote` again."
        )
    client.set_registered_model_alias(challenger.name, CHAMPION, challenger.version)


def _show(verdict: Verdict, challenger: ModelVersion, champion: ModelVersion | None) -> None:
    if verdict.comparison is not None:
        Console().print(_table(verdict.comparison, challenger, champion))
    name = f"{challenger.name}/{challenger.version}"
    _print(f"{name} is the champion now: {verdict.reason}." if verdict.promoted else f"{name} is refused: {verdict.reason}.")
    if not verdict.promoted:
        _print(f"The champion stays {challenger.name}/{champion.version}." if champion else "There is no champion yet.")


def _table(found: Comparison, challenger: ModelVersion, champion: ModelVersion | None) -> Table:
    other, whom = (f"champion {champion.version}", "neither was") if champion else ("chance", "it was not")
    table = Table(title=f"{challenger.name} on {found.people} test people whom {whom} trained on", title_justify="left")
    for column in ("", other, f"challenger {challenger.version}", "difference", "95 % interval"):
        table.add_column(column, justify="left" if not column else "right")
    for name, title in FIGURES.items():
        one = found.figures[name]
        table.add_row(title, _number(one.other), _number(one.value), _number(one.difference, "+"), escape(_interval(one)))
    return table


def _interval(one: Compared) -> str:
    if one.low is None or one.high is None:
        return one.reason
    if one.high - one.low < _NO_SPREAD:
        return f"{one.low:+.3f} in every draw of people"
    return f"{one.low:+.3f} to {one.high:+.3f}"


def _number(value: float | None, sign: str = "") -> str:
    return "none" if value is None else f"{value:{sign}.3f}"


def _print(line: str) -> None:
    Console(soft_wrap=True).print(escape(line), highlight=False)
