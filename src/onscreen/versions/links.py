"""Where MLflow has the runs of a pass, as reports/run.json says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from onscreen.lineage import workspace_pass

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
    return tuple(
        _line(name, value, server, run.get("experiment_id")) for name, value in named.items() if _is_id(value) and _is_id(name)
    )


def _line(name: str, run_id: str, server: str | None, experiment: Any) -> str:
    if server and _is_id(experiment):
        return f"- {name}: [{run_id}](<{server}/#/experiments/{experiment}/runs/{run_id}>)"
    return f"- {name}: run `{run_id}`"


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _server(address: Any) -> str | None:
    """The address without user, password and query; None where it is not of http."""
    if not isinstance(address, str):
        return None
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, parts.hostname + port, parts.path.rstrip("/"), "", "")).replace(">", "")
