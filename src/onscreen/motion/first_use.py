"""librosa compiles some of its functions when they are first used, and keeps them beside its sources for all processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from filelock import FileLock

Given = ParamSpec("Given")
Result = TypeVar("Result")


def one_process_at_first(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function, whose first call in a process waits until no other process is in its first call.

    Two processes that compile the same function of librosa at once, as two workers after an installation do, end in a segmentation
    fault (numba 0.68: in 4 of 4 tries).
    """
    used = False

    @wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        nonlocal used
        if used:
            return function(*args, **kwargs)
        with _lock():
            result = function(*args, **kwargs)
        used = True
        return result

    return call


@cache
def _lock() -> FileLock:
    """One for all functions, so that one may call another. 0o666: other people on the machine may share the installation."""
    return FileLock(Path(tempfile.gettempdir()) / "onscreen-librosa.lock", mode=0o666)
