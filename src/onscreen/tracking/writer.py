"""Which home wrote a run, without naming a machine: so its own half passes are told from those another one still writes."""

from __future__ import annotations

import uuid
from pathlib import Path

WRITER = "onscreen.writer"


def writer_of(home: Path) -> str:
    """A name of this home: drawn at random once, because nothing of the machine may stand in it, and kept in .cache."""
    path = home / ".cache" / "onscreen-writer"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")
