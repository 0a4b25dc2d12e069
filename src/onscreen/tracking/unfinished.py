"""Live runs whose training is over, but whose store was not told: it was gone, or the training was killed.

While a training is recorded, a note lies in <home>/.cache/onscreen-live/<run id>.json with a lock on it, which the system
releases however the process ends. What is left there, unlocked, is told to the store by the next `onscreen track`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from onscreen.tracking.store import set_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

CURVE = "onscreen.curve"  # tag of a training's run: digest of its curve, set when it ended well


class Note:
    """Of one live run, from its beginning to when its store knows the end."""

    def __init__(self, home: Path, run_id: str) -> None:
        self._path = _folder(home) / f"{run_id}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{self._path}.lock")
        self._lock.acquire(timeout=0)
        self._path.write_text("{}", encoding="utf-8")

    def close(self, status: str, tags: Mapping[str, str], told: bool) -> None:
        """The training is over. told: whether the store knows it."""
        if told:
            self._path.unlink(missing_ok=True)
        else:
            ended = {"status": status, "ended_ms": int(time.time() * 1000), "tags": dict(tags)}
            self._path.write_text(json.dumps(ended), encoding="utf-8")
        self._lock.release()
        if told:
            Path(self._lock.lock_file).unlink(missing_ok=True)


def tell_unfinished(client: MlflowClient, home: Path) -> None:
    """Give every live run of this home whose training is over its end. Those of another store wait."""
    for path in sorted(_folder(home).glob("*.json")):
        lock = FileLock(f"{path}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:  # it trains
            continue
        with lock:
            over = _tell(client, path.stem, json.loads(path.read_text(encoding="utf-8") or "{}"))
            if over:
                path.unlink()
            lock.release(force=True)
        if over:
            Path(lock.lock_file).unlink(missing_ok=True)


def _tell(client: MlflowClient, run_id: str, note: dict[str, Any]) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if not note:  # killed: it lived at least until it wrote its last value
        points = client.get_metric_history(run_id, "train_loss")
        client.set_terminated(run_id, "KILLED", end_time=max((point.timestamp for point in points), default=None))
        return True
    set_tags(client, run_id, note["tags"])
    client.set_terminated(run_id, note["status"], end_time=note["ended_ms"])
    return True


def _folder(home: Path) -> Path:
    return home / ".cache" / "onscreen-live"
