"""Plots of both sides: tables that DVC holds, read from the checkout or from DVC's cache, never from a remote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from onscreen.versions.sides import Side

Rows = list[dict[str, float]]


class PlotFiles:
    """The plots of a side. checked_out: whether they may also lie in the checkout itself."""

    def __init__(self, root: Path, side: Side, checked_out: bool) -> None:
        self._root, self._side, self._checked_out = root, side, checked_out

    def rows(self, folder: str, name: str, columns: Sequence[str]) -> Rows | None:
        """These columns of a table in a folder of plots; None where it is not on this machine, [] where it has no such row."""
        text = self._text(folder, name)
        if not text:
            return None if text is None else []
        found = csv.DictReader(io.StringIO(text))
        if not set(columns) <= set(found.fieldnames or ()):
            return []
        return [{column: float(row[column]) for column in columns} for row in found]

    def _text(self, folder: str, name: str) -> str | None:
        """None where it is not on this machine; empty where that side never had such a table."""
        lies = self._root / folder / name
        if self._checked_out and lies.is_file():
            return lies.read_text(encoding="utf-8")
        entry = self._side.entries("outs").get(folder)
        if entry is None:
            return ""
        listed = self._cached(entry.get("md5"))
        if listed is None:
            return None
        md5 = next((entry["md5"] for entry in json.loads(listed) if entry["relpath"] == name), None)
        return "" if md5 is None else self._cached(md5)

    def _cached(self, md5: str | None) -> str | None:
        if md5 is None:
            return None
        path = Path(self._cache.oid_to_path(md5))
        return path.read_text(encoding="utf-8") if path.is_file() else None

    @cached_property
    def _cache(self) -> Any:
        from dvc.repo import Repo

        with Repo(str(self._root)) as repo:
            return repo.cache.local
