"""`onscreen run`: faces and dedupe on any folder of videos, without git and without DVC.

The stages run in a private workspace, OUTPUT/.onscreen, which keeps the item cache, so that a repeat measures only what is new.
What they made is then placed in OUTPUT. A file there that onscreen did not write is never replaced.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from onscreen.config import Params, Storage, load_params
from onscreen.errors import InputError, NothingUsable
from onscreen.ledger import write_ledger
from onscreen.records import Clip, Face, Identity, Reject
from onscreen.store import atomic_folder, read_json, read_table, write_json, write_table
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
    if source == output or (output.exists() and not output.is_dir()):
        raise InputError(f"--output {output}: must be a folder of its own, not the input and not a file")
    with _alone(output):
        _refuse_foreign_files(output)
        workspace = _workspace(source, output, settings)
        failure = _stages(workspace)
        outcome = _place(workspace, output)
    if failure is not None:
        raise failure
    if not outcome.faces:
        codes = ", ".join(f"{code} x {count}" for code, count in outcome.rejects.items())
        raise NothingUsable(f"no video in {source} gave a face ({codes}). The reasons are in {output / 'rejects.parquet'}")
    return outcome


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    private = output / ".onscreen"
    try:
        private.mkdir(parents=True, exist_ok=True)
        with FileLock(private / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise InputError(f"--output {output}: another run is writing there") from error
    except PermissionError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror})") from error


def _refuse_foreign_files(output: Path) -> None:
    manifest = output / ".onscreen" / "written.json"
    ours = set(read_json(manifest)) if manifest.is_file() else set()
    foreign = sorted(_files(output) - ours)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise InputError(
            f"--output {output}: holds files that onscreen did not write ({shown}). Move them, or choose another folder."
        )


def _files(folder: Path) -> set[str]:
    """The files in the places that results take, relative to the folder."""
    inside = [path for name in FOLDERS for path in (folder / name).rglob("*") if not path.is_dir()]
    tables = [folder / name for name in (*TABLES, *FOLDERS) if (folder / name).is_file() or (folder / name).is_symlink()]
    return {path.relative_to(folder).as_posix() for path in [*inside, *tables]}


def _workspace(source: Path, output: Path, settings: Path) -> Workspace:
    params = load_params(settings) if settings.is_file() else Params()
    raw = params.data.model_copy(update={"raw": str(source)})
    params = params.model_copy(update={"data": raw, "storage": Storage(layout="folders")})  # to look at, not to version
    root = output / ".onscreen" / "workspace"
    workspace = Workspace(root, root, params, output / ".onscreen" / "cache")
    write_ledger(workspace.ledger, {})
    return workspace


def _stages(workspace: Workspace) -> NothingUsable | None:
    """Run them. When prepare found videos and could use none, the others run on nothing, so that no old result stays behind."""
    from onscreen.stages import dedupe, extract_faces, prepare

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


def _place(workspace: Workspace, output: Path) -> Outcome:
    """Copy the stages' results into output, each folder whole or not at all. The manifest is written first."""
    faces = read_table(workspace.faces / "faces.parquet", Face)
    identities = read_table(workspace.identities / "identities.parquet", Identity)
    stages = (workspace.prepared, workspace.faces, workspace.identities)
    rejects = [row for stage in stages for row in read_table(stage / "rejects.parquet", Reject)]
    parents = dict(zip(FOLDERS, (workspace.faces, workspace.identities, workspace.identities), strict=True))
    new = {f"{name}/{path.name}" for name, parent in parents.items() for path in (parent / name).iterdir()}
    write_json(output / ".onscreen" / "written.json", sorted(_files(output) | new | set(TABLES)))
    for name, parent in parents.items():
        with atomic_folder(output / name) as folder:
            shutil.copytree(parent / name, folder, dirs_exist_ok=True)
    write_table(output / "faces.parquet", Face, faces)
    write_table(output / "identities.parquet", Identity, identities)
    write_table(output / "rejects.parquet", Reject, rejects)
    clips = len(read_table(workspace.prepared / "clips.parquet", Clip))
    codes = Counter(f"{row.scope}.{row.code}" for row in rejects)
    return Outcome(clips, len(faces), len({row.identity_id for row in identities}), dict(sorted(codes.items())))
