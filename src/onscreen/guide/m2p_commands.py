"""The verbs of music-to-pose datasets in any folder, with the options of the guide's script. Nothing heavy is imported before one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onscreen.guide.commands import PARAMS, errors_exit_with_2

Dataset = Annotated[Path, typer.Argument(help="the dataset: a folder that holds train/ and validation/", show_default=False)]


@errors_exit_with_2()
def prepare(
    input_dir: Annotated[Path, typer.Option("--input_dir", help="folder of dance videos with music, read with its subfolders")],
    output_dir: Annotated[
        Path, typer.Option("--output_dir", help="folder for train/, validation/, metadata.json and rejects.parquet")
    ],
    fps: Annotated[
        int | None,
        typer.Option(
            "--fps", help="frames a second; default: m2p.fps of params.yaml where there is one, else 24", show_default=False
        ),
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(
            "--resolution", help="as 512x512, square; default: m2p.resolution of params.yaml, else 512x512", show_default=False
        ),
    ] = None,
    split_ratio: Annotated[
        float,
        typer.Option(
            "--split_ratio",
            help="share of the dances to train on, the others are validation; met as nearly as dancers, songs and source videos allow, "
            "none of which stands on both sides",
        ),
    ] = 0.8,
) -> None:
    """Make a music-to-pose dataset of a folder of dance videos (.mp4 .avi .mov .mkv .wmv .webm .mpg .mpeg).

    A repeat measures only what is new, and keeps every dance on the side that metadata.json says.

    Exit codes: 0 every video gave a dance; 1 some gave none, rejects.parquet says why; 2 an option is wrong or nothing is usable.
    """
    from onscreen.guide.m2p import REJECTS, lines, prepare_folder
    from onscreen.guide.telling import print_rejects, say

    prepared = prepare_folder(input_dir, output_dir, fps, resolution, split_ratio, PARAMS)
    print_rejects(prepared.rejects, output_dir / REJECTS)
    for line in lines(prepared):
        say(line)
    raise typer.Exit(1 if prepared.without else 0)


@errors_exit_with_2()
def draw(
    dataset: Dataset,
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder for the videos, one a sample")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="id of a sample; repeat for more; default: all", show_default=False)
    ] = None,
) -> None:
    """Draw the points of pose_annotations.json over video.mp4, with its sound, for people to look at. One sample's folder will do too.

    The dancer's left is orange, the right blue. The less sure a point, the fainter it is; points that are not seen are not drawn.
    Exit codes: 0 all are drawn; 1 some are not, or not whole, and are named; 2 an option is wrong or none can be drawn.
    """
    from onscreen.guide.m2p_draw import draw_dataset

    if draw_dataset(dataset, output_dir, only or []):
        raise typer.Exit(1)


@errors_exit_with_2()
def validate(
    dataset: Dataset,
    json: Annotated[Path | None, typer.Option("--json", help="file for all findings as JSON", show_default=False)] = None,
) -> None:
    """Prove a music-to-pose dataset, whoever made it: measure again what its files claim, and say what is real.

    Exit codes: 0 nothing is wrong; 1 something is; 2 the folder holds no dataset.
    """
    from onscreen.checks.run import validate_dataset
    from onscreen.checks.table import print_findings

    findings = validate_dataset(dataset)
    if not print_findings(dataset, findings, json):
        raise typer.Exit(1)


@errors_exit_with_2()
def report(
    dataset: Dataset,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="the page; default: report.html in the dataset, for data/m2p reports/m2p.html", show_default=False
        ),
    ] = None,
) -> None:
    """Write a page on which each sample plays beside its skeleton, waveform, beats and music features.

    It needs no server and no internet. The videos stay where they are: the page links to them. More than 50 samples make more pages.
    """
    from onscreen.guide.telling import say
    from onscreen.report.m2p_page import default_output, write_page

    for path in write_page(dataset, output or default_output(dataset)):
        say(str(path))
