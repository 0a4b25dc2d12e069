"""Where everything is: the paths of one checkout, its parameters, its item cache and engine. The only place that knows them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

from onscreen.cache import FileHashes, ItemCache
from onscreen.config import Params, load_params
from onscreen.engine import Engine
from onscreen.errors import InputError
from onscreen.storage import StoredFile
from onscreen.store import write_json

_AGAIN = "DVC takes the stage as done; `dvc repro -f <stage>` tries them again"


@dataclass(frozen=True)
class Workspace:
    """root: the checkout (the folder of params.yaml). home: the main checkout, which DVC names to experiments in worktrees
    ($DVC_ROOT): the item cache, the weights and mlflow.db live there, so that experiments share them."""

    root: Path
    home: Path
    params: Params
    cache_root: Path = field(default=Path())

    @classmethod
    def open(cls, root: Path | None = None) -> Workspace:
        """The workspace of the current folder. Raises ConfigError when params.yaml is missing or wrong."""
        root = (root or Path.cwd()).resolve()
        home = Path(os.environ.get("DVC_ROOT", root)).resolve()
        return cls(root, home, load_params(root / "params.yaml"), home / ".cache" / "onscreen")

    @property
    def raw(self) -> Path:
        """The input folder; a relative data.raw is relative to the checkout."""
        return self.root / self.params.data.raw

    def require_raw(self) -> Path:
        """The input folder; raises InputError that says what is wrong with data.raw and what to do."""
        raw, named = self.raw, self.params.data.raw
        if raw.is_dir():
            return raw
        if raw.exists():
            raise InputError(f"data.raw = {named} is a file: {raw}. It must be a folder of videos.")
        if named.startswith("~"):
            raise InputError(f"data.raw = {named}: ~ is not expanded here. Write the whole path, beginning with /.")
        in_home = self.home / named
        if self.home != self.root and in_home.is_dir():
            raise InputError(
                f"data.raw = {named} is not in this experiment's own checkout ({self.root}), because neither git nor DVC knows its "
                f"files. Run `dvc add {quote(named)}`, commit {named}.dvc, or set data.raw to the absolute path {in_home}"
            )
        raise InputError(f"data.raw = {named}: there is no folder {raw}. Put videos there, or name your folder in params.yaml.")

    @property
    def prepared(self) -> Path:
        return self.root / "data" / "prepared"

    @property
    def faces(self) -> Path:
        return self.root / "data" / "faces"

    @property
    def identities(self) -> Path:
        return self.root / "data" / "identities"

    @property
    def splits(self) -> Path:
        return self.root / "data" / "splits"

    @property
    def voices(self) -> Path:
        return self.root / "data" / "voices"

    @property
    def hq(self) -> Path:
        return self.root / "data" / "hq"

    @property
    def m2p(self) -> Path:
        return self.root / "data" / "m2p"

    @property
    def ledger(self) -> Path:
        return self.root / "data" / "ledger.csv"

    @property
    def overrides(self) -> Path:
        """A person's corrections of identities; `onscreen run` has no such file."""
        return self.root / "data" / "identity_overrides.yaml"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def plots(self, stage: str) -> Path:
        """The folder of a stage's plots."""
        return self.reports / "plots" / stage

    def write_metrics(self, stage: str, metrics: dict[str, Any]) -> None:
        """Write reports/metrics/<stage>.json."""
        write_json(self.reports / "metrics" / f"{stage}.json", metrics)

    @cached_property
    def cache(self) -> ItemCache:
        return ItemCache(self.cache_root / "items")

    @cached_property
    def hashes(self) -> FileHashes:
        return FileHashes(self.cache_root)

    def sha256_of(self, file: StoredFile) -> str:
        """Hex digest of a stored file's bytes, for the key of what is measured of it; the same in either layout."""
        return file.sha256 or self.hashes.sha256(file.path)

    def sha256_of_all(self, files: Sequence[StoredFile]) -> list[str]:
        """The same of many files, faster than one by one."""
        here = [file.path for file in files if not file.sha256]
        known = dict(zip(here, self.hashes.sha256_of_all(here), strict=True))
        return [file.sha256 or known[file.path] for file in files]

    @cached_property
    def engine(self) -> Engine:
        engine = Engine(self.cache, self.params.engine.workers, self.params.engine.item_timeout_s)
        return replace(engine, again=_AGAIN) if (self.root / "dvc.yaml").is_file() else engine
