"""Which files of a folder are videos, by their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from onscreen.errors import InputError


def find_videos(raw: Path, extensions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files below raw: those with a video extension (compared without case), and all others; paths relative to raw, POSIX, sorted.

    Hidden files and folders are left out. A linked folder is searched, once, and under its real place where that is below raw too;
    so links that lead in circles end. Raises InputError for a folder that cannot be listed.
    """
    videos, others, links = list[str](), list[str](), [raw]
    visited = set[tuple[int, int]]()
    while links:
        found = list[Path]()
        for folder, names, files in os.walk(links.pop(0), onerror=_cannot_list):
            state = Path(folder).stat()
            if (state.st_dev, state.st_ino) in visited:
                names.clear()
                continue
            visited.add((state.st_dev, state.st_ino))
            names[:] = sorted(name for name in names if not name.startswith("."))
            found += [Path(folder, name) for name in names if Path(folder, name).is_symlink()]
            for name in files:
                if not name.startswith("."):
                    path = Path(folder, name).relative_to(raw).as_posix()
                    (videos if PurePosixPath(name).suffix.lower() in extensions else others).append(path)
        links += sorted(found)
    return sorted(videos), sorted(others)


def _cannot_list(error: OSError) -> None:
    raise InputError(
        f"{error.filename} cannot be listed: {error.strerror}. Make it readable or move it out of data.raw."
    ) from error


def regular_file(path: Path) -> Path:
    """The path itself. Raises InputError for a pipe, a socket or a device, which would never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is not a regular file")
    return path
