"""The verbs. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

import typer

from onscreen.console import console, set_up_logging
from onscreen.errors import OnscreenError

STAGES = {
    "prepare": "Find and probe every video, cut long ones, decode the sound, measure speech.",
    "extract_faces": "Choose frames, detect, align, measure and embed the faces of every clip.",
    "dedupe": "Group the faces of one person across clips and choose a representative.",
    "split": "Put people on train, val and test sides and pair faces with voices.",
    "hq": "Write an HQ-VoxCeleb tree (mel spectrograms and masked faces) from our identities.",
    "m2p": "Write a music-to-pose dataset from dance videos with music.",
    "train_face_voice": "Train the face-voice model.",
    "train_hq": "Train the face-voice model on the HQ-VoxCeleb tree.",
    "evaluate": "Score both models on people they have never seen and write the report.",
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _stage_command(stage: str) -> Callable[[], None]:
    def command() -> None:
        from onscreen.workspace import Workspace

        import_module(f"onscreen.stages.{stage}").main(Workspace.open())

    return command


for _stage, _help in STAGES.items():
    app.command(_stage, help=_help, rich_help_panel="Stages")(_stage_command(_stage))


@app.command()
def check() -> None:
    """Check params.yaml: every key, type and range."""
    from onscreen.store import write_json
    from onscreen.workspace import Workspace

    workspace = Workspace.open()
    write_json(workspace.reports / "params_checked.json", {"params.yaml": "valid"})
    console.print("params.yaml is valid")


def main() -> None:
    """Run the command line; an OnscreenError is one line on standard error and its exit code."""
    set_up_logging()
    try:
        app()
    except OnscreenError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(error.exit_code)
