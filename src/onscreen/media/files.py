"""Which files of a folder are videos, by their names."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from onscreen.errors import InputError


@dataclass(frozen=True)
class Found:
    """Paths relative to the folder that was searched, POSIX, sorted.

    videos: files with a video extension. others: all other files. closed: folders that may not be listed.
    """

    videos: list[str]
    others: list[str]
    closed: list[str]


def find_videos(raw: Path, extensions: Sequence[str]) -> Found:
    """Search a folder and its subfolders; extensions (lower case, with the dot) are compared without regard to case.

    Hidden files and folders are left out. A linked folder is searched, once, and under its real place where that is below raw too;
    so links that lead in circles end. Raises InputError when raw itself cannot be listed.
    """
    files, closed, links = list[str](), list[str](), [raw]
    visited = set[tuple[int, int]]()
    while links:
        linked = list[Path]()
        for folder, names, inside in os.walk(links.pop(0), onerror=lambda error: closed.append(_below(raw, error.filename))):
            state = Path(folder).stat()
            if (state.st_dev, state.st_ino) in visited:
                names.clear()
                continue
            visited.add((state.st_dev, state.st_ino))
            names[:] = sorted(name for name in names if not name.startswith("."))
            linked += [Path(folder, name) for name in names if Path(folder, name).is_symlink()]
            files += [_below(raw, Path(folder, name)) for name in inside if not name.startswith(".")]
        links += sorted(linked)
    if "." in closed:
        raise InputError(f"{raw} cannot be listed. Give yourself the permission to read it.")
    videos = {path for path in files if PurePosixPath(path).suffix.lower() in extensions}
    return Found(sorted(videos), sorted(set(files) - videos), sorted(closed))


def _below(raw: Path, path: str | Path) -> str:
    return Path(path).relative_to(raw).as_posix()


def regular_file(path: Path) -> Path:
    """The path itself. Raises InputError for a pipe, a socket or a device, which would never end."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is not a regular file")
    return path
