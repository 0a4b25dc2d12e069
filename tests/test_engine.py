"""The pool survives what items do to it, and loses nothing else."""

import os
import time
from pathlib import Path

import pytest

from onscreen.cache import Item, ItemCache
from onscreen.engine import Engine, Job
from onscreen.errors import Rejected


def measure(argument):
    """Behaves as the argument says; the log beside it counts how often it was called."""
    kind, log = argument
    with Path(log).open("a") as file:
        file.write(f"{kind}\n")
    if kind == "reject":
        raise Rejected("too_short", "0.1 s", {"duration_s": 0.1})
    if kind == "raise":
        raise ZeroDivisionError("boom")
    if kind == "abort":
        os.abort()
    if kind == "once" and Path(log).read_text().split().count("once") == 1:
        os.abort()
    if kind == "alone":
        alone(Path(log).with_name("running"))
    if kind == "hang":
        time.sleep(600)
    return Item({"kind": kind, "threads": os.environ["OMP_NUM_THREADS"]})


def alone(running):
    """Fails where another like it is under way, as memory does that has room for one."""
    try:
        running.touch(exist_ok=False)
    except FileExistsError:
        raise MemoryError from None
    time.sleep(0.5)
    running.unlink()


@pytest.fixture
def engine(tmp_path):
    return Engine(ItemCache(tmp_path / "cache"), workers=2, timeout_s=8.0)


def test_one_raise_one_crash_and_one_hang_cost_exactly_themselves(engine, tmp_path):
    kinds = ["good", "raise", "good", "abort", "reject", "hang", *["good"] * 10]
    jobs = [Job(f"{number:02d}", (kind, str(tmp_path / "log"))) for number, kind in enumerate(kinds)]
    found = list(engine.measure("test", measure, jobs))
    codes = [item.code if isinstance(item, Rejected) else item.meta["kind"] for item in found]
    assert codes == ["good", "failed", "good", "crashed", "too_short", "timed_out", *["good"] * 10]
    assert found[0].meta["threads"] == "1"
    assert "ZeroDivisionError: boom" in found[1].detail


def test_what_is_measured_once_is_not_measured_again_and_failures_are(engine, tmp_path):
    log = tmp_path / "log"
    jobs = [Job("aa", ("good", str(log))), Job("bb", ("reject", str(log))), Job("cc", ("raise", str(log)))]
    list(engine.measure("test", measure, jobs))
    list(engine.measure("test", measure, jobs))
    assert sorted(log.read_text().split()) == ["good", *["raise"] * 4, "reject"]  # each time once more


def test_what_crashed_is_tried_once_more_and_kept_when_that_goes_well(engine, tmp_path, caplog):
    jobs = [Job(kind, (kind, str(tmp_path / "log"))) for kind in ("once", "good")]
    found = list(engine.measure("test", measure, jobs))
    assert [item.meta["kind"] for item in found] == ["once", "good"]
    assert "lost" not in caplog.text
    assert next(engine.measure("test", measure, jobs)).meta["kind"] == "once"
    assert (tmp_path / "log").read_text().split().count("once") == 2


def test_the_second_try_is_one_at_a_time(engine, tmp_path):
    jobs = [Job(f"a{number}", ("alone", str(tmp_path / "log"))) for number in range(4)]
    assert [item.meta["kind"] for item in engine.measure("test", measure, jobs)] == ["alone"] * 4


def test_what_is_lost_for_good_is_counted_with_the_way_to_try_again(tmp_path, caplog):
    engine = Engine(ItemCache(tmp_path / "cache"), workers=2, timeout_s=4.0)
    kinds = ["raise", "abort", "hang", "reject", "good"]
    list(engine.measure("voices", measure, [Job(kind, (kind, str(tmp_path / "log"))) for kind in kinds]))
    assert "voices: 3 lost (1 crashed, 1 failed, 1 timed_out)" in caplog.text
    assert "The same command tries them again" in caplog.text
    calls = (tmp_path / "log").read_text().split()
    assert [calls.count(kind) for kind in kinds] == [2, 2, 1, 1, 1]  # what took too long is not waited for twice


def test_a_damaged_item_is_measured_again(engine, tmp_path):
    jobs = [Job("aa", ("good", str(tmp_path / "log")))]
    list(engine.measure("test", measure, jobs))
    next((tmp_path / "cache").rglob("*.npz")).write_bytes(b"rubbish")
    assert next(engine.measure("test", measure, jobs)).meta["kind"] == "good"


def test_nothing_to_do_starts_no_process(engine):
    assert list(engine.measure("test", measure, [])) == []
