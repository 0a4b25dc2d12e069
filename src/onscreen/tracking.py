"""MLflow: training logs its curves live, and every pass is recorded once, also one that DVC skipped.

The store is sqlite:///<home>/mlflow.db (home: the main checkout, also for experiments in worktrees) unless
MLFLOW_TRACKING_URI names another.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from onscreen.console import log
from onscreen.errors import ToolError
from onscreen.lineage import Pass, experiment_passes, flatten, params_digest, require_up_to_date, workspace_pass
from onscreen.store import read_json
from onscreen.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.models import ModelSignature

EXPERIMENT = "onscreen"
RECORDED = "onscreen.pass"
MD5 = "onscreen.md5"
MODELS = {"models/face_voice": "onscreen-face-voice", "models/hq": "onscreen-hq"}
SERVING = [
    "torch",
    "safetensors",
    "numpy",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "pyarrow",
    "rich",
    "lightning-fabric",
    "mlflow",
    "transformers",
]
_WATCHED_S = 2.0  # between writings of a curve; one takes about 10 ms
_MAX_PARAM = 6000  # characters of a parameter's value that MLflow's store accepts

Log = Callable[[dict[str, float], int], None]


@contextmanager
def training_run(workspace: Workspace, stage: str, params: dict[str, Any], every_s: float = _WATCHED_S) -> Iterator[Log]:
    """An MLflow run for one training; yields log(metrics, step). Curves can be watched: what was logged is written with the
    first call that is every_s after the last writing, so epochs of milliseconds do not wait for the store, and slow ones are
    written one by one.

    A training that raises leaves a run with status FAILED, and all that it logged. One that is killed loses up to every_s of its
    curve; the run that goes on with it logs all epochs again.
    """
    client, experiment = connect(workspace.home)
    tags = {"onscreen.kind": "training", "onscreen.stage": stage, "onscreen.params": params_digest(params), **_dvc_tags()}
    run = client.create_run(experiment, run_name=" ".join([stage, os.environ.get("DVC_EXP_NAME", "")]).strip(), tags=tags)
    _log_batch(client, run.info.run_id, params=dict(flatten(params)))
    waiting: list[Metric] = []
    written = -math.inf

    def write() -> None:
        nonlocal written
        _log_points(client, run.info.run_id, waiting)
        waiting.clear()
        written = time.monotonic()

    def log_epoch(metrics: dict[str, float], step: int) -> None:
        waiting.extend(_points(metrics, step))
        if time.monotonic() - written >= every_s:
            write()

    try:
        yield log_epoch
    except BaseException:
        write()
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    write()
    client.set_terminated(run.info.run_id, "FINISHED")


def track(workspace: Workspace) -> int:
    """Record every pass that MLflow does not know yet: those of experiments, then the checkout's. Returns how many were new.

    Only the checkout's models are registered: an experiment's lie in DVC's cache until `dvc exp apply` brings them here.
    Raises InputError or ToolError, after the experiments, when the checkout holds no pass or is not up to date.
    """
    from filelock import FileLock

    client, experiment = connect(workspace.home)
    with FileLock(workspace.home / ".cache" / "track.lock"):
        new = [found for found in experiment_passes(workspace.root) if _record(client, experiment, found, workspace)]
        here = workspace_pass(workspace.root)
        if not _recorded(client, experiment, here):
            require_up_to_date(workspace.root)
            _record(client, experiment, here, workspace)
            new.append(here)
        register(client, experiment, here, workspace.root)
    return len(new)


def _recorded(client: MlflowClient, experiment: str, found: Pass) -> str | None:
    """The id of the run that holds this pass, whole: its tag is set last."""
    runs = client.search_runs([experiment], f"tags.`{RECORDED}` = '{found.digest}'", max_results=1)
    return runs[0].info.run_id if runs else None


def _record(client: MlflowClient, experiment: str, found: Pass, workspace: Workspace) -> bool:
    if _recorded(client, experiment, found):
        return False
    tags = {"onscreen.kind": "pass", "onscreen.params": params_digest(found.params)}
    tags |= {"DVC_EXP_NAME": found.name, "DVC_EXP_BASELINE_REV": found.baseline}
    tags |= {f"md5.{_safe(path)}": md5 for path, md5 in found.md5s().items()}
    run = client.create_run(experiment, run_name=f"pass {found.name}, from {found.baseline[:7]}", tags=tags)
    run_id = run.info.run_id
    numbers = {name: value for name, value in flatten(found.metrics) if isinstance(value, int | float)}
    _log_batch(client, run_id, params=dict(flatten(found.params)), metrics=numbers)
    client.log_dict(run_id, found.metrics, "metrics.json")
    client.log_dict(run_id, found.lock, "dvc.lock.json")
    if found.name == "workspace" and (workspace.reports / "report.html").is_file():
        client.log_artifact(run_id, str(workspace.reports / "report.html"))
    client.set_tag(run_id, RECORDED, found.digest)
    client.set_terminated(run_id, "FINISHED")
    return True


def register(client: MlflowClient, experiment: str, found: Pass, root: Path) -> None:
    """Register the checkout's models, one version for each content of a model's folder."""
    md5s = found.md5s()
    for path, name in MODELS.items():
        if path not in md5s or not any((root / path).glob("*.safetensors")):
            log.info("%s: no weights, nothing to register", path)
            continue
        versions = client.search_model_versions(f"name = '{name}'")
        if any(known.tags.get(MD5) == md5s[path] for known in versions):
            continue
        run_id = _recorded(client, experiment, found)
        if run_id is None:
            raise ToolError("this pass is not recorded in MLflow; run `onscreen track`")
        with _store_of(client):
            number = _log_model(run_id, root, path, name)
        client.set_model_version_tag(name, number, MD5, md5s[path])
        log.info("%s: registered as %s, version %s", path, name, number)


@contextmanager
def _store_of(client: MlflowClient) -> Iterator[None]:
    """Point MLflow's own functions, which know only a global store, at the client's; they write it into the environment."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _log_model(run_id: str, root: Path, path: str, name: str) -> str:
    """Log the folder and onscreen's own code as a pyfunc; it loads with pickle forbidden."""
    import mlflow

    package = Path(__file__).parent
    private = shutil.ignore_patterns("last", "rejects.parquet")  # what only resuming needs, and what names clips and people
    advice = (
        io.StringIO()
    )  # MLflow asks for an input example and type hints, past every filter; the signature says what they would
    with mlflow.start_run(run_id=run_id), TemporaryDirectory() as folder, contextlib.redirect_stderr(advice):
        shutil.copytree(root / path, Path(folder) / "model", ignore=private)
        logged = mlflow.pyfunc.log_model(
            name=path.split("/")[1],
            python_model=str(package / "matching" / "serving.py"),
            artifacts={"model": str(Path(folder) / "model")},
            code_paths=[str(package)],
            signature=_signature(read_json(root / path / "config.json")),
            pip_requirements=[f"{library}=={version(library).split('+')[0]}" for library in SERVING],
            registered_model_name=name,
        )
    return str(logged.registered_model_version)


def _signature(config: dict[str, Any]) -> ModelSignature:
    """Columns face and voice in, similarity out; a spectrogram is an array of arrays, a picture one of these."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    vector = Array(DataType.double)
    cells = {"mel": Array(vector), "flatten": Array(vector), "hf_face": Array(Array(Array(DataType.long)))}
    face, voice = (cells.get(config[tower]["kind"], vector) for tower in ("face_tower", "voice_tower"))
    inputs = Schema([ColSpec(face, "face"), ColSpec(voice, "voice")])
    return ModelSignature(inputs, Schema([ColSpec(DataType.float, "similarity")]))


def connect(home: Path) -> tuple[MlflowClient, str]:
    """A client of the tracking store and the id of onscreen's experiment; both are made where they do not exist.

    Raises ToolError when the store that MLFLOW_TRACKING_URI names does not answer.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # MLflow's own 7 wait minutes for a server that is not there
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    from filelock import FileLock
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    path = home / "mlflow.db"
    (home / ".cache").mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".cache" / "mlflow.lock"):  # several processes on a fresh database crash each other
        try:
            client = MlflowClient(tracking_uri=uri or f"sqlite:///{path}")
            experiment = client.get_experiment_by_name(EXPERIMENT)
        except MlflowException as error:
            raise ToolError(f"MLflow's store {uri or path} does not answer: {str(error)[:300]}") from error
        if experiment is None:
            place = None if uri else (home / "mlartifacts").as_uri()
            experiment = client.get_experiment(client.create_experiment(EXPERIMENT, artifact_location=place))
            if uri is None:
                with contextlib.closing(sqlite3.connect(path)) as db:
                    db.execute("PRAGMA journal_mode=WAL")  # readers, such as the UI, do not block a training that writes
    return client, experiment.experiment_id


def _log_batch(
    client: MlflowClient,
    run_id: str,
    *,
    params: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> None:
    from mlflow.entities import Param

    texts = [Param(_safe(name), str(value)[:_MAX_PARAM]) for name, value in (params or {}).items()]
    _log_points(client, run_id, _points(metrics or {}, 0))
    for start in range(0, len(texts), 90):  # and up to 100 parameters
        client.log_batch(run_id, params=texts[start : start + 90])


def _points(metrics: dict[str, float], step: int) -> list[Metric]:
    """Values at a step, as of now."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(_safe(name), float(value), now, step) for name, value in metrics.items()]


def _log_points(client: MlflowClient, run_id: str, points: list[Metric]) -> None:
    for start in range(0, len(points), 900):  # one request holds up to 1,000 metrics
        client.log_batch(run_id, metrics=points[start : start + 900])


def _safe(name: str) -> str:
    """A name that MLflow accepts."""
    return re.sub(r"[^\w\-. /:]", "_", name)


def _dvc_tags() -> dict[str, str]:
    return {name: os.environ[name] for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV") if name in os.environ}
