"""Which objects the default remote lacks, as JSON on standard output: {"not_checked": why or "", "missing": {path: [how many, of]}}.

A process of its own (`python -m onscreen.versions.remote`), because a host that does not answer can hold DVC for minutes.
`dvc status --cloud` is silent about a folder of which neither cache nor remote has the list.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvc.repo import Repo


def missing(root: Path) -> dict[str, Any]:
    """Ask for all objects of the outputs that DVC holds."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if not repo.config["core"].get("remote"):
            return {"not_checked": "no default remote is configured (docs/storage.md)", "missing": {}}
        remote = repo.cloud.get_remote_odb()
        here = repo.cache.local
        wanted = {out.hash_info.value for out in _held(repo)}
        if remote.fs.protocol == "local" and not Path(remote.path).parents[1].is_dir() and not any(map(here.exists, wanted)):
            return {"not_checked": "the default remote is a folder that is not on this machine", "missing": {}}
        return {"not_checked": "", "missing": _missing(repo, remote, here)}


def _held(repo: Repo) -> list[Any]:
    """Outputs whose objects belong on the remote: not those that another repository has, or that are marked push: false."""
    outs = [out for out in repo.index.outs if out.use_cache and out.can_push and not out.stage.is_repo_import]
    return [out for out in outs if out.hash_info and out.hash_info.name == "md5"]


def _missing(repo: Repo, remote: Any, here: Any) -> dict[str, tuple[int, int]]:
    held = _held(repo)
    folders = {out.hash_info.value for out in held if out.hash_info.isdir}
    there = set(remote.oids_exist(list({out.hash_info.value for out in held})))
    files = {oid: _files(oid, here if here.exists(oid) else remote) for oid in folders if here.exists(oid) or oid in there}
    there |= set(remote.oids_exist(list({file for listed in files.values() for file in listed})))
    found = {}
    for out in held:
        objects = {out.hash_info.value, *files.get(out.hash_info.value, ())}
        if objects - there:
            path = out.fs_path if not out.is_in_repo else Path(out.fs_path).relative_to(repo.root_dir).as_posix()
            found[path] = (len(objects - there), len(objects))
    return found


def _files(oid: str, odb: Any) -> list[str]:
    """The files' md5s that a folder's list names."""
    with odb.fs.open(odb.oid_to_path(oid), "rb") as file:
        return [entry["md5"] for entry in json.loads(file.read())]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(missing(Path.cwd())))
