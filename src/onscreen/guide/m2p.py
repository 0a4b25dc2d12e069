"""`onscreen m2p prepare`: a music-to-pose dataset of any folder of dance videos, without git and without DVC.

The stages prepare and m2p run in a private workspace below OUTPUT/.onscreen (own_folder.py). metadata.json of an earlier run is the
memory of who is on which side; new dances fill the share that was asked for.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onscreen.config import Params, parse_params
from onscreen.errors import ConfigError, CorruptTable, InputError, NothingUsable
from onscreen.folder_run import require_videos
from onscreen.guide.options import params_of
from onscreen.ledger import dance_key, freeze_dances, write_ledger
from onscreen.media.files import find_videos
from onscreen.own_folder import OwnFolder
from onscreen.records import Face, Reject, SplitRow
from onscreen.store import read_json, read_table, write_table
from onscreen.workspace import Workspace

MANIFEST = "written_m2p.json"
METADATA, REJECTS = "metadata.json", "rejects.parquet"
_SIDES = ("train", "validation")
_PLACES = (*_SIDES, METADATA, REJECTS)
_RESOLUTION = re.compile(r"(\d+)(?:[xX×](\d+))?")


@dataclass(frozen=True)
class Prepared:
    """What came of it. without: videos that gave no dance. warned: accepted dances with a warning. sides: dances of each.

    remembered: dances whose side an earlier run had set. rejects: of both stages, but for what only concerns voices.
    """

    videos: int
    without: int
    dances: int
    warned: int
    sides: dict[str, int]
    people: int
    songs: int
    groups: int
    remembered: int
    notes: tuple[str, ...]
    rejects: tuple[Reject, ...]


def prepare_folder(
    source: Path, output: Path, fps: int | None, resolution: str | None, split_ratio: float, settings: Path
) -> Prepared:
    """Make a dataset of the videos below source in output: train/, validation/, metadata.json and rejects.parquet.

    fps, resolution: None = those of settings, a params.yaml, where there is one, else the defaults. split_ratio: share of dances to
    train on, above 0 up to 1; met as nearly as allow dances that must not be parted.
    Raises ConfigError for a wrong option, InputError when source is no folder or output holds what this command did not write,
    NothingUsable when there is no video or none gave a dance (after the reasons were written).
    """
    params = _settings(params_of(settings), fps, resolution, split_ratio)
    source, output = source.resolve(), output.resolve()
    _check_places(source, output)
    own = OwnFolder(output, "--output_dir", MANIFEST)
    with own.alone():
        own.refuse_foreign(_files(output))
        workspace = own.workspace(source, params)
        before = _memory(output / METADATA)
        write_ledger(workspace.ledger, before)
        lost = _stages(workspace, split_ratio)
        prepared = _told(workspace, set(before), lost)
        _place(own, workspace, prepared.rejects)
    if not prepared.dances:
        reasons = ", ".join(f"{count} {code}" for code, count in Counter(row.code for row in prepared.rejects).most_common())
        raise NothingUsable(f"no video in {source} gave a dance ({reasons}). Each reason is in {output / REJECTS}")
    return prepared


def _settings(params: Params, fps: int | None, resolution: str | None, split_ratio: float) -> Params:
    if not 0 < split_ratio <= 1:
        raise ConfigError(f"--split_ratio {split_ratio:g}: must be a share of dances to train on, above 0 and at most 1")
    given = {"fps": fps, "resolution": resolution and _square(resolution)}
    data = params.m2p.model_dump(mode="json") | {name: value for name, value in given.items() if value is not None}
    try:
        made = parse_params({"m2p": data}, "options")
    except ConfigError as error:
        raise ConfigError(str(error).replace("options: m2p.", "--")) from error
    return params.model_copy(update={"m2p": made.m2p})


def _square(text: str) -> int:
    """--resolution: 512x512 or 512 -> 512."""
    match = _RESOLUTION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"--resolution {text}: must be width x height in pixels, as 512x512")
    width, height = int(match[1]), int(match[2] or match[1])
    if width != height:
        side = max(width, height)
        raise ConfigError(
            f"--resolution {text}: must be square, as {side}x{side}: the dancer's window is a square of the picture, which would be "
            "squashed in any other shape"
        )
    return width


def _check_places(source: Path, output: Path) -> None:
    if not source.is_dir():
        raise InputError(f"--input_dir {source}: {'is a file, not a folder' if source.exists() else 'there is no such folder'}")
    if output == source or output.is_relative_to(source):
        raise InputError(
            f"--output_dir {output}: must not be the input folder or lie inside it: the next run would take its videos for dances"
        )
    inside = source.relative_to(output).parts[0] if source.is_relative_to(output) else None
    if inside in (*_SIDES, ".onscreen"):
        raise InputError(f"--input_dir {source}: lies in {output / inside}, which this command writes")


def _files(output: Path) -> set[str]:
    """The files in the places that results take, relative to the folder."""
    found = {name for name in _PLACES if (output / name).is_symlink() or (output / name).is_file()}
    inside = [path for side in _SIDES for path in (output / side).rglob("*") if path.is_symlink() or not path.is_dir()]
    return found | {path.relative_to(output).as_posix() for path in inside}


def _memory(metadata: Path) -> dict[str, Any]:
    """The sides of an earlier run, as rows of a ledger."""
    if not metadata.is_file():
        return {}
    try:
        return freeze_dances({}, read_json(metadata)["clips"])
    except (KeyError, TypeError) as error:
        raise CorruptTable(
            f"{metadata} is not what this command wrote ({error!r}). Delete it to divide the dances anew"
        ) from error


def _stages(workspace: Workspace, split_ratio: float) -> list[Reject]:
    """Run them, and return what prepare lost. Where it found videos and could use none, m2p runs on nothing."""
    from onscreen.stages import m2p, prepare
    from onscreen.stages.m2p_fill import by_share

    require_videos(workspace, "--input_dir")
    clips = workspace.prepared / "clips.parquet"
    clips.unlink(missing_ok=True)
    try:
        prepare.main(workspace)
    except NothingUsable:
        if not clips.is_file():
            raise
    write_table(workspace.faces / "faces.parquet", Face, [])  # dancers are told apart by the dances alone
    write_table(workspace.splits / "splits.parquet", SplitRow, [])
    m2p.main(workspace, by_share(split_ratio, workspace.params.split.salt))
    return [row for row in read_table(workspace.prepared / REJECTS, Reject) if row.scope != "voice"]


def _told(workspace: Workspace, before: set[str], lost: list[Reject]) -> Prepared:
    described = read_json(workspace.m2p / METADATA)
    entries = described["clips"]
    videos = find_videos(workspace.raw, workspace.params.data.video_extensions).videos
    return Prepared(
        videos=len(videos),
        without=len(set(videos) - {entry["source"] for entry in entries}),
        dances=len(entries),
        warned=sum(bool(entry["warnings"]) for entry in entries),
        sides=described["samples"],
        people=len({entry["identity"] for entry in entries}),
        songs=len({entry["song"] for entry in entries}),
        groups=len({entry["group"] for entry in entries}),
        remembered=sum(dance_key(entry["source_sha256"], entry["start_s"]) in before for entry in entries),
        notes=tuple(described["notes"]),
        rejects=(*lost, *read_table(workspace.m2p / REJECTS, Reject)),
    )


def _place(own: OwnFolder, workspace: Workspace, rejects: tuple[Reject, ...]) -> None:
    """Move the results to output, each side whole or not at all. The manifest is written first, then the memory of sides."""
    made = workspace.m2p
    write_table(made / REJECTS, Reject, rejects)
    own.claim(_files(made) | own.written())
    (made / METADATA).replace(own.path / METADATA)
    for side in _SIDES:
        _swap(made / side, own.path / side, own.private / "old")
    (made / REJECTS).replace(own.path / REJECTS)
    own.claim(_files(own.path))


def _swap(new: Path, place: Path, old: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def lines(prepared: Prepared) -> Iterator[str]:
    """What a person is told at the end; the stage has told the notes before."""
    told = [f"{prepared.warned} with warnings"] if prepared.warned else []
    told += [f"{_counted(prepared.without, 'video')} gave none"] if prepared.without else []
    aside = f" ({', '.join(told)})" if told else ""
    shares = ", ".join(f"{count} {side}" for side, count in prepared.sides.items())
    yield (
        f"{_counted(prepared.dances, 'dance')} of {_counted(prepared.videos, 'video')}{aside}: "
        f"{shares}; {_counted(prepared.people, 'person', 'people')}, {_counted(prepared.songs, 'song')}, "
        f"{_counted(prepared.groups, 'group')} that no split may part"
    )
    if prepared.remembered:
        yield f"{_counted(prepared.remembered, 'dance')} kept the side that {METADATA} says; delete it to divide all anew"


def _counted(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or f'{one}s'}"
