"""The tracking store: connecting to it, and writing to it in requests of a size that it accepts.

It is sqlite:///<home>/mlflow.db (home: the main checkout, also for experiments in DVC's temporary folders and queue) unless
MLFLOW_TRACKING_URI names another. A git worktree is a checkout of its own, with a store of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from onscreen.errors import ToolError
from onscreen.lineage import Pass
from onscreen.tracking.shown import without_login

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric, Run

EXPERIMENT = "onscreen"
KIND = "onscreen.kind"  # tag: pass, stage (a child of one), training (live, not in a pass yet), promotion
STAGE = "onscreen.stage"
COMMIT, DIRTY = "mlflow.source.git.commit", "git.dirty"
LIVE = "onscreen.live"  # tag of a run that was there while its stage ran
MEMBER = "onscreen.of"  # tag of a pass's child: digest of its pass
PARENT = "mlflow.parentRunId"
RECORDED = "onscreen.pass"  # tag of a pass's run: its digest
_MAX_NAME, _MAX_PARAM, _MAX_TAG = 250, 6000, 8000  # characters that MLflow's store accepts
_PATIENCE_S = 30  # for one answer of a server
_KNOCK_S = 5.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def connect(home: Path, patience_s: int = _PATIENCE_S, retries: int = 2) -> tuple[MlflowClient, str]:
    """A client of the tracking store and the id of onscreen's experiment; both are made where they do not exist.

    patience_s: for one answer of a server; retries: of a question that was not answered; the environment's own values win.
    Raises ToolError, within seconds where nothing listens, when the store cannot be used.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(patience_s))  # MLflow's own: 120 s, 7 times, and minutes between
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(retries))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # one warning a retry; the error says it once
    named = os.environ.get("MLFLOW_TRACKING_URI")
    path = home / "mlflow.db"
    with answering(named or str(path)):
        from filelock import FileLock
        from mlflow import MlflowClient

        (home / ".cache").mkdir(parents=True, exist_ok=True)
        _knock(named or f"sqlite:///{path}")
        path_lock = FileLock(_lock_file(named, home))  # several processes on a fresh database crash each other
        with contextlib.nullcontext() if (named or "").startswith("http") else path_lock:
            client = MlflowClient(tracking_uri=named or f"sqlite:///{path}")
            experiment = client.get_experiment_by_name(EXPERIMENT) or _make_experiment(client, _artifacts(named, home))
            if not named:
                _let_readers_in(path)
    return client, experiment.experiment_id


def _lock_file(named: str | None, home: Path) -> Path:
    """One for all who use a database: beside a file that is named, which several checkouts may share."""
    parts = urlsplit(named or "")
    return Path(f"{parts.path[1:]}.lock") if parts.scheme == "sqlite" else home / ".cache" / "mlflow.lock"


def _make_experiment(client: MlflowClient, place: str | None) -> Experiment:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(client.create_experiment(EXPERIMENT, artifact_location=place))
    except MlflowException:
        made = client.get_experiment_by_name(EXPERIMENT)
        if made is None:  # no other machine was faster
            raise
        return made


def _let_readers_in(path: Path) -> None:
    """Readers, such as the UI, do not block a training that writes; a database keeps this once it is set."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")


def _artifacts(named: str | None, home: Path) -> str | None:
    """Where runs keep files: a server knows it (None); else beside the database, never in the current folder."""
    parts = urlsplit(named or "")
    if parts.scheme == "sqlite":
        return (Path(parts.path[1:]).absolute().parent / "mlartifacts").as_uri()
    return None if parts.scheme.startswith("http") else (home / "mlartifacts").as_uri()


def _knock(uri: str) -> None:
    """Raise OSError or sqlite3.Error where a database is not there: MLflow itself would try for hours."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        path = Path(parts.path[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA schema_version")
    elif parts.hostname and (port := parts.port or _PORTS.get(parts.scheme.split("+")[0])) and parts.scheme[:4] != "http":
        socket.create_connection((parts.hostname, port), timeout=_KNOCK_S).close()


@contextmanager
def answering(store: str) -> Iterator[None]:
    """Turn what a store that is down, full or refuses raises into a ToolError that names it, without passwords."""
    try:
        yield
    except ToolError:
        raise
    except failures() as error:
        raise ToolError(
            f"MLflow's store {without_login(store)}{' (of MLFLOW_TRACKING_URI)' if '://' in store else ''} does not answer, or refuses: "
            f"{_core(without_login(str(error)))[:400]}. Nothing is lost: once it does, `onscreen track` records every pass."
        ) from error


def _core(text: str) -> str:
    """What the system said, where MLflow and its HTTP client have wrapped it in names of theirs."""
    said = re.search(r"\[Errno -?\d+\] [^'\"()]+", text) if text.startswith("API request") else None
    return said[0] if said else text.strip().rstrip(".")


def failures() -> tuple[type[Exception], ...]:
    """What a tracking store that is down, full or broken raises: MLflow's own, databases', the disk's, S3's where it is in use."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    errors = MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ToolError
    if "boto3" not in sys.modules:
        return errors
    from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]  # it has no stubs
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # likewise

    return *errors, Boto3Error, BotoCoreError, ClientError


@contextmanager
def store_of(client: MlflowClient) -> Iterator[None]:
    """Point MLflow's own functions, which know only a global store, at the client's; they write it into the environment."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def recorded(client: MlflowClient, experiment: str, found: Pass) -> str | None:
    """The id of the run that holds this pass, or None when it is not recorded."""
    return find_pass(client, experiment, found.digest)


def find_pass(client: MlflowClient, experiment: str, digest: str) -> str | None:
    """The id of the parent run of the pass of this digest, whole: the tag is set last. Of several the oldest."""
    return next((run.info.run_id for run in runs_with(client, experiment, {RECORDED: digest}, page=1)), None)


def runs_with(client: MlflowClient, experiment: str, tags: dict[str, str], page: int = 200) -> Iterator[Run]:
    """Runs with these tags, the oldest first; as many at once as page says."""
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    order, token = ["attributes.start_time ASC", "attributes.run_id ASC"], None
    while True:
        runs = client.search_runs([experiment], wanted, max_results=page, order_by=order, page_token=token)
        yield from runs
        token = runs.token
        if not token:
            return


def log_batch(
    client: MlflowClient,
    run_id: str,
    *,
    params: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> None:
    """Write parameters and metrics (at step 0), in as few requests as they fit into."""
    from mlflow.entities import Param

    texts = [Param(safe(name), str(value)[:_MAX_PARAM]) for name, value in (params or {}).items()]
    values = points(metrics or {}, 0)
    for part in range(max(-(-len(texts) // 90), -(-len(values) // 900))):  # up to 100 parameters and 1,000 of all
        own = slice(90 * part, 90 * (part + 1)), slice(900 * part, 900 * (part + 1))
        client.log_batch(run_id, params=texts[own[0]], metrics=values[own[1]])


def points(metrics: dict[str, float], step: int) -> list[Metric]:
    """Values at a step, as of now."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(safe(name), float(value), now, step) for name, value in metrics.items()]


def log_points(client: MlflowClient, run_id: str, points: list[Metric]) -> None:
    for start in range(0, len(points), 900):  # one request holds up to 1,000 metrics
        client.log_batch(run_id, metrics=points[start : start + 900])


def set_tags(client: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
    """Write tags, many a request."""
    from mlflow.entities import RunTag

    every = [RunTag(name, value) for name, value in as_tags(tags).items()]
    for start in range(0, len(every), 90):
        client.log_batch(run_id, tags=every[start : start + 90])


def as_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags as MLflow's store accepts them."""
    return {safe(name): value[:_MAX_TAG] for name, value in tags.items()}


def safe(name: str) -> str:
    """A name that MLflow accepts; a longer one ends in a part of its sha256."""
    clean = re.sub(r"[^\w\-. /:]", "_", name)
    return clean if len(clean) <= _MAX_NAME else f"{clean[: _MAX_NAME - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
