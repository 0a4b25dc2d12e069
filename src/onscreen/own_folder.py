"""A folder outside of any checkout that a command fills: by one run at a time, and never over a file that the command did not write.

FOLDER/.onscreen is the command's own: the item cache, so that a repeat measures only what is new; a lock; and a manifest of what was
written, which is written first, so that a killed run leaves nothing that the next one would take for somebody else's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from filelock import FileLock, Timeout

from onscreen.config import Params, Storage
from onscreen.errors import InputError
from onscreen.media.files import find_videos
from onscreen.store import read_json, write_json
from onscreen.workspace import Workspace

_SHOWN = 3  # names in an error


@dataclass(frozen=True)
class OwnFolder:
    """path: absolute. option: the command's option that names it, for errors. manifest: its file name; each command has its own."""

    path: Path
    option: str
    manifest: str = "written.json"

    @property
    def private(self) -> Path:
        return self.path / ".onscreen"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, made where it is missing. Raises InputError when another run holds it or it cannot be written."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.option} {self.path}: must be a folder, and is a file")
        try:
            self.private.mkdir(parents=True, exist_ok=True)
            with FileLock(self.private / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise InputError(f"{self.option} {self.path}: another run is writing there") from error
        except PermissionError as error:
            raise InputError(f"{self.option} {self.path}: cannot be written ({error.strerror})") from error

    def workspace(self, raw: Path, params: Params) -> Workspace:
        """A private workspace for stages that read raw."""
        data = params.data.model_copy(update={"raw": str(raw)})
        params = params.model_copy(update={"data": data, "storage": Storage(layout="folders")})  # to look at, not to version
        root = self.private / "workspace"
        return Workspace(root, root, params, self.private / "cache")

    def written(self) -> set[str]:
        """Paths, relative to the folder, that the command wrote or was about to.

        They are deleted later, so what leads out of the folder is none of them: the folder may come from somebody else.
        """
        path = self.private / self.manifest
        names = read_json(path) if path.is_file() else []
        return {name for name in names if not PurePath(name).is_absolute() and ".." not in PurePath(name).parts}

    def claim(self, names: Iterable[str]) -> None:
        """Remember these paths, and no others, as written."""
        write_json(self.private / self.manifest, sorted(names))

    def videos(self, but: Path) -> set[str]:
        """Paths, relative to the folder, of the videos below it, but for those of the command's own input. No command writes any:
        a folder that holds some is a collection, and pictures would be strewn into it."""
        found = find_videos(self.path, Params().data.video_extensions).videos
        return {name for name in found if not (self.path / name).is_relative_to(but)}

    def refuse_foreign(self, present: Iterable[str]) -> None:
        """Raises InputError when one of the present paths is not the command's own."""
        foreign = sorted(set(present) - self.written())
        if foreign:
            shown = ", ".join(foreign[:_SHOWN]) + (", ..." if len(foreign) > _SHOWN else "")
            raise InputError(
                f"{self.option} {self.path}: holds files that this command did not write ({shown}). "
                "Move them, or choose another folder."
            )

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """An empty folder; when the block ends well, its files take their places, and earlier ones of the command that are not among
        them vanish. Every file is whole at any time. Raises InputError when a place is taken by a file that is not the command's own.
        """
        new = self.private / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            yield new
            self._place(new)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _place(self, new: Path) -> None:
        names, before = {path.name for path in new.iterdir()}, self.written()
        self.refuse_foreign(name for name in names if (self.path / name).exists() or (self.path / name).is_symlink())
        self.claim(names | before)
        for name in sorted(names):
            (new / name).replace(self.path / name)
        for name in before - names:
            (self.path / name).unlink(missing_ok=True)
        self.claim(names)
