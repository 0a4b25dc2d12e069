"""Where MLflow has the runs of a pass, as reports/run.json says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onscreen.lineage import workspace_pass
from onscreen.tracking.shown import public_address

_ID = re.compile(r"\w{1,64}")


def mlflow_links(root: Path, run: dict[str, Any]) -> tuple[str, ...]:
    """Lines of markdown: links where the tracking server has an http address, else the run ids. run: of reports/run.json."""
    if not run:
        return ("`reports/run.json` is not there: `onscreen track` records this pass.",)
    if run.get("pass") != workspace_pass(root).digest:
        return ("`reports/run.json` is of another pass: `onscreen track` records this one.",)
    stages = run.get("stages")
    named = {"pass": run.get("run_id"), **(stages if isinstance(stages, dict) else {})}
    server = _server(run.get("tracking_uri"))
    runs = [
        _run(name, value, server, run.get("experiment_id")) for name, value in named.items() if _is_id(name) and _is_id(value)
    ]
    models = run.get("models")
    return (*runs, *_models(models if isinstance(models, dict) else {}, server))


def _models(models: dict[str, Any], server: str | None) -> Iterator[str]:
    for name, known in models.items():
        version = known.get("version") if isinstance(known, dict) else None
        if _is_id(name) and _is_id(version):
            text = f"version {version}"
            yield f"- model {name}: " + (f"[{text}](<{server}/#/models/{name}/versions/{version}>)" if server else text)


def _run(name: str, run_id: str, server: str | None, experiment: Any) -> str:
    if server and _is_id(experiment):
        return f"- {name}: [{run_id}](<{server}/#/experiments/{experiment}/runs/{run_id}>)"
    return f"- {name}: run `{run_id}`"


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _server(address: Any) -> str | None:
    """The server's address as a link may hold it; None where it is not of http. A file that git holds may have been edited."""
    try:
        found = public_address(address) if isinstance(address, str) else None
    except ValueError:
        return None
    return None if found is None else re.sub(r"[<>\s]", "", found)
