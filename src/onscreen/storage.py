"""The image and audio files of a stage: a file each, or many in tar shards. Who reads them cannot tell which.

    folders   extracted_faces/vid_1.jpg, extracted_faces/vid_2.jpg, ...
    shards    extracted_faces/00000.tar, extracted_faces/00001.tar, ... and files.parquet, one row a file (ShardRow)

Tables name a file alike in both ("extracted_faces/vid_1.jpg"). A shard is a plain tar that holds its files under these names, so that
unpacking all shards in one place gives the folders. The same files in the same order give the same bytes: headers hold no time and
no user. Where a shard ends is up to the names of its files (_Shards), so that one new file changes a shard or two, and not all that
follow; DVC pushes only those.
"""

from __future__ import annotations

import hashlib
import tarfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from onscreen.errors import CorruptTable, InputError
from onscreen.store import read_table, write_table

SHARD_BYTES = 256 * 2**20  # no shard is larger, unless one file is; few enough for DVC, small enough to send again
INDEX = "files.parquet"
_FOLDERS = 2  # shards lie in the folder of their files, this deep at most: a tree with a folder a person gets no shard a person

Save = Callable[[str, bytes], None]


@dataclass(frozen=True)
class ShardRow:
    """Where a file lies: files.parquet. name: as tables name it, POSIX. shard: the tar, relative to the table.

    offset, size: bytes of the file in the tar. sha256: of these bytes.
    """

    name: str
    shard: str
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredFile:
    """A file to read, here or in another process. path: the file itself, or the shard that holds it where row says so."""

    path: Path
    row: ShardRow | None = None

    @property
    def name(self) -> str:
        """Without its folders."""
        return self.row.name.rpartition("/")[2] if self.row else self.path.name

    @property
    def sha256(self) -> str | None:
        """Of its bytes, where a shard's index knows it."""
        return self.row.sha256 if self.row else None

    def read(self) -> bytes:
        """Its bytes. Raises InputError when it is not there, CorruptTable when the shard holds other bytes in its place."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.row.offset if self.row else 0)
                data = file.read(self.row.size if self.row else -1)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}. `dvc repro` (or `dvc pull`) makes it.") from error
        if self.row and hashlib.sha256(data).hexdigest() != self.row.sha256:
            raise CorruptTable(f"{self.row.shard} does not hold {self.row.name} as {INDEX} says. `dvc checkout` restores it.")
        return data


@dataclass(frozen=True)
class Stored:
    """The files of one folder that a stage wrote, in either layout; what lies there tells which, not params.yaml."""

    folder: Path

    def file(self, name: str) -> StoredFile:
        """Where a file lies. Raises InputError when there is none of this name, CorruptTable when a shard is cut off."""
        row = None if self._rows is None else self._rows.get(name)
        found = StoredFile(self.folder / (row.shard if row else name), row)
        if row is None and (self._rows is not None or not found.path.is_file()):
            raise InputError(f"{self.folder / name} does not exist. Run `dvc repro` (or `dvc pull`) to make it.")
        return found

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises as file and StoredFile.read do."""
        return self.file(name).read()

    def names(self, prefix: str = "") -> list[str]:
        """The names that begin with prefix, sorted. In folders, those of tables beside the files are among them."""
        if self._rows is not None:
            start = bisect_left(self._sorted, prefix)
            end = bisect_right(self._sorted, prefix, lo=start, key=lambda name: name[: len(prefix)])
            return self._sorted[start:end]
        paths = (self.folder / prefix.rpartition("/")[0]).rglob("*")
        found = (path.relative_to(self.folder).as_posix() for path in paths if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    @cached_property
    def _rows(self) -> dict[str, ShardRow] | None:
        """Rows by name; None where every file lies by itself."""
        if not (self.folder / INDEX).is_file():
            return None
        rows = read_table(self.folder / INDEX, ShardRow)
        for shard, end in {row.shard: row.offset + row.size for row in rows}.items():  # rows are in order: the last one counts
            path = self.folder / shard
            if not path.is_file():
                raise InputError(f"{path} does not exist. Run `dvc repro` (or `dvc pull`) to make it.")
            if path.stat().st_size < end:
                raise CorruptTable(f"{path} is cut off: {path.stat().st_size} of {end} bytes. `dvc checkout` restores it.")
        return {row.name: row for row in rows}

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._rows or ())


@contextmanager
def storing(folder: Path, layout: str, shard_bytes: int = SHARD_BYTES) -> Iterator[Save]:
    """A function that stores the bytes of one file under its name, "folder/file.ending", below an empty folder.

    layout: params' storage.layout, folders or shards. Raises FileExistsError for a name that was there before.
    """
    if layout == "folders":
        yield lambda name, data: _save_file(folder / name, data)
        return
    shards = _Shards(folder, shard_bytes)
    try:
        yield shards.save
    finally:
        shards.close()
    write_table(folder / INDEX, ShardRow, shards.rows.values())


def _save_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)


@dataclass
class _Open:
    """The shard that is being written in one folder."""

    number: int
    file: BinaryIO
    size: int = 0
    full: bool = False

    def close(self) -> None:
        self.file.write(b"\0" * 2 * tarfile.BLOCKSIZE)  # the end of a tar
        self.file.close()


class _Shards:
    """Appends files to the shard of their folder, and begins another where one is full.

    It is full before it grows beyond shard_bytes, or from a quarter of that on after a file whose name's digest is a small number:
    small enough by chance once in another quarter, whatever the sizes of files. Most ends stay where they are when files come or go.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.rows: dict[str, ShardRow] = {}
        self._folder, self._most, self._quarter = folder, shard_bytes, shard_bytes / 4
        self._shards: dict[str, _Open] = {}

    def save(self, name: str, data: bytes) -> None:
        if name in self.rows:
            raise FileExistsError(f"{self._folder / name} is there already")
        place = "/".join(name.split("/")[:-1][:_FOLDERS])
        header = _header(name, len(data))
        padding = b"\0" * (-len(data) % tarfile.BLOCKSIZE)
        shard = self._room(place, len(header) + len(data) + len(padding))
        offset = shard.size + len(header)
        shard.file.write(header + data + padding)
        shard.size = offset + len(data) + len(padding)
        shard.full = shard.size >= self._quarter and _chance(name) < len(data) / self._quarter
        self.rows[name] = ShardRow(name, _shard_name(place, shard.number), offset, len(data), hashlib.sha256(data).hexdigest())

    def close(self) -> None:
        """End the shards that are still being written."""
        for shard in self._shards.values():
            shard.close()

    def _room(self, place: str, size: int) -> _Open:
        """The shard to append to."""
        shard = self._shards.get(place)
        if shard and not shard.full and shard.size + size <= self._most:
            return shard
        number = shard.number + 1 if shard else 0
        if shard:
            shard.close()
        path = self._folder / _shard_name(place, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._shards[place] = _Open(number, path.open("xb"))
        return self._shards[place]


def _shard_name(place: str, number: int) -> str:
    return f"{place}/{number:05d}.tar" if place else f"{number:05d}.tar"


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)  # mode 0644; no time, no user
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def _chance(name: str) -> float:
    """From 0 to below 1, the same for the same name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
