"""`onscreen run`: faces and dedupe on any folder of videos, without git and without DVC.

The stages run in a private workspace below OUTPUT/.onscreen (own_folder.py). What they made is then placed in OUTPUT.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from onscreen.config import Params, load_params
from onscreen.errors import InputError, NothingUsable
from onscreen.ledger import write_ledger
from onscreen.media.files import find_videos
from onscreen.own_folder import OwnFolder
from onscreen.records import Clip, Face, Identity, Reject
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.workspace import Workspace

FOLDERS = ("extracted_faces", "deduped_faces", "representative_faces")
TABLES = ("faces.parquet", "identities.parquet", "rejects.parquet")


@dataclass(frozen=True)
class Outcome:
    """What a run found. rejects: how many rows of each "scope.code"."""

    clips: int
    faces: int
    identities: int
    rejects: dict[str, int]


def run_folder(source: Path, output: Path, settings: Path) -> Outcome:
    """Run prepare, extract_faces and dedupe on the videos below source and place the results in output.

    settings: params.yaml to use; its data.raw does not count, and where there is no such file, the defaults do.
    Raises InputError when source is no folder, or when output holds files that onscreen did not write;
    NothingUsable when no video gave a face, after the rejects were written.
    """
    source, output = source.resolve(), output.resolve()
    if not source.is_dir():
        raise InputError(f"--input {source}: there is no such folder")
    if source == output:
        raise InputError(f"--output {output}: must be a folder of its own, not the input")
    folder = OwnFolder(output, "--output")
    with folder.alone():
        folder.refuse_foreign(_files(output) | folder.videos(but=source))
        workspace = folder.workspace(source, load_params(settings) if settings.is_file() else Params())
        write_ledger(workspace.ledger, {})
        failure = _stages(workspace)
        outcome = _place(workspace, folder)
    if failure is not None:
        raise failure
    if not outcome.faces:
        codes = ", ".join(f"{code} x {count}" for code, count in outcome.rejects.items())
        raise NothingUsable(f"no video in {source} gave a face ({codes}). The reasons are in {output / 'rejects.parquet'}")
    return outcome


def _files(folder: Path) -> set[str]:
    """The files in the places that results take, relative to the folder."""
    inside = [path for name in FOLDERS for path in (folder / name).rglob("*") if not path.is_dir()]
    tables = [folder / name for name in (*TABLES, *FOLDERS) if (folder / name).is_file() or (folder / name).is_symlink()]
    return {path.relative_to(folder).as_posix() for path in [*inside, *tables]}


def _stages(workspace: Workspace) -> NothingUsable | None:
    """Run them. When prepare found videos and could use none, the others run on nothing, so that no old result stays behind."""
    from onscreen.stages import dedupe, extract_faces, prepare

    require_videos(workspace, "--input")
    extract_faces.require_models(workspace.params.faces)  # what is missing is told before any work
    clips = workspace.prepared / "clips.parquet"
    clips.unlink(missing_ok=True)
    failure = None
    try:
        prepare.main(workspace)
    except NothingUsable as error:
        if not clips.is_file():
            raise
        failure = error
    extract_faces.main(workspace)
    dedupe.main(workspace)
    return failure


def require_videos(workspace: Workspace, option: str) -> None:
    """Raises NothingUsable for a folder without any video. option: the command's option that names it."""
    from onscreen.stages.prepare import what_else

    known = workspace.params.data.video_extensions
    found = find_videos(workspace.raw, known)
    if not found.videos:
        raise NothingUsable(
            f"{option} {workspace.raw} holds no video: none of {', '.join(known)} (data.video_extensions); it holds {what_else(found)}."
        )


def _place(workspace: Workspace, own: OwnFolder) -> Outcome:
    """Copy the stages' results into output, each folder whole or not at all. The manifest is written first."""
    output = own.path
    faces = read_table(workspace.faces / "faces.parquet", Face)
    identities = read_table(workspace.identities / "identities.parquet", Identity)
    stages = (workspace.prepared, workspace.faces, workspace.identities)
    rejects = [row for stage in stages for row in read_table(stage / "rejects.parquet", Reject)]
    parents = dict(zip(FOLDERS, (workspace.faces, workspace.identities, workspace.identities), strict=True))
    new = {f"{name}/{path.name}" for name, parent in parents.items() for path in (parent / name).iterdir()}
    own.claim(_files(output) | new | set(TABLES))
    for name, parent in parents.items():
        with atomic_folder(output / name) as folder:
            shutil.copytree(parent / name, folder, dirs_exist_ok=True)
    write_table(output / "faces.parquet", Face, faces)
    write_table(output / "identities.parquet", Identity, identities)
    write_table(output / "rejects.parquet", Reject, rejects)
    clips = len(read_table(workspace.prepared / "clips.parquet", Clip))
    codes = Counter(f"{row.scope}.{row.code}" for row in rejects)
    return Outcome(clips, len(faces), len({row.identity_id for row in identities}), dict(sorted(codes.items())))
