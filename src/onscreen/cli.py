"""The verbs. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import onscreen
from onscreen.console import console, log, set_up_logging
from onscreen.errors import ConfigError, OnscreenError, WeightsError
from onscreen.guide import hq_commands, m2p_commands, version_commands
from onscreen.guide.commands import app as faces_app
from onscreen.guide.ledger_commands import app as ledger_app
from onscreen.guide.model_commands import embed, evaluate_face_voice, export_app, match, matched_files, train_app
from onscreen.guide.trials import evaluate_trials
from onscreen.help import Group
from onscreen.openmp import settle

STAGES = {
    "prepare": "Find and probe every video, cut long ones, decode the sound, measure speech.",
    "extract_faces": "Choose frames, detect, align, measure and embed the faces of every clip.",
    "dedupe": "Group the faces of one person across clips and choose a representative.",
    "voices": "Tell whose voice a clip's speech is: one speaker or two, the person who is seen or another.",
    "split": "Put people on train, val and test sides and pair faces with voices.",
    "hq": "Write an HQ-VoxCeleb tree (mel spectrograms and masked faces) from our identities, or adopt the one in hq.root.",
    "m2p": "Write a music-to-pose dataset from dance videos with music.",
    "train_face_voice": "Train the face-voice model.",
    "train_hq": "Train the face-voice model on the HQ-VoxCeleb tree.",
    "evaluate": "Score both models on people they have never seen and write the report.",
}


class _Verbs(Group):
    """The stages come first, in their order, whether commands stand below one or not."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of commands in the order of the help."""
        names = super().list_commands(ctx)
        return [*(name for name in STAGES if name in names), *(name for name in names if name not in STAGES)]


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=onscreen.__doc__,
)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        Console().print(onscreen.__version__)
        raise typer.Exit


def _stage_command(stage: str) -> Callable[[], None]:
    def command() -> None:
        from onscreen.workspace import Workspace

        import_module(f"onscreen.stages.{stage}").main(Workspace.open())

    return command


def _stage_group(stage: str) -> typer.Typer:
    """A stage whose name has commands below it too: without one it is the stage."""
    group = typer.Typer(cls=Group, invoke_without_command=True, help=STAGES[stage])
    run = _stage_command(stage)

    @group.callback()
    def _stage(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            run()

    app.add_typer(group, name=stage, help=STAGES[stage], rich_help_panel="Stages")
    return group


_GROUPS = {"hq", "m2p", "evaluate"}
hq_app, m2p_app, evaluate_app = _stage_group("hq"), _stage_group("m2p"), _stage_group("evaluate")
for _stage, _help in STAGES.items():
    if _stage not in _GROUPS:
        app.command(_stage, help=_help, rich_help_panel="Stages")(_stage_command(_stage))


app.add_typer(ledger_app, name="ledger")
app.add_typer(faces_app, name="faces")
app.add_typer(train_app, name="train")
app.add_typer(export_app, name="export")
evaluate_app.command("face-voice")(evaluate_face_voice)
for _verb in (hq_commands.split, hq_commands.train, hq_commands.evaluate):
    hq_app.command()(_verb)
for _m2p_verb in (m2p_commands.prepare, m2p_commands.draw, m2p_commands.validate, m2p_commands.report):
    m2p_app.command()(_m2p_verb)
evaluate_app.command("trials")(evaluate_trials)
app.command()(match)
app.command()(embed)
app.command("matched-files")(matched_files)
_VERSIONS = ("trace", "rerun", "verify", "promote", "seeds", "diff")
for _name in _VERSIONS:
    app.command(_name)(getattr(version_commands, _name))


@app.command()
def track() -> None:
    """Record in MLflow every pass it does not know yet (experiments' too) and register this checkout's models.

    It can run any time later, with nothing lost, and writes reports/run.json. With tracking.enabled: false it does nothing.
    """
    from onscreen.tracking.passes import track as record
    from onscreen.workspace import Workspace

    new = record(Workspace.open())
    console.print(f"{new} new pass{'' if new == 1 else 'es'} recorded")


@app.command()
def sample(
    output: Annotated[Path | None, typer.Option(help="folder for the clips; data.raw of params.yaml when not given")] = None,
) -> None:
    """Make short talking clips of people who do not exist; a folder that holds videos of your own is left as it is."""
    from onscreen.sample.make import make_sample
    from onscreen.workspace import Workspace

    folder = output or Workspace.open().raw
    outcome = make_sample(folder)
    messages = {
        "made": f"{outcome.written} sample clips made, {outcome.clips} in {folder}; scores on them mean nothing",
        "reused": f"reused: the {outcome.clips} sample clips in {folder}; scores on them mean nothing",
        "kept": f"using the {outcome.clips} videos in {folder}; nothing was added"
        + (
            ". Sample clips are among them: delete sample_*.mp4 and sample.json there"
            if (folder / "sample.json").is_file()
            else ""
        ),
    }
    console.print(messages[outcome.state], highlight=False)


@app.command("run")
def run_on_folder(
    input: Annotated[Path, typer.Option(help="folder of videos; it is only read")],
    output: Annotated[Path, typer.Option(help="folder for extracted_faces, deduped_faces, representative_faces and tables")],
) -> None:
    """Faces and dedupe on any folder, without git or DVC; params.yaml of the current folder counts where there is one."""
    from onscreen.folder_run import run_folder

    outcome = run_folder(input, output, Path("params.yaml"))
    table = Table(title=str(output))
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in (("clips", outcome.clips), ("faces", outcome.faces), ("identities", outcome.identities)):
        table.add_row(name, str(count))
    for code, count in outcome.rejects.items():
        table.add_row(f"rejected: {code}", str(count))
    Console().print(table)


@app.command("show")
def show_results() -> None:
    """Print the results of the last pass and where the report and the MLflow UI are."""
    from onscreen.summary import places, summary
    from onscreen.workspace import Workspace

    workspace = Workspace.open()
    Console().print(*summary(workspace), sep="\n")
    Console(soft_wrap=True).print(*places(workspace), sep="\n", highlight=False)


@app.command()
def why(name: Annotated[str, typer.Argument(help="a clip_id, face_id, identity_id, or a video's path in data.raw")]) -> None:
    """Show what led to the verdict about a clip, a face or a person, and what would turn it; nothing is decoded or changed."""
    from onscreen.inspection.evidence import Tables, find
    from onscreen.inspection.pictures import pictures, thumbnails, write_sheet
    from onscreen.inspection.screen import screen
    from onscreen.workspace import Workspace

    tables = Tables(Workspace.open())
    subject = find(tables, name)
    shown, output = pictures(tables, subject), Console()
    if shown and output.is_terminal:
        output.print(thumbnails(shown))
    output.print(*screen(tables, subject), sep="\n")
    if shown:
        Console(soft_wrap=True).print(f"Pictures: {write_sheet(tables, subject, shown)}", highlight=False)


@app.command()
def sweep(param: Annotated[str, typer.Argument(help="dedupe.threshold")]) -> None:
    """Show who would merge and who would part at other thresholds, over the stored embeddings."""
    from onscreen.inspection.sweep import sweep_table
    from onscreen.workspace import Workspace

    Console().print(sweep_table(Workspace.open(), param))


@app.command()
def check() -> None:
    """Check params.yaml: every key, type and range, that the folder of data.raw is there, and that dedupe.threshold is known.

    data/identity_overrides.yaml is checked too, where it exists: its sections and the form of every name in them.

    Models of faces.detector and faces.embedder that no stage fetches are told when they are not here, and so are hf: towers and
    embedders.
    """
    from onscreen.hf_params import missing
    from onscreen.overrides import read_overrides
    from onscreen.stages.dedupe import threshold_of
    from onscreen.stages.extract_faces import require_named
    from onscreen.store import write_json
    from onscreen.workspace import Workspace

    workspace = Workspace.open()
    workspace.require_raw()
    threshold_of(workspace.params.dedupe, workspace.params.faces, [])
    read_overrides(workspace.overrides)
    try:
        require_named(workspace.params.faces)
    except (ConfigError, WeightsError) as error:  # no error: with the faces made, or pulled, nothing may need the models
        log.warning("extract_faces cannot run here: %s", error)
    for key, reason in missing(workspace.params):
        log.warning("%s cannot be used here: %s", key, reason)
    write_json(workspace.reports / "params_checked.json", {"params.yaml": "valid"})
    checked = ["params.yaml", *(["data/identity_overrides.yaml"] if workspace.overrides.exists() else [])]
    console.print(f"{' and '.join(checked)} {'is' if len(checked) == 1 else 'are'} valid", highlight=False)


weights_app = typer.Typer(cls=Group, no_args_is_help=True, help="Model files: what there is, and fetching what is missing.")
app.add_typer(weights_app, name="weights")


@weights_app.command("list")
def weights_list() -> None:
    """Show every model: whether it is here, what it is for, its licence, what it was trained on, where it comes from."""
    from onscreen.weights_show import print_list

    print_list(Console())


@weights_app.command("check")
def weights_check(names: Annotated[list[str] | None, typer.Argument(help="Models; all when none is named.")] = None) -> None:
    """Compare the files that are here with their sha256. Of models that are named, a missing file is an error too."""
    from onscreen.weights_show import print_check

    print_check(Console(), names or [])


@weights_app.command("pull")
def weights_pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models; without a name, those that params.yaml as shipped needs.")
    ] = None,
) -> None:
    """Fetch models and check every file against its sha256; an interrupted download goes on where it stopped.

    Models from hosts of their own come only when they are named: some are large, and some may only be used for research
    (`onscreen weights list` shows the licences).
    """
    from onscreen import weights
    from onscreen.weights_fetch import pull

    wanted = names or [entry.name for entry in weights.catalogue().values() if not entry.must_be_named]
    pull(wanted)
    console.print(f"here and right: {', '.join(wanted)}", highlight=False)


@weights_app.command("import")
def weights_import(folder: Annotated[Path, typer.Argument(help="Folder that holds model files, or zips of them.")]) -> None:
    """Take model files from a folder, without any network. They are found by name and checked against their sha256."""
    from onscreen.weights_import import import_folder
    from onscreen.weights_show import print_import

    result = import_folder(folder)
    print_import(Console(), result)
    if result.failed:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; an OnscreenError is one line on standard error and its exit code."""
    settle(sys.platform, os.environ)
    set_up_logging()
    try:
        _run_app()
    except OnscreenError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(error.exit_code)


def _run_app() -> None:
    """Run the command; a full disk, whoever met it, is a DiskFull, and a place that may not be written an InputError."""
    try:
        app()
    except Exception as error:
        from onscreen.store import require_access, require_room

        require_room(error)
        require_access(error)
        raise
