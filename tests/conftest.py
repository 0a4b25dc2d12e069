"""How many processes run the tests, and what is told at the end of all."""

import os

import pytest

PROCESS_GB = 3  # a process of the tests grows to 2 GB, and starts short-lived others
PLANTED = "planted: "  # before the name of a fault, in what a test records


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which a run of one file does not need
def pytest_xdist_auto_num_workers() -> int:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(1, min(os.cpu_count() or 1, int(memory_gb / PROCESS_GB)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Of the faults planted into a dataset, those found. Reports come here from all processes."""
    recorded = [
        pair for reports in terminalreporter.stats.values() for one in reports for pair in getattr(one, "user_properties", [])
    ]
    planted = {name.removeprefix(PLANTED): found for name, found in recorded if name.startswith(PLANTED)}
    if planted:
        terminalreporter.write_line(f"planted faults found: {sum(planted.values())} of {len(planted)}")
    for name in (name for name, found in planted.items() if not found):
        terminalreporter.write_line(f"  not found: {name}")
