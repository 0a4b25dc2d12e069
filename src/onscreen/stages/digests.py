"""What tells the bytes of files that may not be readable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onscreen.errors import InputError, Rejected
from onscreen.media.files import regular_file
from onscreen.workspace import Workspace


def digests(workspace: Workspace, files: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, Rejected]]:
    """sha256 of these files by name, and why there is none: "unreadable" for what is gone, closed or no regular file."""
    there, lost = dict[str, Path](), dict[str, Rejected]()
    for name, path in files.items():
        try:
            there[name] = regular_file(path)
        except InputError as error:
            lost[name] = Rejected("unreadable", str(error))
    try:
        return dict(zip(there, workspace.hashes.sha256_of_all(list(there.values())), strict=True)), lost
    except InputError:
        return _one_by_one(workspace, there, lost)


def _one_by_one(
    workspace: Workspace, files: Mapping[str, Path], lost: Mapping[str, Rejected]
) -> tuple[dict[str, str], dict[str, Rejected]]:
    """The same where a file may not be opened: that is known of each only when it is tried."""
    known, closed = dict[str, str](), dict(lost)
    for name, path in files.items():
        try:
            known[name] = workspace.hashes.sha256(path)
        except InputError as error:
            closed[name] = Rejected("unreadable", str(error))
    return known, closed
