"""What git knows of this checkout: commits, refs and the files of a commit. Nothing is changed, no host is asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from onscreen.errors import InputError, ToolError

_LONGEST_S = 600  # for one call; git and `dvc status` of large folders take seconds


def call(command: list[str], root: Path, given: str | None = None) -> str:
    """What a program prints, run in root. given: its standard input. Raises ToolError with the program's own words."""
    try:
        environment = {**os.environ, "DVC_NO_ANALYTICS": "true", "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(
            command, cwd=root, env=environment, input=given, capture_output=True, encoding="utf-8", check=True, timeout=_LONGEST_S
        )
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]} is not on PATH; run `source .venv/bin/activate` first") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"`{' '.join(command)}` did not end within {_LONGEST_S} s") from error
    except subprocess.CalledProcessError as error:
        raise ToolError(f"`{' '.join(command)}` failed: {error.stderr.strip() or error.stdout.strip()}") from error
    return ended.stdout


def commit_of(root: Path, revision: str = "HEAD") -> str:
    """The commit that a name stands for. Raises InputError that says what is missing: git, any commit, or this one."""
    try:
        return call(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], root).strip()
    except ToolError as error:
        raise InputError(_why_no_commit(root, revision)) from error


def _why_no_commit(root: Path, revision: str) -> str:
    if not _succeeds(["git", "rev-parse", "--git-dir"], root):
        return f"{root} is in no git repository, or not in one that git trusts: run `git status` there to see which"
    if not _succeeds(["git", "rev-parse", "--verify", "--quiet", "HEAD^{commit}"], root):
        return f"{root}: git has no commit yet. Run `git add -A` and `git commit` first."
    if is_shallow(root):
        return f"{revision}: no such commit in this clone, which is shallow. Run `git fetch --unshallow` (in CI: fetch-depth: 0)."
    return (
        f"{revision}: no such commit in this clone. Run `git fetch --all`, or see `git log` and `dvc exp show` for what there is."
    )


def is_shallow(root: Path) -> bool:
    """Whether the clone's history was cut when it was made."""
    return call(["git", "rev-parse", "--is-shallow-repository"], root).strip() == "true"


def _succeeds(command: list[str], root: Path) -> bool:
    try:
        call(command, root)
    except ToolError:
        return False
    return True


def is_ignored(root: Path, path: str) -> bool:
    """Whether git leaves a path alone: one that .gitignore names, or that is outside of the repository."""
    inside = _succeeds(["git", "ls-files", "--", path], root)
    return not inside or _succeeds(["git", "check-ignore", "--quiet", "--", path], root)


def is_dirty(root: Path, apart: Iterable[str] = ()) -> bool:
    """Whether files that git knows or could know differ from HEAD, apart from these paths."""
    told = call(["git", "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in apart)], root)
    return bool(told.strip())


def refs(root: Path, prefix: str) -> list[tuple[str, str]]:
    """(name, commit) of every ref below prefix."""
    listing = call(["git", "for-each-ref", "--format=%(refname) %(objectname)", prefix], root)
    return [(name, commit) for name, commit in (line.split() for line in listing.splitlines())]


def read_files(root: Path, commit: str, *paths: str) -> dict[str, str]:
    """Path -> text of the files of a commit at or directly below these paths (a folder ends in /), relative to root."""
    listing = call(["git", "ls-tree", "-z", commit, "--", *paths], root)
    found = {}
    for entry in filter(None, listing.split("\0")):
        about, path = entry.split("\t", 1)
        _, kind, sha = about.split()
        if kind == "blob":
            found[path] = call(["git", "cat-file", "blob", sha], root)
    return found
