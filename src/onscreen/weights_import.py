"""Model files from a folder that a person brought, for machines that reach no host. Files are known by their names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from onscreen import weights
from onscreen.errors import InputError, WeightsError
from onscreen.weights import Model
from onscreen.weights_fetch import alone, open_zip, put, require_model

_ARCHIVES = {".zip", ".whl"}


@dataclass(frozen=True)
class Copy:
    """A file that has the name of a model file. member: its path inside the archive at `path`; None when it lies openly."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.member} in {self.path}" if self.member else str(self.path)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its content. Raises WeightsError when it cannot be read."""
        try:
            if self.member is None:
                with self.path.open("rb") as opened:
                    yield opened
            else:
                with open_zip(self.path) as archive, archive.open(self.member) as opened:
                    yield opened
        except OSError as error:
            raise WeightsError(f"cannot be read: {error}") from error

    def sha256(self) -> str:
        """Raises WeightsError when it cannot be read or certainly is no model."""
        state, begin = hashlib.sha256(), b""
        with self.open() as opened:
            while chunk := opened.read(1 << 20):
                begin = begin or chunk[:64]
                state.update(chunk)
        require_model(begin, "it")
        return state.hexdigest()


@dataclass
class Imported:
    """What `import_folder` found. taken: (model, file, from). refused: (file, where it lies, why). missing: (model, file).

    failed: of some file there were only copies that were refused, or a zip that the catalogue names is broken.
    """

    taken: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False


def import_folder(folder: Path) -> Imported:
    """Take the model files that lie anywhere below the folder, in zips and wheels too; each is checked, or pinned.

    folder: may also be one file. Raises InputError when it does not exist; WeightsError when nothing there has a model file's name.
    """
    if not folder.exists():
        raise InputError(f"{folder} does not exist. Name a folder that holds model files, or zips of them.")
    result = Imported()
    copies = _search(folder, result)
    if not copies and not result.refused:
        raise WeightsError(f"no model file found in {folder}. Files are known by their names: {', '.join(sorted(_wanted()))}")
    result.failed |= not copies
    with alone():
        for entry in weights.catalogue().values():
            for file in entry.files if not entry.package else ():
                _take(entry, file, copies.get(file, []), result)
    return result


def _search(folder: Path, result: Imported) -> dict[str, list[Copy]]:
    """file name -> its copies, those that lie openly first. An archive that cannot be read is refused."""
    wanted = _wanted()
    paths = [folder] if folder.is_file() else sorted(Path(top) / name for top, _, names in os.walk(folder) for name in names)
    found = [Copy(path) for path in paths if path.name in wanted]
    for path in paths:
        if path.suffix.lower() in _ARCHIVES:
            try:
                with open_zip(path) as archive:
                    found += [Copy(path, name) for name in archive.namelist() if PurePosixPath(name).name in wanted]
            except (WeightsError, OSError) as error:
                result.refused.append((path.name, str(path), str(error)))
                result.failed |= path.name in _expected_archives()
    copies: dict[str, list[Copy]] = {}
    for copy in found:
        copies.setdefault(PurePosixPath(copy.member).name if copy.member else copy.path.name, []).append(copy)
    return copies


def _wanted() -> set[str]:
    return {file for entry in weights.catalogue().values() if not entry.package for file in entry.files}


def _expected_archives() -> set[str]:
    return {url.rpartition("/")[2] for entry in weights.catalogue().values() for url in entry.zip}


def _take(entry: Model, file: str, copies: Sequence[Copy], result: Imported) -> None:
    if copies and entry.files[file].sha256 and weights.state(entry, file) == "right":  # so nobody waits for another file
        result.taken.append((entry.name, file, "was here already"))
        return
    right = _right_ones(entry, file, copies, result)
    if right and weights.state(entry, file) == "right":
        result.taken.append((entry.name, file, "was here already"))
    elif right:
        _put(entry, file, right[0], result)
    elif copies:
        result.failed = True
    if weights.state(entry, file) != "right":
        result.missing.append((entry.name, file))


def _put(entry: Model, file: str, copy: Copy, result: Imported) -> None:
    try:
        with copy.open() as opened:
            put(entry, file, opened, str(copy))
    except WeightsError as error:
        result.refused.append((file, str(copy), str(error).removeprefix(f"{copy} ")))
        result.failed = True
    else:
        result.taken.append((entry.name, file, str(copy)))


def _right_ones(entry: Model, file: str, copies: Sequence[Copy], result: Imported) -> list[Copy]:
    wanted = weights.digest(entry, file)
    found: dict[str, list[Copy]] = {}
    for copy in copies:
        try:
            found.setdefault(copy.sha256(), []).append(copy)
        except WeightsError as error:
            result.refused.append((file, str(copy), str(error)))
    if wanted:
        right = found.pop(wanted.sha256, [])
        refused = [(copy, f"sha256 {sha256}, and not {wanted}") for sha256, same in found.items() for copy in same]
    else:
        right = next(iter(found.values())) if len(found) == 1 else []
        several = "no sha256 is published, and these copies differ: leave only the one you mean"
        refused = [] if right else [(copy, several) for same in found.values() for copy in same]
    result.refused += [(file, str(copy), why) for copy, why in refused]
    return right
