"""A training is recorded while it runs, and is never held up or failed by the store that records it."""

import json
import logging
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from e2e.servers import Program, free_ports
from onscreen.config import Params, Tracking
from onscreen.errors import ToolError
from onscreen.tracking.curves import curve_digest, curve_of
from onscreen.tracking.live import training_run
from onscreen.tracking.store import KIND, connect, log_batch
from onscreen.tracking.unfinished import CURVE, Note, tell_unfinished
from onscreen.workspace import Workspace


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A store with its tables, which take seconds to make."""
    home = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect(home)
    return home / "mlflow.db"


@pytest.fixture
def work(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(tmp_path, tmp_path, Params(), tmp_path / ".cache" / "onscreen")


@pytest.fixture
def ready(work, database):
    """A workspace whose store is there."""
    shutil.copy(database, work.home / "mlflow.db")
    return work


def runs_of(work):
    client, experiment = connect(work.home)
    return client, client.search_runs([experiment])


def points_of(client, run, name="train_loss"):
    return {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)}


def test_a_run_says_where_it_ran_and_names_no_machine(ready, monkeypatch):
    import torch  # trainings have it loaded

    assert torch
    monkeypatch.setenv("DVC_EXP_NAME", "bigger")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "a" * 40)
    with training_run(ready, "train_hq", {"learning_rate": 1e-4, "face_tower": f"hf:{ready.root}/vit"}) as log:
        log({"train_loss": 1.0}, 0)
    _, (run,) = runs_of(ready)
    tags = run.data.tags
    assert (tags["DVC_EXP_NAME"], tags["DVC_EXP_BASELINE_REV"], tags[KIND]) == ("bigger", "a" * 40, "training")
    assert {"machine.python", "machine.cores", "machine.memory_gb", "machine.gpu", "version.torch", "onscreen.params"} <= set(
        tags
    )
    assert run.data.params["train_hq.learning_rate"] == "0.0001"
    everything = json.dumps([tags, run.data.params, run.info.user_id])
    assert str(ready.root) not in everything
    assert socket.gethostname() not in everything
    assert "hf:outside-" in run.data.params["train_hq.face_tower"]


def test_with_tracking_off_nothing_is_written(work):
    off = replace(work, params=Params(tracking=Tracking(enabled=False)))
    with training_run(off, "train_hq", {}) as log:
        log({"train_loss": 1.0}, 0)
    assert list(work.home.iterdir()) == []


def test_the_curve_in_history_json_is_the_one_that_was_logged(ready):
    rows = [{"train_loss": 1 / (epoch + 3), "learning_rate": 1e-4, "temperature": 0.07} for epoch in range(4)]
    with training_run(ready, "train_hq", {}) as log:
        for epoch, row in enumerate(rows):
            log(row, epoch)
    _, (run,) = runs_of(ready)
    names = ("train_loss", "val_loss", "learning_rate", "temperature")
    stored = json.loads(json.dumps({"status": "ok"} | {name: [row.get(name) for row in rows] for name in names}))
    assert run.data.tags[CURVE] == curve_digest(curve_of(stored)) != curve_digest(rows[:3])


@pytest.mark.parametrize("broken", ["no server", "deaf server", "no database", "file in the way", "broken file"])
def test_a_store_that_cannot_be_used_costs_a_training_one_line(work, monkeypatch, caplog, broken):
    (port,) = free_ports(1)
    deaf = socket.create_server(("127.0.0.1", 0))
    addresses = {
        "no server": f"http://user:secret@127.0.0.1:{port}",
        "deaf server": f"http://user:secret@127.0.0.1:{deaf.getsockname()[1]}",
        "no database": f"postgresql://user:secret@127.0.0.1:{port}/mlflow",
    }
    if broken in addresses:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", addresses[broken])
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    elif broken == "file in the way":
        (work.home / ".cache").write_text("a file")
    else:
        (work.home / "mlflow.db").write_text("no database, but as long as one would be\n" * 100)
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING), training_run(work, "train_hq", {}, every_s=0.0) as log:
        for epoch in range(50):
            log({"train_loss": 1.0}, epoch)
    assert time.monotonic() - begin < 30
    told = [record.message for record in caplog.records if record.name == "onscreen"]
    assert len(told) == 1, told
    assert "train_hq goes on" in told[0]
    assert "onscreen track" in told[0]
    assert "secret" not in caplog.text
    if broken in addresses:
        with pytest.raises(ToolError, match="Nothing is lost") as error:
            connect(work.home)
        assert "127.0.0.1" in str(error.value)
        assert "secret" not in str(error.value)
    deaf.close()


def test_a_server_that_is_killed_in_the_middle_neither_fails_nor_holds_up_a_training(work, monkeypatch, caplog):
    (port,) = free_ports(1)
    store = ["--backend-store-uri", f"sqlite:///{work.home}/server.db", "--artifacts-destination", work.home / "artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    server = Program(command, port, work.home / "server.log", {"MLFLOW_DISABLE_TELEMETRY": "true"})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    rows = [{"train_loss": 1 / (epoch + 1)} for epoch in range(40)]
    with server, training_run(work, "train_hq", {"epochs": 40}, every_s=0.0) as log:
        for epoch, row in enumerate(rows):
            if epoch == 10:
                server.stop()
                begin = time.monotonic()
            log(row, epoch)
    assert time.monotonic() - begin < 20
    assert [record.message for record in caplog.records if "goes on" in record.message]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work.home}/server.db")  # the same store, sooner than another server
    client, (run,) = runs_of(work)
    assert (run.info.status, len(points_of(client, run))) == ("RUNNING", 10)
    tell_unfinished(client, work.home)
    run = client.get_run(run.info.run_id)
    assert (run.info.status, run.data.tags[CURVE]) == ("FINISHED", curve_digest(rows))
    assert run.info.end_time >= run.info.start_time
    assert list((work.home / ".cache" / "onscreen-live").iterdir()) == []


def test_a_training_that_is_killed_does_not_run_for_ever(ready):
    code = (
        "import os, sys; from pathlib import Path; from onscreen.config import Params; from onscreen.workspace import Workspace\n"
        "from onscreen.tracking.live import training_run; root = Path(sys.argv[1]); work = Workspace(root, root, Params(), root)\n"
        "with training_run(work, 'train_hq', {}) as log: log({'train_loss': 1.0}, 0); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(ready.root)], check=False).returncode == -9
    with training_run(ready, "train_hq", {}) as log:
        log({"train_loss": 1.0}, 0)
        client, runs = runs_of(ready)
        assert [run.info.status for run in runs] == ["RUNNING", "RUNNING"]
        tell_unfinished(client, ready.home)
        assert sorted(run.info.status for run in runs_of(ready)[1]) == ["KILLED", "RUNNING"]  # the other one does train
    assert sorted(run.info.status for run in runs_of(ready)[1]) == ["FINISHED", "KILLED"]


def test_what_another_store_has_to_be_told_waits_for_it(ready):
    Note(ready.home, "f" * 32).close("FINISHED", {CURVE: "x"}, told=False)
    client, _ = runs_of(ready)
    tell_unfinished(client, ready.home)
    assert (ready.home / ".cache" / "onscreen-live" / f"{'f' * 32}.json").is_file()


def test_names_and_values_of_any_length_and_number_are_accepted(ready):
    client, experiment = connect(ready.home)
    run = client.create_run(experiment).info.run_id
    params = {f"{'p' * 300}{number}": "v" * 7000 for number in range(3)} | {f"param {number}": number for number in range(205)}
    metrics = {f"{'m' * 300}{number}": number for number in range(3)} | {f"metric {number}": number for number in range(1900)}
    log_batch(client, run, params=params, metrics=metrics)
    data = client.get_run(run).data
    assert (len(data.params), len(data.metrics)) == (208, 1903)
