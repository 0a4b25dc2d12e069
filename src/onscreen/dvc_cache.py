"""DVC's cache as it lies on disk: a file each under its md5, a folder as the list of its files' md5s."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from onscreen.errors import InputError


@dataclass(frozen=True)
class DvcCache:
    """folder: where files lie by md5."""

    folder: Path

    @classmethod
    def of(cls, root: Path) -> DvcCache:
        """The cache of a checkout; worktrees may share one. Raises InputError where DVC knows no checkout."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo(str(root)) as repo:
                return cls(Path(repo.cache.local.path))
        except DvcException as error:
            raise InputError(f"{root} is no checkout that DVC knows: {error}") from error

    def file(self, md5: str) -> Path:
        """Where the content with this md5 lies, if it does."""
        return self.folder / md5[:2] / md5[2:]

    def files(self, md5: str) -> dict[str, str] | None:
        """Name -> md5 of the files of a folder; its md5 ends in .dir. None where the cache does not hold the list, and of a file."""
        if not (md5.endswith(".dir") and self.file(md5).is_file()):
            return None
        return {entry["relpath"]: entry["md5"] for entry in json.loads(self.file(md5).read_text(encoding="utf-8"))}


def md5_of(path: Path) -> str | None:
    """Of a file's bytes; None where there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
