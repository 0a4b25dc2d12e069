"""The tables of past passes laid out again as folders: from the checkout where they still lie there, or from DVC's cache.

A state is known by its md5s (path -> md5, as dvc.lock or a run's tags have them). Its folder holds links; the checkout is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from onscreen.dvc_cache import DvcCache, md5_of
from onscreen.lineage import workspace_pass
from onscreen.workspace import Workspace

PATHS = (
    "data/prepared",
    "data/faces",
    "data/identities",
    "data/voices",
    "data/splits",
    "data/hq",
    "models/face_voice",
    "models/hq",
)
_TREE = "data/hq"  # the names of its files, in folders, say whose they are; of all others only the tables at the top are read
HERE, CACHED, ABSENT = "in the checkout", "in DVC's cache", "not on this machine"


@dataclass(frozen=True)
class State:
    """workspace: a folder that holds the tables of one state where a checkout has them. where: path -> HERE, CACHED or ABSENT."""

    workspace: Workspace
    md5s: Mapping[str, str]
    where: Mapping[str, str]

    def lacks(self, *paths: str) -> list[str]:
        """Those of these paths whose tables do not lie here."""
        return [path for path in paths if self.where.get(path, ABSENT) == ABSENT]


@dataclass(frozen=True)
class States:
    """Lays states out, each content of a path once. cache: DVC's, of the checkout. locked: md5s of the checkout's dvc.lock."""

    workspace: Workspace
    scratch: Path
    cache: DvcCache
    locked: Mapping[str, str]
    _laid: dict[tuple[str, str], tuple[Path, str]] = field(default_factory=dict)
    _states: dict[tuple[tuple[str, str], ...], State] = field(default_factory=dict)

    def of(self, md5s: Mapping[str, str]) -> State:
        """The state with these md5s."""
        known = {path: md5s[path] for path in PATHS if path in md5s}
        key = tuple(known.items())
        if key not in self._states:
            self._states[key] = self._lay_out(self.scratch / f"state{len(self._states)}", known)
        return self._states[key]

    def here(self) -> State:
        """The state of the checkout, as its dvc.lock says."""
        return self.of(self.locked)

    def _lay_out(self, root: Path, known: Mapping[str, str]) -> State:
        where = {}
        for path, md5 in known.items():
            if (path, md5) not in self._laid:
                self._laid[path, md5] = self._found(path, md5)
            folder, where[path] = self._laid[path, md5]
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(folder)
        params = self.workspace.params
        params = params.model_copy(update={"data": params.data.model_copy(update={"raw": str(self.workspace.raw.absolute())})})
        return State(Workspace(root, self.workspace.home, params, self.workspace.cache_root), known, where)

    def _found(self, path: str, md5: str) -> tuple[Path, str]:
        """A folder of links to the tables that this content of the path has, and where these lie."""
        folder, here = self.scratch / f"tables{len(self._laid)}", self.workspace.root / path
        folder.mkdir()
        files = self.cache.files(md5)
        if files is None:  # what dvc.lock says of the checkout is the next best
            return (here, HERE) if self.locked.get(path) == md5 and here.is_dir() else (folder, ABSENT)
        is_here = True
        for name, own in files.items():
            if "/" in name and path != _TREE:
                continue
            link, cached = folder / name, self.cache.file(own)
            link.parent.mkdir(parents=True, exist_ok=True)
            if "/" in name:  # media: only their names are asked for
                link.touch()
            elif md5_of(here / name) == own:
                link.symlink_to(here / name)
            elif cached.is_file():
                link.symlink_to(cached)
                is_here = False
            else:
                return folder, ABSENT
        return folder, HERE if is_here else CACHED


@contextmanager
def states(workspace: Workspace) -> Iterator[States]:
    """States of a checkout, laid out in a temporary folder."""
    here = (workspace.root / "dvc.lock").is_file()  # else nothing ran here yet; what ran elsewhere may be known
    locked = workspace_pass(workspace.root).md5s() if here else {}
    with TemporaryDirectory(prefix="onscreen-trace-") as scratch:
        yield States(workspace, Path(scratch), DvcCache.of(workspace.root), locked)
