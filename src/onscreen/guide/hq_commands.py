"""The verbs of HQ-VoxCeleb trees in any folder, with the options of the guide's scripts. Nothing heavy is imported before one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from onscreen.errors import ConfigError
from onscreen.guide.commands import PARAMS, errors_exit_with_2
from onscreen.guide.telling import last_epoch_kept, print_rejects, training_told
from onscreen.guide.telling import say as _say

_OWN = "default: that of train_hq in params.yaml of the current folder where there is one, else"
_SHOWN = 5  # names of people in a line
VOX = Path("data/HQVoxCeleb")

SplitJson = Annotated[Path, typer.Option("--split_json_path", help="split.json; the tree is its folder")]
VoxDir = Annotated[Path | None, typer.Option("--vox_dir", help="the tree, where split.json lies elsewhere", show_default=False)]
ForceCpu = Annotated[bool, typer.Option("--force_cpu", help="the same as --device cpu")]
Device = Annotated[str, typer.Option("--device", help="auto (CUDA where there is some), cpu or cuda")]


@errors_exit_with_2()
def split(
    vox_dir: Annotated[
        Path, typer.Option("--vox_dir", help="the tree: vox1, vox2 or both, each with mel_spectrograms and masked_faces")
    ] = VOX,
    output_json: Annotated[
        Path | None, typer.Option("--output_json", help="file to write; default: split.json in the tree", show_default=False)
    ] = None,
    max_identities: Annotated[
        int | None,
        typer.Option(
            "--max_identities",
            help="of each part, only the first so many who have media: in the meta file's order, or by name with --rule available",
            show_default=False,
        ),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="published: by rows of the meta files, so that nobody moves when media is missing; available: by the sorted names "
            "of those who have media, as older scripts did",
        ),
    ] = "published",
) -> None:
    """Put the people of a tree on train, val and test sides: split.json.

    Of ten, the ninth is on test, the tenth on val. People with spectrograms and faces are listed, nobody else. A person of both parts
    (by name) is on the side of vox1. The published rule needs vox1/vox1_meta.csv and vox2/full_vox2_meta.csv inside the tree, of the
    parts that are there; --rule available needs neither.

    Exit codes: 0 written; 2 an option is wrong, a folder or meta file is missing, or nobody has media.
    """
    from onscreen.guide.hq import write_split
    from onscreen.matching.hq_split import counts

    output = output_json or vox_dir / "split.json"
    made = write_split(vox_dir, output, max_identities, rule)
    table = Table(title=str(output))
    for name in ("part", "train", "val", "test"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for part, sides in counts(made.split).items():
        table.add_row(part, *(str(sides[side]) for side in ("train", "val", "test")))
    Console().print(table)
    if made.moved:
        _say(f"of both parts, put on their side in vox1: {_names(made.moved)}")
    if made.unplaced:
        _say(f"left out, because no row of the meta file has the name: {_names(made.unplaced)}")
    if made.without_media:
        _say(f"{made.without_media} people of the meta files have no media here")


@errors_exit_with_2()
@training_told()
def train(
    save_dir: Annotated[Path, typer.Option("--save_dir", help="folder for the model; a killed training goes on in it")],
    split_json_path: SplitJson = VOX / "split.json",
    vox_dir: VoxDir = None,
    batch_size: Annotated[int | None, typer.Option("--batch_size", help=f"people a batch; {_OWN} 16", show_default=False)] = None,
    num_epochs: Annotated[int | None, typer.Option("--num_epochs", help=f"at most; {_OWN} 50", show_default=False)] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning_rate", help=f"at its highest; {_OWN} 1e-3", show_default=False)
    ] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight_decay", help=f"{_OWN} 1e-4", show_default=False)] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help=f"of the loss, where training starts; {_OWN} 0.07", show_default=False)
    ] = None,
    embedding_dim: Annotated[
        int | None, typer.Option("--embedding_dim", help=f"values of the joint space; {_OWN} 512", show_default=False)
    ] = None,
    audio_duration_sec: Annotated[
        float | None, typer.Option("--audio_duration_sec", help=f"seconds heard at once; {_OWN} 5", show_default=False)
    ] = None,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help=f"threads that read batches ahead; {_OWN} 0", show_default=False)
    ] = None,
    save_interval: Annotated[
        int,
        typer.Option("--save_interval", min=1, help="epochs; kept for older scripts: the state is saved at least every epoch"),
    ] = 5,
    force_cpu: ForceCpu = False,
    device: Device = "auto",
) -> None:
    """Train the face-voice model on an HQ-VoxCeleb tree.

    Spectrograms are .npy or .pickle (numpy arrays alone; one that would run code is refused), of any number of bands and any length;
    those of most training files are taken. Without people on val there is no validation, and the last epoch is kept.

    What cannot be used is told and stands in rejects.parquet, also where nothing can be trained.

    Exit codes: 0 trained; 2 an option is wrong, split.json or a folder is missing, or fewer than two people are left to train on; 130
    interrupted: the same command goes on where it stopped.
    """
    from onscreen.guide import hq as work
    from onscreen.guide.model_files import REJECTS
    from onscreen.guide.options import counts, params_of, train_params

    given = {
        "batch_size": batch_size,
        "num_epochs": num_epochs,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "temperature": temperature,
        "embedding_dim": embedding_dim,
        "audio_duration_sec": audio_duration_sec,
        "num_workers": num_workers,
        "accelerator": accelerator(force_cpu, device),
    }
    params = train_params(params_of(PARAMS), given, "train_hq")
    done = work.train(work.open_tree(vox_dir, split_json_path), save_dir, params)
    data, best = done.config["data"], done.config["best_epoch"]
    loss = done.history["val_loss"][best]
    rows: dict[str, Any] = {f"{name} people": data[f"{name}_people"] for name in ("training", "validation")}
    rows |= {"training pairs": data["training_pairs"], "kept epoch": f"{best + 1} of {len(done.history['train_loss'])}"}
    rows |= {"train loss": f"{done.history['train_loss'][best]:.4f}", "val loss": "none" if loss is None else f"{loss:.4f}"}
    rows |= {f"left out: {code}": count for code, count in counts(done.rejects).items()}
    table = Table("what", "count", title=str(save_dir))
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)
    for name in ("people_without_mels_or_faces", "files_of_other_kinds", "people_moved_to_their_side_in_vox1"):
        if done.told[name]:
            _say(f"{name.replace('_', ' ')}: {done.told[name]}")
    _say(f"spectrograms: {done.told['spectrograms']}; {done.config['inputs']['voice']['mel_bands']} bands")
    if loss is None:
        _say(last_epoch_kept(data["validation_people"]))
    print_rejects(done.rejects, save_dir / REJECTS)


@errors_exit_with_2()
def evaluate(
    model_dir: Annotated[Path, typer.Option("--model_dir", help="folder of a trained model; evaluation_results.json goes there")],
    split_json_path: SplitJson = VOX / "split.json",
    vox_dir: VoxDir = None,
    top_k: Annotated[int, typer.Option("--top_k", help="rank up to which a voice counts as found in the table")] = 5,
    force_cpu: ForceCpu = False,
    device: Device = "auto",
) -> None:
    """Score a model on the test people of an HQ-VoxCeleb tree whom it has not seen.

    Writes evaluation_results.json into the model's folder.

    Exit codes: 0 scored; 2 an option is wrong, split.json or a folder is missing, or fewer than two people are left to test on.
    """
    from onscreen.guide import hq as work
    from onscreen.guide.model_files import RESULTS
    from onscreen.guide.options import params_of, train_params

    params = train_params(params_of(PARAMS), {"accelerator": accelerator(force_cpu, device)}, "train_hq")
    done = work.evaluate_model(work.open_tree(vox_dir, split_json_path), model_dir, top_k, params)
    found = done.results
    table = Table(title=f"{found['people']} people, {found['faces']} faces, {found['voices']} spectrograms")
    for name in ("figure", "face to voice", "voice to face", "chance"):
        table.add_column(name, justify="left" if name == "figure" else "right")
    ways = [found["all"][way] for way in ("face_to_voice", "voice_to_face")]
    for k in sorted({1, 5, 10, top_k}):
        figures = [way[f"top{k}"] for way in ways]
        table.add_row(f"Top-{k}", *(_figure(one["value"]) for one in figures), _figure(figures[0].get("chance")))
    area = found["all"]["verification"]["auc"]
    table.add_row("ROC-AUC", _figure(area["value"]), "", _figure(area.get("chance")))
    Console().print(table)
    for name, reason in found["reasons"].items():
        _say(f"{name}: none, {reason}")
    if done.known:
        who = "1 test person takes" if done.known == 1 else f"{done.known} test people take"
        _say(f"{who} no part: known from the training or from the choice of the epoch")
    if done.rejects:
        _say("left out: " + ", ".join(f"{count} {code}" for code, count in done.rejects.items()))
    _say(f"{model_dir / RESULTS} holds all figures")


def accelerator(force_cpu: bool, device: str) -> Literal["auto", "cpu", "cuda"]:
    """What --force_cpu and --device ask for. Raises ConfigError when they contradict each other, or this machine has no such device."""
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device {device}: must be auto, cpu or cuda")
    if force_cpu and device == "cuda":
        raise ConfigError("--force_cpu and --device cuda contradict each other: give one of them")
    if device == "cuda":
        import torch

        if not torch.cuda.device_count():
            raise ConfigError("--device cuda: there is no CUDA device here. Use --device auto or cpu")
    return "cpu" if force_cpu or device == "cpu" else "cuda" if device == "cuda" else "auto"


def _names(people: tuple[str, ...]) -> str:
    shown = ", ".join(people[:_SHOWN])
    return f"{shown} and {len(people) - _SHOWN} more" if len(people) > _SHOWN else shown


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
