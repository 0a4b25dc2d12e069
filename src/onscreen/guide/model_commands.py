"""The verbs of face-voice models on any files: train, evaluate, match, embed, export, matched-files. Nothing heavy is imported
before one runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from onscreen.errors import ConfigError
from onscreen.guide.commands import PARAMS, errors_exit_with_2
from onscreen.guide.telling import last_epoch_kept, print_rejects, training_told
from onscreen.guide.telling import say as _say
from onscreen.help import Group

if TYPE_CHECKING:
    from onscreen.guide.people import Media

_OWN = "default: that of params.yaml in the current folder where there is one, else"

train_app = typer.Typer(cls=Group, no_args_is_help=True, help="Train a model on files of any folder.")
export_app = typer.Typer(cls=Group, no_args_is_help=True, help="A model in other formats.")

ImageFolder = Annotated[
    Path | None,
    typer.Option(
        "--image_folder",
        help="pictures of faces: vid_123.jpg belongs to vid_123.wav, alice/*.jpg to alice/*.wav; "
        "vid_123_dedupe_vid_456.jpg is person vid_123 too",
        show_default=False,
    ),
]
AudioFolder = Annotated[
    Path | None, typer.Option("--audio_folder", help="sounds: .wav, .flac, .mp3, .ogg, .m4a of any rate", show_default=False)
]
Matched = Annotated[
    Path | None,
    typer.Option(
        "--matched_files", help="instead of two folders: a matched_files-<i>.txt, or a folder of them", show_default=False
    ),
]
Model = Annotated[Path, typer.Option("--model", help="folder of a trained model, such as models/face_voice")]


@train_app.command("face-voice")
@errors_exit_with_2()
@training_told()
def train_face_voice(
    save_dir: Annotated[Path, typer.Option("--save_dir", help="folder for the model; a killed training goes on in it")],
    image_folder: ImageFolder = None,
    audio_folder: AudioFolder = None,
    matched_files: Matched = None,
    embedding_dim: Annotated[
        int | None, typer.Option("--embedding_dim", help=f"values of the joint space; {_OWN} 512", show_default=False)
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help=f"of the loss, where training starts; {_OWN} 0.07", show_default=False)
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch_size", help=f"people a batch; {_OWN} 32", show_default=False)] = None,
    num_epochs: Annotated[int | None, typer.Option("--num_epochs", help=f"at most; {_OWN} 100", show_default=False)] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning_rate", help=f"at its highest; {_OWN} 1e-4", show_default=False)
    ] = None,
    audio_duration_sec: Annotated[
        float | None, typer.Option("--audio_duration_sec", help=f"seconds of speech heard at once; {_OWN} 5", show_default=False)
    ] = None,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help=f"threads that read batches ahead; {_OWN} 0", show_default=False)
    ] = None,
) -> None:
    """Train a face-voice model on pictures and sounds of people.

    People are put on sides by a hash of their name: split.test of params.yaml (a quarter) is held out and never trained on, split.val
    chooses the epoch and the threshold. The towers are those of params.yaml. What cannot be used is told and stands in
    rejects.parquet, also where nothing can be trained.

    Exit codes: 0 trained; 2 an option is wrong, nothing can be used, or fewer than two people are left to train on; 130 interrupted:
    the same command goes on where it stopped.
    """
    from onscreen.guide import face_voice as work
    from onscreen.guide.matching import threshold_told
    from onscreen.guide.model_files import REJECTS
    from onscreen.guide.options import counts, params_of, train_params

    given = {
        "embedding_dim": embedding_dim,
        "temperature": temperature,
        "batch_size": batch_size,
        "num_epochs": num_epochs,
        "learning_rate": learning_rate,
        "audio_duration_sec": audio_duration_sec,
        "num_workers": num_workers,
    }
    params = train_params(params_of(PARAMS), given)
    media = _media(image_folder, audio_folder, matched_files)
    done = work.train(media, save_dir, params)
    rows: dict[str, Any] = {f"people: {side}": count for side, count in done.people.items()}
    rows |= {"faces": done.faces, "voices": done.voices, "kept epoch": f"{done.best + 1} of {done.epochs}"}
    rows |= {"train loss": f"{done.train_loss:.4f}", "val loss": "none" if done.val_loss is None else f"{done.val_loss:.4f}"}
    _print_table(str(save_dir), rows, counts(done.rejects))
    if done.joined:
        who = "1 person is another" if done.joined == 1 else f"{done.joined} people are others"
        _say(f"{who} under a second name: files of the same bytes")
    if done.val_loss is None:
        _say(last_epoch_kept(done.people["val"]))
    told = done.calibration
    _say(threshold_told(told["threshold"], told.get("validation_people", 0), told.get("reason", "")))
    _left_out(media)
    print_rejects(done.rejects, save_dir / REJECTS)


@errors_exit_with_2()
def evaluate_face_voice(
    model_dir: Annotated[Path, typer.Option("--model_dir", help="folder of a trained model; evaluation_results.json goes there")],
    image_folder: ImageFolder = None,
    audio_folder: AudioFolder = None,
    matched_files: Matched = None,
    test_size: Annotated[
        float,
        typer.Option("--test_size", help="share of all people to test on, of those whom the model has not seen; 1 takes all"),
    ] = 0.05,
    top_k: Annotated[int, typer.Option("--top_k", help="rank up to which a voice counts as found in the table")] = 5,
) -> None:
    """Score a face-voice model on people of two folders whom it has not seen.

    Whoever trained the model or chose its epoch takes no part. With few people, 0.05 of them may be nobody, or one, of whom
    nothing can be told: then the error says how many are held out. Writes evaluation_results.json into the model's folder.

    Exit codes: 0 scored; 2 an option is wrong, or fewer than two people are left to test on.
    """
    from onscreen.guide import face_voice as work
    from onscreen.guide.model_files import RESULTS
    from onscreen.guide.options import params_of

    media = _media(image_folder, audio_folder, matched_files)
    done = work.evaluate_model(media, model_dir, test_size, top_k, params_of(PARAMS))
    found = done.results
    table = Table(title=f"people: {found['people']}, faces: {found['faces']}, voices: {found['voices']}")
    for name in ("figure", "face to voice", "voice to face", "chance"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    ways = [found["all"][way] for way in ("face_to_voice", "voice_to_face")]
    for k in sorted({1, 5, 10, top_k}):
        figures = [way[f"top{k}"] for way in ways]
        table.add_row(f"Top-{k}", *map(_interval, figures), _figure(figures[0].get("chance")))
    area = found["all"]["verification"]["auc"]
    table.add_row("ROC-AUC", _interval(area), "both ways", _figure(area.get("chance")))
    Console().print(table)
    for name, reason in found["reasons"].items():
        _say(f"{name}: none, {reason}")
    _say(
        f"people: {done.people} have a face and a voice, {done.unseen} of them the model has not seen, {found['people']} are tested"
    )
    if done.all_of is not None:
        _say(f"--test_size {done.all_of:g} tests all whom it has not seen")
    _say(f"{model_dir / RESULTS} holds all figures")
    if (model_dir.resolve().parents[1] / "dvc.yaml").is_file():
        _say(f"{model_dir} is an output of the pipeline: DVC will see that a file came into it")
    _left_out(media, done.rejects)


@errors_exit_with_2()
def match(
    face: Annotated[Path, typer.Option("--face", help="a picture of one person's face")],
    voices: Annotated[Path, typer.Option("--voices", help="folder of sounds, or one")],
    model: Model,
) -> None:
    """Rank voices by how well they fit a face.

    Above the model's threshold, chosen on its validation people, a voice is called the same person's, where they were 10 or more: a
    threshold of fewer says nothing, and scores stand alone. A model tells likeness, not who somebody is: of people with like voices any
    may come first.

    Exit codes: 0 all voices are ranked; 1 some cannot be used; 2 none can, or not the face, or an option is wrong.
    """
    from onscreen.guide.matching import TRUSTED, threshold_told
    from onscreen.guide.matching import match as work
    from onscreen.guide.options import params_of

    done = work(face, voices, model, params_of(PARAMS))
    judged = done.threshold is not None and done.validation_people >= TRUSTED
    table = Table("rank", "voice", "score", *(["taken for"] if judged else []))
    for rank, (name, score) in enumerate(zip(done.names, done.scores, strict=True), 1):
        verdict = ["same person" if done.takes_for_one(score) else "another"] if judged else []
        table.add_row(str(rank), name, f"{score:.4f}", *verdict)
    Console().print(table)
    print_rejects(done.rejects)
    _say(threshold_told(done.threshold, done.validation_people, done.why_no_threshold))
    if judged:
        _say(f"of their right pairs {done.missed:.0%} lay below it, of their wrong ones {done.accepted:.0%} at it or above")
    raise typer.Exit(1 if done.rejects else 0)


@errors_exit_with_2()
def embed(
    model: Model,
    output: Annotated[Path, typer.Option("--output", help="table to write: name, embedding; ends in .parquet")],
    faces: Annotated[Path | None, typer.Option("--faces", help="folder of pictures, or one", show_default=False)] = None,
    voices: Annotated[Path | None, typer.Option("--voices", help="folder of sounds, or one", show_default=False)] = None,
) -> None:
    """Write what a model makes of pictures or sounds, as a table.

    Embeddings of faces and voices of one model are compared by their inner product: they have length 1. Files that cannot be used
    stand in <output>.rejects.parquet.

    Exit codes: 0 every file gave one; 1 some did not; 2 none did, or an option is wrong.
    """
    from onscreen.guide.matching import embed as work
    from onscreen.guide.options import params_of

    if (faces is None) == (voices is None):
        raise ConfigError("--faces or --voices: exactly one of them must be given")
    option, place = ("--faces", faces) if faces is not None else ("--voices", voices)
    done = work(model, option, Path(str(place)), output, params_of(PARAMS))
    _say(f"{done.rows} of {done.files} files are in {output}")
    print_rejects(done.rejects, done.rejected)
    raise typer.Exit(1 if done.rejects else 0)


@export_app.command("pth")
@errors_exit_with_2()
def export_pth(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="folder of a trained model")],
    output: Annotated[Path, typer.Option("--output", help="folder for the six .pth files; may be the model's own")],
) -> None:
    """Write a model as the .pth files that older scripts load: face_encoder, face_projection, audio_encoder, audio_projection,
    full_model and best_model.

    They hold plain tensors of the best epoch: torch.load with weights_only=True reads them.
    """
    from onscreen.guide.exporting import export

    names = export(model_dir, output)
    _say(f"{output}: {', '.join(names)}")


@errors_exit_with_2()
def matched_files(
    dataset_path: Annotated[
        str,
        typer.Option("-d", "--dataset_path", help="root of <id>/faces/<session>/frame_*.jpg and <id>/voices/*.wav"),
    ],
    meta_path: Annotated[Path, typer.Option("-m", "--meta_path", help="JSON file whose top-level keys are the ids")],
    output: Annotated[Path, typer.Option("-o", "--output", help="folder for matched_files-<i>.txt; made where it is missing")],
    limit: Annotated[int, typer.Option("-l", "--limit", help="how many pairs a person: lists 0 to <limit> - 1")],
) -> None:
    """Write lists of matched files: the i-th face and the i-th voice of everybody who has so many.

    A line is a picture's path, a tab, a sound's path, beginning with --dataset_path as it was typed. In names, 2 comes before 10.

    Exit codes: 0 every id gave a pair; 1 some gave none; 2 none did, or an option is wrong.
    """
    from onscreen.guide.matched import write_lists
    from onscreen.guide.options import counts

    done = write_lists(dataset_path, meta_path, output, limit)
    rows = {
        "ids": done.ids,
        "people with a pair": done.people,
        "lists": done.lists,
        "empty lists": done.empty,
        "pairs": done.pairs,
    }
    _print_table(str(output), rows, counts(done.rejects))
    print_rejects(done.rejects)
    raise typer.Exit(1 if done.rejects else 0)


def _media(image_folder: Path | None, audio_folder: Path | None, matched: Path | None) -> Media:
    """What the options name. Raises ConfigError when they name both kinds, or half of one."""
    from onscreen.guide.matched import read_lists
    from onscreen.guide.people import read_folders

    if matched is not None:
        if image_folder is not None or audio_folder is not None:
            raise ConfigError("--matched_files names pictures and sounds itself: leave out --image_folder and --audio_folder")
        return read_lists(matched)
    if image_folder is None or audio_folder is None:
        raise ConfigError("--image_folder and --audio_folder must both be given, or --matched_files")
    return read_folders(image_folder, audio_folder)


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("low"), figure.get("high")
    return _figure(figure["value"]) + ("" if low is None else f" ({low:.2f} to {high:.2f})")


def _left_out(media: Media, rejects: Mapping[str, int] | None = None) -> None:
    if media.others:
        _say("not looked at: " + ", ".join(f"{count} of {ending}" for ending, count in media.others.items()))
    if rejects:
        _say("left out: " + ", ".join(f"{count} {code}" for code, count in rejects.items()))


def _print_table(title: str, figures: Mapping[str, Any], rejects: Mapping[str, int]) -> None:
    table = Table(title=title)
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, value in (*figures.items(), *((f"rejected: {code}", count) for code, count in rejects.items())):
        table.add_row(name, str(value))
    Console().print(table)
