"""Runs a measurement over items in a pool of processes that survives a raise, a crash and a hang of any one of them.

A worker writes its result to the item cache itself; only the verdict travels back. So a killed run goes on where it stopped.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from itertools import islice
from typing import Any

from onscreen.cache import Item, ItemCache
from onscreen.console import log, progress
from onscreen.errors import Rejected
from onscreen.store import require_room

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_WORTH_ANOTHER_TRY = ("failed", "crashed")  # a full memory passes; what took too long takes too long again


@dataclass(frozen=True)
class Job:
    """One item to measure: its cache key and the (picklable) argument of the measurement."""

    key: str
    argument: Any


@dataclass(frozen=True)
class Engine:
    """workers: processes, 0 = one per core. timeout_s: wall time an item may take, from its start. again: how to try what was lost
    once more, in words."""

    cache: ItemCache
    workers: int
    timeout_s: float
    again: str = "The same command tries them again"

    def measure(self, label: str, function: Callable[[Any], Item], jobs: Sequence[Job]) -> Iterator[Item | Rejected]:
        """Yield what function(job.argument) measures, in the order of jobs; from the cache where it is there.

        function: a module-level function; raises Rejected for an item that cannot be measured, and that verdict is cached.
        Any other exception, a crash or a timeout becomes Rejected("failed" | "crashed" | "timed_out"); a full disk raises DiskFull. The first two are tried
        once more after all others, one at a time, because it may have been memory that several workers filled. What is lost
        then is not cached, and a warning says how to try again.
        """
        missing = [job for job in jobs if not self.cache.has(job.key)]
        verdicts = self._verdicts(progress(label, self._run(function, missing, self._most_workers), len(missing), of=len(jobs)))
        lost = [job for job in missing if job.key in verdicts and not self.cache.has(job.key)]
        again = [job for job in lost if verdicts[job.key].code in _WORTH_ANOTHER_TRY]
        if again:
            verdicts |= self._verdicts(progress(f"{label}, once more", self._run(function, again, 1), len(again), of=len(again)))
        self._warn(label, [verdicts[job.key].code for job in lost if not self.cache.has(job.key)])
        for job in jobs:
            found = self.cache.get(job.key) or verdicts.get(job.key)
            yield found if found is not None else self._again(function, job)

    @property
    def _most_workers(self) -> int:
        return self.workers or os.cpu_count() or 1

    def _warn(self, label: str, lost: Sequence[str]) -> None:
        """Say how many items were lost to what may pass, and the way to try again. lost: a reason code each."""
        if lost:
            reasons = ", ".join(f"{count} {code}" for code, count in sorted(Counter(lost).items()))
            log.warning("%s: %d lost (%s). %s", label, len(lost), reasons, self.again)

    def _verdicts(self, results: Iterable[tuple[Job, Rejected | None]]) -> dict[str, Rejected]:
        """Why jobs have no item, by key, all results once taken."""
        return {job.key: verdict for job, verdict in results if verdict is not None}

    def _again(self, function: Callable[[Any], Item], job: Job) -> Item | Rejected:
        """Measure an item whose cached file turned out to be damaged."""
        verdict = next(verdict for _, verdict in self._run(function, [job], 1))
        found = verdict or self.cache.get(job.key)
        return found if found is not None else Rejected("failed", "its measurement could not be stored; is the disk full?")

    def _run(self, function: Callable[[Any], Item], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Rejected | None]]:
        if not jobs:
            return
        from pebble import ProcessPool

        workers = min(workers, len(jobs))
        context = multiprocessing.get_context("spawn")  # torch, onnxruntime and mediapipe do not survive a fork
        saved = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when a worker's libraries load
        try:
            with ProcessPool(max_workers=workers, context=context) as pool:
                waiting: deque[tuple[Job, Future[Rejected | None]]] = deque()
                queue = iter(jobs)

                def submit(job: Job) -> None:
                    call = pool.schedule(_measure, args=[function, job, self.cache], timeout=self.timeout_s)
                    waiting.append((job, call))

                for job in islice(queue, 4 * workers):
                    submit(job)
                while waiting:
                    job, call = waiting.popleft()
                    yield job, self._verdict(call)
                    for following in islice(queue, 1):
                        submit(following)
        finally:
            for name, value in saved.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def _verdict(self, call: Future[Rejected | None]) -> Rejected | None:
        from pebble import ProcessExpired

        try:
            return call.result()
        except TimeoutError:
            return Rejected("timed_out", f"took longer than {self.timeout_s:g} s", {"item_timeout_s": self.timeout_s})
        except ProcessExpired as error:
            return Rejected("crashed", f"the process measuring it died ({error})", {"exit_code": float(error.exitcode or 0)})
        except Exception as error:  # whatever a codec or a model raises about one item must not end the others
            require_room(error)  # but a full disk would lose them one by one
            return Rejected("failed", f"{type(error).__name__}: {error}"[:500])


class InProcess(Engine):
    """Measures in this process, for a server that keeps its models loaded: nothing is started, and nothing ends what crashes or hangs.

    For one thread at a time, as workers are.
    """

    def measure(self, label: str, function: Callable[[Any], Item], jobs: Sequence[Job]) -> Iterator[Item | Rejected]:
        """As Engine.measure; label is told to nobody, and what failed is not tried again."""
        for job in jobs:
            try:
                verdict = None if self.cache.has(job.key) else _measure(function, job, self.cache)
            except Exception as error:  # as in Engine: one item must not end the others
                verdict = Rejected("failed", f"{type(error).__name__}: {error}"[:500])
            found = verdict or self.cache.get(job.key)
            yield found if found is not None else Rejected("failed", "its measurement could not be stored; is the disk full?")


def _measure(function: Callable[[Any], Item], job: Job, cache: ItemCache) -> Rejected | None:
    try:
        item: Item | Rejected = function(job.argument)
    except Rejected as rejected:
        item = rejected
    cache.put(job.key, item)
    return item if isinstance(item, Rejected) else None
