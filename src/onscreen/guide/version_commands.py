"""The verbs of versions, lineage and comparison. Nothing heavy is imported before one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trace(
    name: Annotated[
        str,
        typer.Argument(help="a registered model (face_voice, face_voice@champion, face_voice/3), run id, clip, face or identity"),
    ],
) -> None:
    """Print the chain from videos to models and back: what a model was trained on, or which models a clip went into."""
    from onscreen.tracking.trace import print_trace
    from onscreen.workspace import Workspace

    print_trace(Workspace.open(), name)


def rerun(
    run: Annotated[str, typer.Argument(help="id of a pass's run, or of one of its stages'")],
    output: Annotated[Path | None, typer.Option(help="folder for the worktree, kept; a temporary one otherwise")] = None,
) -> None:
    """Rebuild what a run made, in a worktree of its commit and parameters, and say whether every output is identical."""
    from onscreen.versions.rerun import rerun as rebuild
    from onscreen.workspace import Workspace

    if not rebuild(Workspace.open(), run, output):
        raise typer.Exit(1)


def verify() -> None:
    """Rebuild the commit in a clean clone with an empty cache, and compare every md5 with its dvc.lock."""
    from onscreen.versions.verify import verify as rebuild
    from onscreen.workspace import Workspace

    if not rebuild(Workspace.open()):
        raise typer.Exit(1)


def promote(
    model: Annotated[str, typer.Argument(help="face_voice or hq")],
    version: Annotated[int | None, typer.Option(help="registered version; the newest when not given")] = None,
) -> None:
    """Make a version the champion if it is better on the current test set, by its paired interval; log why, either way."""
    from onscreen.tracking.promote import promote as compare
    from onscreen.workspace import Workspace

    if not compare(Workspace.open(), model, version):
        raise typer.Exit(1)


def seeds(
    number: Annotated[int, typer.Option("-n", help="how many seeds, from 0", min=2)] = 3,
) -> None:
    """Train and evaluate with several seeds, as experiments, and print mean and standard deviation of the figures."""
    from onscreen.versions.seeds import print_seeds
    from onscreen.workspace import Workspace

    print_seeds(Workspace.open(), number)


def diff(
    revision: Annotated[str | None, typer.Argument(help="commit to compare with; where this branch left the main one")] = None,
    output: Annotated[Path | None, typer.Option(help="folder for diff.md, diff.json and pictures")] = None,
) -> None:
    """Compare this checkout with a commit: parameters, data, metrics with intervals, gates.yaml. Exit 1 where a gate fails."""
    from onscreen.versions.diff import print_diff

    if not print_diff(Path.cwd(), revision, output):
        raise typer.Exit(1)
