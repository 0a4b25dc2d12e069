"""First use: functions that compile wait for other processes once, and never for themselves."""

from multiprocessing import get_context
from time import monotonic, sleep

from onscreen.motion.first_use import one_process_at_first


@one_process_at_first
def inner(value: int) -> int:
    return value + 1


@one_process_at_first
def outer(value: int) -> int:
    return inner(value) * 2


@one_process_at_first
def slow(_: int) -> tuple[float, float]:
    start_s = monotonic()
    sleep(0.3)
    return start_s, monotonic()


def test_a_function_may_call_another_and_results_come_through() -> None:
    assert [outer(1), outer(2), inner(3)] == [4, 6, 4]


def test_the_first_calls_of_two_processes_do_not_overlap() -> None:
    with get_context("spawn").Pool(2) as pool:
        (_, first_end_s), (second_start_s, _) = sorted(pool.map(slow, range(2), chunksize=1))
    assert second_start_s >= first_end_s
