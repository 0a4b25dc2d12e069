"""The `onscreen faces` verbs, with the names and options of the guide's scripts. Nothing heavy is imported before one runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from onscreen.console import console
from onscreen.errors import OnscreenError
from onscreen.help import Group

PARAMS = Path("params.yaml")
DETECTORS = "mediapipe, dlib, dlib_cnn, opencv, ssd, mtcnn, retinaface, retinaface_s, yunet"
EMBEDDERS = "Dlib, Facenet, Facenet512, VGG-Face, OpenFace, DeepID, ArcFace, SFace, buffalo_l, buffalo_s"
_OWN = "that of params.yaml in the current folder where there is one, else"

app = typer.Typer(cls=Group, no_args_is_help=True, help="Faces of any folder, with the guide's commands and file names.")


@contextmanager
def errors_exit_with_2() -> Iterator[None]:
    """Of these commands, 1 says that some items gave nothing, so no error may end in it."""
    try:
        yield
    except OnscreenError as error:
        error.exit_code = 2
        raise


@app.command()
@errors_exit_with_2()
def extract(
    dataset_path: Annotated[Path, typer.Option("--dataset_path", help="folder of videos, read with its subfolders")],
    output_dir: Annotated[
        Path, typer.Option("--output_dir", help="folder for the pictures (vid_123.jpg), one a video, and two tables")
    ],
    detector_backend: Annotated[
        str | None, typer.Option("--detector_backend", help=f"{DETECTORS}; default: {_OWN} mediapipe", show_default=False)
    ] = None,
    align_faces: Annotated[
        bool, typer.Option("--align_faces/--no-align_faces", help="turn pictures so that the eyes lie level")
    ] = True,
    video_extensions: Annotated[
        list[str],
        typer.Option("--video_extensions", metavar="<str>", help='several by commas ("*.mp4,*.mov") or by repeating the option'),
    ] = ["*.mp4"],  # noqa: B006  # typer wants a list here, and hands each call a new one
    enforce_detection: Annotated[
        bool,
        typer.Option(
            "--enforce_detection/--no-enforce_detection",
            help="a video without a sure face is rejected and the exit code is 1; off: the surest find counts, however unsure. "
            "No whole frame is ever passed off as a face",
        ),
    ] = True,
) -> None:
    """Write one picture of the main person's face for every video.

    Exit codes: 0 every video gave one; 1 some gave none (0 without enforcement); 2 none did, an option is wrong or a model is
    missing.
    """
    from onscreen.guide import extract as work
    from onscreen.guide.options import extensions, one_of, params_of

    detector = detector_backend and one_of("--detector_backend", detector_backend, "detector")
    options = work.Options(detector, align_faces, enforce_detection, extensions(video_extensions))
    outcome = work.extract(dataset_path, output_dir, params_of(PARAMS), options)
    _print_table(
        output_dir,
        {"videos": outcome.videos, "pictures": outcome.pictures, "videos without a picture": outcome.without},
        outcome.rejects,
    )
    if outcome.left_out:
        kinds = ", ".join(f"{count} of {ending}" for ending, count in outcome.left_out.items())
        console.print(f"not looked at: {kinds}; name them with --video_extensions", highlight=False)
    raise typer.Exit(1 if enforce_detection and outcome.without else 0)


@app.command()
@errors_exit_with_2()
def dedupe(
    faces_dir: Annotated[Path, typer.Option("--faces_dir", help="folder of face pictures, read with its subfolders")],
    dedupe_dir: Annotated[
        Path, typer.Option("--dedupe_dir", help="folder for all of them by person: vid_123.jpg, vid_123_dedupe_vid_456.jpg")
    ],
    representative_dir: Annotated[Path, typer.Option("--representative_dir", help="folder for one picture a person")],
    model_name: Annotated[
        str | None, typer.Option("--model_name", help=f"{EMBEDDERS}; default: {_OWN} Dlib", show_default=False)
    ] = None,
    threshold: Annotated[
        str, typer.Option("--threshold", help="cosine distance up to which two pictures are one person, or auto: the model's own")
    ] = "auto",
) -> None:
    """Group face pictures by person: copies under the guide's names.

    Exit codes: 0 every picture is in a group; 1 some are not, because no face was found in them or they cannot be read; 2 none is,
    an option is wrong or a model is missing.
    """
    from onscreen.guide import dedupe as work
    from onscreen.guide.options import one_of, params_of
    from onscreen.guide.options import threshold as checked

    places = work.Places(*(folder.resolve() for folder in (faces_dir, dedupe_dir, representative_dir)))
    model = model_name and one_of("--model_name", model_name, "embedder")
    outcome = work.dedupe(places, params_of(PARAMS), model, checked(threshold))
    _print_table(
        dedupe_dir,
        {
            "pictures": outcome.pictures,
            "pictures in groups": outcome.grouped,
            "pictures in none": outcome.without,
            "people": outcome.identities,
        },
        outcome.rejects,
    )
    source = "what faces extract measured" if outcome.measured_before else "the pictures alone"
    how = f"{outcome.embedder}, {outcome.method}, threshold {outcome.threshold:g}, by {source}"
    Console(soft_wrap=True).print(how, highlight=False)
    raise typer.Exit(1 if outcome.without else 0)


def _print_table(folder: Path, figures: dict[str, int], rejects: dict[str, int]) -> None:
    table = Table(title=str(folder))
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in _rows(figures, rejects):
        table.add_row(name, str(count))
    Console().print(table)


def _rows(figures: dict[str, int], rejects: dict[str, int]) -> Iterable[tuple[str, int]]:
    yield from figures.items()
    yield from ((f"rejected: {code}", count) for code, count in rejects.items())
