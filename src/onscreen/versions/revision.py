"""The commit that a checkout is compared with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from onscreen import git
from onscreen.errors import InputError, ToolError
from onscreen.lineage import RUN_FILE


@dataclass(frozen=True)
class Base:
    """sha: of the commit. how: why this one, in words that name no branch, which may be called after a person."""

    sha: str
    how: str

    @property
    def short(self) -> str:
        return self.sha[:10]


def find_base(root: Path, revision: str | None) -> Base:
    """The commit to compare with: the one named, else where this branch left the main one, else the one before this.

    Raises InputError when there is no history, no such commit, or the clone is too shallow to know.
    """
    head = git.commit_of(root)
    if revision is not None:
        return Base(git.commit_of(root, revision), "the commit that was named")
    main = _main_branch(root)
    if main is None:
        raise InputError(f"no main branch is known here (origin/HEAD, origin/main, origin/master, main, master). {_then(root)}")
    left = _printed(root, "merge-base", "HEAD", main)
    if not left:
        raise InputError(f"where this branch left {main} is not known here. {_then(root)}")
    return _before(root, head) if left == head else Base(_later(root, left, head), "where this branch left the main one")


def _later(root: Path, left: str, head: str) -> str:
    """left, or where this branch left the checkout's own main branch, where that has commits that the remote's does not hold yet."""
    for name in () if os.environ.get("GITHUB_BASE_REF") else ("refs/heads/main", "refs/heads/master"):
        own = _printed(root, "merge-base", "HEAD", name)
        if own not in ("", head) and _printed(root, "merge-base", left, own) == left:
            return own
    return left


def _before(root: Path, head: str) -> Base:
    """Of a commit that the main branch holds: itself, while the checkout has changes that are not committed, else the one before."""
    if _printed(root, "status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){RUN_FILE}"):
        return Base(head, "the last one, for what is not committed yet")
    before = _commit(root, "HEAD~1")
    if not before:
        raise InputError(f"the main branch holds this commit, and none before it is known here. {_then(root)}")
    return Base(before, "the one before this, which the main branch holds already")


def _main_branch(root: Path) -> str | None:
    """GITHUB_BASE_REF: the branch that a pull request is for."""
    target = os.environ.get("GITHUB_BASE_REF")
    names = [*([f"origin/{target}"] if target else []), "origin/HEAD", "origin/main", "origin/master", "main", "master"]
    return next((name for name in names if _commit(root, name)), None)


def _commit(root: Path, name: str) -> str:
    return _printed(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _printed(root: Path, *arguments: str) -> str:
    """What git prints; nothing where it finds nothing."""
    try:
        return git.call(["git", *arguments], root).strip()
    except ToolError:
        return ""


def _then(root: Path) -> str:
    if git.is_shallow(root):
        return "This clone is shallow: run `git fetch --unshallow` (in a workflow: fetch-depth: 0), or name a commit."
    return "Name a commit: `onscreen diff <commit>` (`git log --oneline --all` lists them; `git fetch origin` brings the main branch)."
