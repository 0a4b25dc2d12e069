"""Pictures of a comparison as PNG."""

from __future__ import annotations

from pathlib import Path

from onscreen.versions.compare import Compared
from onscreen.versions.sides import Side


def write_pictures(root: Path, old: Side, new: Side, compared: Compared, output: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """File names of the pictures made, and lines that say which are not and why."""
    return (), ()
