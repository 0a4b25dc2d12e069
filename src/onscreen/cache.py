"""The item cache: one measured item a file, under a digest of everything that the measurement depends on.

DVC reruns a whole stage when one of its files changes; below it, only items whose key changed are measured again.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import InputError, Rejected
from onscreen.store import atomic_path

PACKAGE = "onscreen"
_NO_PART = {
    f"onscreen.{name}" for name in ("cache", "console", "errors", "storage", "store", "weights")
}  # they carry results, and change none


@dataclass(frozen=True)
class Item:
    """What was measured of one input.

    meta: JSON data. arrays: named arrays of any numeric dtype; files travel as uint8 arrays of their bytes.
    """

    meta: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemCache:
    """Items under root/<kk>/<key>.npz. Safe for several processes: files are written whole and never changed."""

    root: Path

    def has(self, key: str) -> bool:
        """Whether a file lies under the key; only get tells whether it is sound."""
        return self._path(key).is_file()

    def get(self, key: str) -> Item | Rejected | None:
        """The item, the reason why it has none, or None when it was never measured (or its file is damaged)."""
        try:
            with np.load(self._path(key), allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile, OSError):
            return None
        head = json.loads(found.pop("__meta__").tobytes())
        if "rejected" in head:
            return Rejected(**head["rejected"])
        return Item(head["meta"], found)

    def put(self, key: str, item: Item | Rejected) -> None:
        """Store an item, or the reason why it has none, under its key."""
        if isinstance(item, Rejected):
            head: dict[str, Any] = {"rejected": {"code": item.code, "detail": item.detail, "numbers": item.numbers}}
            arrays: dict[str, np.ndarray] = {}
        else:
            head, arrays = {"meta": item.meta}, item.arrays
        text = np.frombuffer(json.dumps(head, allow_nan=False).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, __meta__=text, **arrays)
        with atomic_path(self._path(key)) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.npz"


def item_key(*, inputs: Iterable[str], code: str, params: Mapping[str, Any], weights: Iterable[str] = ()) -> str:
    """The key of a measurement.

    inputs: sha256 of the input bytes (and positions in them, as text). code: from code_digest.
    params: the parameters that this measurement depends on, and no others. weights: sha256 of model files.
    """
    parts = {"inputs": list(inputs), "code": code, "params": dict(params), "weights": list(weights)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def code_digest(module: str, *libraries: str) -> str:
    """sha256 over the source of an onscreen module and those it imports (but for the core's), and the versions of libraries."""
    todo, seen = [module], dict[str, str]()
    while todo:
        name = todo.pop()
        spec = find_spec(name)
        if name in seen or name in _NO_PART or spec is None or spec.origin is None:
            continue
        source = Path(spec.origin).read_text(encoding="utf-8")
        seen[name] = source
        todo += _imports(source)
    versions = [f"{library}=={_version(library)}" for library in sorted(libraries)]
    return hashlib.sha256("\n".join([*(seen[name] for name in sorted(seen)), *versions]).encode()).hexdigest()


def _version(library: str) -> str:
    """Its version; "absent" of a package that only holds weights, where a registered model brings these: the key has their sha256."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


def _imports(source: str) -> list[str]:
    """onscreen modules that a source names in an import, at any depth; `from onscreen.a import b` may name module b."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names if _is_module(node.module, alias.name)]
    return [name for name in names if name.split(".")[0] == PACKAGE]


def _is_module(package: str, name: str) -> bool:
    if package.split(".")[0] != PACKAGE:
        return False
    parent = find_spec(package)  # a plain module has no submodules, and find_spec raises when asked for one
    is_package = parent is not None and parent.submodule_search_locations is not None
    return is_package and find_spec(f"{package}.{name}") is not None


_AT_ONCE = 500  # files between two commits; what a kill costs is hashed again


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileHashes:
    """sha256 of files, computed once per path, size and mtime, remembered in root/hashes.sqlite."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._path = root / "hashes.sqlite"
        with self._connect() as db:
            db.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INT, mtime_ns INT, sha256 TEXT)")

    def sha256(self, path: Path) -> str:
        """Hex digest of the file's bytes. Raises InputError when it cannot be read."""
        try:
            state = path.stat()
            with self._connect() as db:
                query = "SELECT sha256 FROM hashes WHERE path=? AND size=? AND mtime_ns=?"
                row = db.execute(query, (os.path.abspath(path), state.st_size, state.st_mtime_ns)).fetchone()
            if row:
                return str(row[0])
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        with self._connect() as db:
            values = (os.path.abspath(path), state.st_size, state.st_mtime_ns, digest)
            db.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", values)
        return digest

    def sha256_of_all(self, paths: Sequence[Path]) -> list[str]:
        """Hex digests of many files, remembered some hundred at a time: a commit a file costs more than most files do.

        Raises InputError as sha256 does.
        """
        found: list[str] = []
        for start in range(0, len(paths), _AT_ONCE):
            some = [(os.path.abspath(path), path) for path in paths[start : start + _AT_ONCE]]
            query = "SELECT size, mtime_ns, sha256 FROM hashes WHERE path=?"
            with self._connect() as db:
                told = [(name, db.execute(query, (name,)).fetchone()) for name, _ in some]
            known = {(name, row[0], row[1]): str(row[2]) for name, row in told if row}
            try:
                rows = [(name, *_state(path), path) for name, path in some]
                new = {row[:3]: _digest(row[3]) for row in rows if row[:3] not in known}
            except OSError as error:
                raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
            if new:
                with self._connect() as db:
                    values = [(*state, digest) for state, digest in new.items()]
                    db.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", values)
            found += [(known | new)[row[:3]] for row in rows]
        return found

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
