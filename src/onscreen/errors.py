"""The exceptions of onscreen.

OnscreenError
├── ConfigError         params.yaml or an option: names the key, the value and what is allowed   (exit 2)
├── InputError          a folder or file that was asked for is not there or not readable         (exit 2)
├── NothingUsable       input was found, and none of it could be used                            (exit 2)
├── WeightsError        a model file is missing or is not the file its sha256 names              (exit 1)
├── MixedModelsError    a table holds embeddings of two models                                   (exit 1)
├── CorruptTable        a table on disk does not have the columns its record asks for            (exit 1)
├── ToolError           a program that was called (pip, git, dvc) failed                         (exit 1)
├── DiskFull            a disk or a quota has no room left; nothing half-written stays           (exit 1)
└── Rejected            one item cannot be measured; becomes a row of rejects.parquet, never an exit
"""

from __future__ import annotations

from collections.abc import Mapping


class OnscreenError(Exception):
    """Base of every error that a user can cause; its message names the thing, what is allowed, the next step."""

    exit_code = 1


class ConfigError(OnscreenError):
    """A parameter or an option has a wrong name, type or value."""

    exit_code = 2


class InputError(OnscreenError):
    """A folder or a file that the command needs is missing or unreadable."""

    exit_code = 2


class NothingUsable(OnscreenError):
    """Every item of the input was rejected."""

    exit_code = 2


class WeightsError(OnscreenError):
    """A model file is missing or has another sha256 than the one on record."""


class MixedModelsError(OnscreenError):
    """Embeddings of two models stand in one table; their distances mean nothing."""


class CorruptTable(OnscreenError):
    """A table lacks columns that its record declares."""


class ToolError(OnscreenError):
    """A program that onscreen called failed."""


class DiskFull(OnscreenError):
    """A disk, or a quota, has no room left."""


class Rejected(OnscreenError):
    """One item cannot be measured, for a reason that has a name.

    code: snake_case reason, stable across versions (it is counted in metrics).
    detail: one sentence for a person.
    numbers: what was measured and what was asked for, e.g. {"duration_s": 0.5, "min_clip_s": 1.0}.
    """

    def __init__(self, code: str, detail: str, numbers: Mapping[str, float] | None = None) -> None:
        super().__init__(code, detail, dict(numbers or {}))  # args hold all three, so that it survives pickling
        self.code = code
        self.detail = detail
        self.numbers = dict(numbers or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
