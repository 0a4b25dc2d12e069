"""`onscreen verify`: what dvc.lock of the commit tells, made again from nothing."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from onscreen.console import log
from onscreen.git import commit_of, is_dirty
from onscreen.lineage import RUN_FILE, pass_at
from onscreen.versions.rebuild import rebuilt
from onscreen.versions.scratch import terminable
from onscreen.versions.verdict import print_verdict
from onscreen.workspace import Workspace


def verify(workspace: Workspace) -> bool:
    """Rebuild HEAD in a repository of its own, with empty caches, and print how each md5 compares with dvc.lock.

    Returns whether all that should be identical is. Raises InputError or ToolError when HEAD cannot be rebuilt.
    """
    commit = commit_of(workspace.root)
    lock = pass_at(workspace.root, commit).lock
    if is_dirty(workspace.root, [RUN_FILE]):
        log.warning("the checkout has changes that are not committed: commit %s is verified, without them", commit[:12])
    with terminable(), TemporaryDirectory(prefix="onscreen-verify-") as folder:
        log.info("working in %s, which is removed afterwards; TMPDIR names another place", folder)
        return print_verdict(rebuilt(workspace.root, commit, lock, Path(folder) / "checkout"))
