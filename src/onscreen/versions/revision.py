"""The commit that a checkout is compared with, and its files, as git alone holds them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from onscreen.errors import InputError, ToolError

_GIT_S = 120  # reading a local repository takes milliseconds; a file system that hangs must not hang the command
_DEEPER = "Run `git fetch --unshallow` (in a workflow: actions/checkout with fetch-depth: 0), or name another commit."


@dataclass(frozen=True)
class Base:
    """sha: of the commit. how: why this one, in words that name no branch or person."""

    sha: str
    how: str

    @property
    def short(self) -> str:
        return self.sha[:10]


def git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails. Raises ToolError where there is no git or it does not end."""
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=_GIT_S, check=False)
    except FileNotFoundError as error:
        raise ToolError("git is not on PATH; install it first") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"`git {arguments[0]}` did not end within {_GIT_S} s") from error
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def find_base(root: Path, revision: str | None) -> Base:
    """The commit to compare with: the one named, else where this branch left the main one, else the one before.

    Raises InputError when there is no history, no such commit, or the clone is too shallow to know.
    """
    head = _commit(root, "HEAD")
    if head is None:
        raise InputError(f"{root} has no git history: nothing to compare with. Run `git init` and commit, or go to a checkout.")
    if revision is not None:
        return Base(_named(root, revision), "the commit that was named")
    main = _main_branch(root)
    if main is None:
        raise InputError(f"no main branch is known here (origin/HEAD, origin/main, main, master). {_ask(root)}")
    left = git(root, "merge-base", "HEAD", main)
    if left is None:
        raise InputError(f"where this branch left {main} is not known here. {_ask(root)}")
    return _before(root, head) if left.strip() == head else Base(left.strip(), "where this branch left the main one")


def file_at(root: Path, sha: str, path: str) -> str | None:
    """A file's text at a commit; None where the commit has no such file. path: relative to root."""
    return git(root, "show", f"{sha}:./{path}")


def files_at(root: Path, sha: str, folder: str) -> list[str]:
    """Paths, relative to root, of the files right in a folder at a commit."""
    return [path for path in (git(root, "ls-tree", "--name-only", "-z", sha, f"{folder}/") or "").split("\0") if path]


def _before(root: Path, head: str) -> Base:
    """On the main branch itself: the commit, while the checkout has changes that are not committed, else the one before it."""
    if git(root, "status", "--porcelain", "--untracked-files=no", "--", "."):
        return Base(head, "this branch's own last commit, for what is not committed yet")
    before = _commit(root, "HEAD~1")
    if before is None:
        raise InputError(f"this is the main branch, and no commit before its last one is known here. {_ask(root)}")
    return Base(before, "the commit before this one, which the main branch holds already")


def _main_branch(root: Path) -> str | None:
    target = os.environ.get("GITHUB_BASE_REF")
    first = [f"origin/{target}"] if target else []
    return next(
        (name for name in [*first, "origin/HEAD", "origin/main", "origin/master", "main", "master"] if _commit(root, name)), None
    )


def _named(root: Path, revision: str) -> str:
    found = _commit(root, revision)
    if found is None:
        raise InputError(f"{revision} is no commit that is known here. {_ask(root)}")
    return found


def _commit(root: Path, name: str) -> str | None:
    found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.strip() if found else None


def _ask(root: Path) -> str:
    if (git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true":
        return f"This clone is shallow: it lacks older commits. {_DEEPER}"
    return "Name a commit: `onscreen diff <commit>` (`git log --oneline --all` lists them; `git fetch origin` brings the main branch)."
