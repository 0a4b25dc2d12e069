"""What one bad item costs. Run: python benchmarks/isolation.py

60 items; item 10 raises, item 20 aborts its process, item 30 hangs. The engine with a time limit an item, beside the standard library's
ProcessPoolExecutor (which has no limit an item: it is given the same seconds for all), two workers each, in one run.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from onscreen.cache import Item, ItemCache
from onscreen.engine import Engine, Job
from onscreen.errors import Rejected

_ITEMS, _RAISES, _ABORTS, _HANGS = 60, 10, 20, 30
_LIMIT_S, _WORKERS = 10.0, 2


def measure(number: int) -> Item:
    """What an item may do to the process that measures it."""
    if number == _RAISES:
        raise ValueError("this item is broken")
    if number == _ABORTS:
        os.abort()
    if number == _HANGS:
        time.sleep(3600)
    return Item({"number": number})


def with_engine() -> dict[int, str]:
    """Item -> its verdict, from the engine."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(ItemCache(Path(folder)), _WORKERS, _LIMIT_S)
        found = engine.measure("items", measure, [Job(f"{number:064d}", number) for number in range(_ITEMS)])
        return {number: item.code if isinstance(item, Rejected) else "done" for number, item in enumerate(found)}


def with_standard_pool() -> dict[int, str]:
    """The same from ProcessPoolExecutor."""
    pool = ProcessPoolExecutor(_WORKERS, multiprocessing.get_context("spawn"))
    calls = {number: pool.submit(measure, number) for number in range(_ITEMS)}
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline and any(not call.done() for call in calls.values()):
        wait(calls.values(), timeout=0.2, return_when=FIRST_EXCEPTION)
    verdicts = {number: "no answer" if not call.done() else _verdict(call.result) for number, call in calls.items()}
    for process in multiprocessing.active_children():
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
    return verdicts


def _verdict(result: Callable[[], Item]) -> str:
    try:
        result()
    except BrokenProcessPool:
        return "lost with the pool"
    except ValueError:
        return "failed"
    return "done"


def rows() -> Iterator[str]:
    """A line of the table for each way."""
    for name, way in (("onscreen's engine", with_engine), ("ProcessPoolExecutor", with_standard_pool)):
        started = time.monotonic()
        verdicts = way()
        seconds = time.monotonic() - started
        lost = Counter(verdict for verdict in verdicts.values() if verdict != "done")
        named = ", ".join(f"{count} {verdict}" for verdict, count in sorted(lost.items()))
        yield f"| {name} | {len(verdicts) - lost.total()} | {named} | {seconds:.1f} |"


if __name__ == "__main__":
    print(f"{_ITEMS} items, {_WORKERS} workers, {_LIMIT_S:g} s an item\n")
    print("| way | done | not done | seconds |\n|---|---|---|---|")
    for row in rows():
        print(row, flush=True)
