"""`onscreen rerun`: what a run made, made again from the commit and the parameters that it came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from onscreen.console import log
from onscreen.errors import InputError
from onscreen.tracking.store import connect
from onscreen.tracking.trace_runs import lock_of, run_facts
from onscreen.versions.origin import origin_of
from onscreen.versions.rebuild import rebuilt
from onscreen.versions.scratch import terminable
from onscreen.versions.verdict import print_verdict
from onscreen.workspace import Workspace


def rerun(workspace: Workspace, run_id: str, output: Path | None) -> bool:
    """Rebuild the pass that a run belongs to, and print how each md5 compares. output: a new folder that keeps the result.

    Returns whether all that should be identical is. Raises InputError or ToolError when it cannot be rebuilt.
    """
    client, _ = connect(workspace.home)
    facts = run_facts(client, run_id)
    origin = origin_of(workspace.root, facts, lock_of(client, facts))
    with terminable(), _folder(output) as folder:
        return print_verdict(rebuilt(workspace.root, origin.commit, origin.lock, folder, origin.params))


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with TemporaryDirectory(prefix="onscreen-rerun-") as folder:
            log.info("working in %s, which is removed afterwards; --output keeps a folder", folder)
            yield Path(folder) / "checkout"
        return
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output {output} exists already and is not an empty folder; name a new one")
    yield output.absolute()
