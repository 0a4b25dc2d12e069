"""Tables, JSON and folders on disk: written whole or not at all, and the same bytes for the same content."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import itertools
import json
import os
import shutil
import tempfile
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from onscreen.errors import CorruptTable, DiskFull, InputError

Row = TypeVar("Row")

_NO_ROOM = ("No space left on device", "database or disk is full", "Disk quota exceeded")
_GROUP_ROWS = 1 << 16  # rows of a table that are held and written together; 130 MB of embeddings of 512 values

_ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    tuple[str, ...]: pa.list_(pa.string()),
    tuple[float, ...]: pa.list_(pa.float64()),
    tuple[int, ...]: pa.list_(pa.int64()),
    dict[str, float]: pa.map_(pa.string(), pa.float64()),
    np.ndarray: pa.list_(pa.float32()),
}


def schema_of(record: type) -> pa.Schema:
    """The Parquet schema that a record's annotations declare; `X | None` is nullable, everything else is not."""
    fields = []
    for name, kind in typing.get_type_hints(record).items():
        nullable = isinstance(kind, types.UnionType)
        inner = next(arg for arg in kind.__args__ if arg is not type(None)) if nullable else kind
        fields.append(pa.field(name, _ARROW[inner], nullable=nullable))
    return pa.schema(fields)


def write_table(path: Path, record: type[Row], rows: Iterable[Row]) -> None:
    """Write rows as Parquet, atomically. An empty table keeps its schema."""
    with writing_table(path, record) as add:
        for row in rows:
            add(row)


@contextmanager
def writing_table(path: Path, record: type[Row]) -> Iterator[Callable[[Row], None]]:
    """A function that adds a row to a table, which appears, whole, when the block ends well; holds a row group's rows at most."""
    schema = schema_of(record)
    held: list[Row] = []
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:

        def add(row: Row) -> None:
            held.append(row)
            if len(held) == _GROUP_ROWS:
                flush()

        def flush() -> None:
            columns = [pa.array([_to_arrow(getattr(row, field.name)) for row in held], field.type) for field in schema]
            writer.write_table(pa.table(columns, schema))
            held.clear()

        yield add
        if held:
            flush()


def read_table(path: Path, record: type[Row]) -> list[Row]:
    """Read rows written by write_table.

    Raises InputError when the file is missing, CorruptTable when it lacks a column of the record.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist. Run `dvc repro` (or `dvc pull`) to make it.")
    schema = schema_of(record)
    try:
        with pq.ParquetFile(path) as file:  # pq.read_table would load pandas, half a second
            table = file.read()
    except pa.ArrowInvalid as error:
        raise CorruptTable(f"{path} is not a Parquet file: {error}") from error
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise CorruptTable(f"{path} lacks the columns {', '.join(missing)}. It was written by another version: rerun its stage.")
    columns = [_column(schema.field(name).type, table[name]) for name in schema.names]
    return [record(**dict(zip(schema.names, values, strict=True))) for values in zip(*columns, strict=True)]


def _to_arrow(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(value.items())
    return value


def _column(kind: pa.DataType, column: pa.ChunkedArray) -> list[Any]:
    if kind == _ARROW[np.ndarray]:
        return [row for chunk in column.chunks for row in _vectors(chunk)]
    return [_from_arrow(kind, value) for value in column.to_pylist()]


def _vectors(chunk: pa.ListArray) -> list[np.ndarray]:
    """Each row's numbers as a view into the column's memory: a table of 200,000 embeddings would be 25 million Python floats."""
    numbers, ends = np.from_dlpack(chunk.values.cast(pa.float32())), np.from_dlpack(chunk.offsets)  # to_numpy loads pandas
    return [numbers[start:end] for start, end in itertools.pairwise(ends)]


def _from_arrow(kind: pa.DataType, value: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_map(kind):
        return dict(value)
    return tuple(value) if pa.types.is_list(kind) else value


def write_json(path: Path, data: Any) -> None:
    """Write JSON, atomically, sorted and indented so that git diffs read well. NaN and Infinity are errors, not output."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> None:
    """Write a table of text, atomically, lines ended by a line feed. A None is an empty cell; floats read back as they were."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON. Raises InputError when the file is missing, CorruptTable when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Run `dvc repro` (or `dvc pull`) to make it.") from None
    except ValueError as error:
        raise CorruptTable(f"{path} is not JSON: {error}") from error


def as_json(record: Any) -> dict[str, Any]:
    """A record as plain JSON data."""
    return dataclasses.asdict(record)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder that replaces `path` when the block ends well; what was there stays when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".tmp-{path.name}-"))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".old-{path.name}-"))
            path.rename(old / "out")
            temporary.rename(path)
            shutil.rmtree(old)
        else:
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_room(error: Exception) -> None:
    """Raise DiskFull, from the error, where what it says is that no room is left. Libraries say it by number, or only in words."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(text in str(error) for text in _NO_ROOM):
        place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        raise DiskFull(
            f"the disk is full{place}: nothing half-written is left. Free some room (`df -h` shows where there is none; docs/storage.md "
            "says what may be deleted), then run the same command again: it goes on where it stopped."
        ) from error


def require_access(error: Exception) -> None:
    """Raise InputError, from the error, where it says that a file or folder may not be read or written."""
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
        named = getattr(error, "filename", None) or "a file"
        raise InputError(
            f"{named}: {getattr(error, 'strerror', None) or error}. This user must be able to read and write there (`ls -ld`, or `lsattr -d`, "
            "of its folder shows why not); then run the same command again."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
