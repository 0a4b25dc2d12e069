"""`onscreen faces dedupe`: a folder of face pictures, grouped by person under the guide's names, as its deduplicate_faces.py did.

DEDUPE/vid_123.jpg stands for a person, DEDUPE/vid_123_dedupe_vid_456.jpg is another picture of that person, and REPRESENTATIVE
holds the first kind alone. All are copies, byte by byte, of the pictures read.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from onscreen.cache import code_digest, item_key
from onscreen.config import Faces, Params
from onscreen.engine import Job
from onscreen.errors import ConfigError, InputError, NothingUsable
from onscreen.faces.pictures import LIBRARIES, measure_picture
from onscreen.guide.extract import EXTRACTED
from onscreen.guide.options import counts, results_in
from onscreen.media.files import Found, find_videos
from onscreen.media.images import SUFFIXES
from onscreen.naming import picture_ids
from onscreen.own_folder import OwnFolder
from onscreen.records import Clip, Face, Identity, Reject
from onscreen.stages import dedupe as stage
from onscreen.stages import extract_faces, prepare
from onscreen.stages.prepare import Source
from onscreen.store import read_json, read_table, write_table
from onscreen.workspace import Workspace

MANIFEST = "written_dedupe.json"


@dataclass(frozen=True)
class Places:
    """Absolute paths."""

    faces: Path
    dedupe: Path
    representatives: Path


@dataclass(frozen=True)
class Outcome:
    """What came of it. pictures: all that were given. grouped: those in a group. measured_before: embeddings are those of
    `faces extract`. threshold: the cosine distance in force. rejects: rows by code.
    """

    pictures: int
    grouped: int
    identities: int
    measured_before: bool
    embedder: str
    method: str
    threshold: float
    rejects: dict[str, int]

    @property
    def without(self) -> int:
        """Pictures that are in no group."""
        return self.pictures - self.grouped


@dataclass(frozen=True)
class _Seen:
    """Faces with the settings that made their embeddings. images: face_id -> path. rejects: why others are not among them."""

    faces: Sequence[Face]
    made_with: Faces
    images: dict[str, Path]
    rejects: list[Reject]
    measured_before: bool


def dedupe(places: Places, params: Params, model: str | None, threshold: Literal["auto"] | float) -> Outcome:
    """Group the pictures below places.faces by person. model: None = params'.

    threshold: a number is a distance between single pictures, as in the guide. That of params is not looked at, because it belongs
    to clips which pool several frames.

    Raises InputError for folders that are missing, are one and the same, or hold what this command did not write; NothingUsable
    when there is no picture, or a face in none (after the reasons were written).
    """
    _check(places)
    params = _settings(params, model, threshold)
    own = OwnFolder(places.dedupe, "--dedupe_dir", MANIFEST)
    beside = OwnFolder(places.representatives, "--representative_dir", MANIFEST)
    with own.alone(), beside.alone():
        for folder in (own, beside):
            folder.refuse_foreign(results_in(folder.path) | folder.videos(but=places.faces))
        workspace = own.workspace(places.faces, params)
        found = _pictures(places)
        seen = _seen(workspace, found)
        outcome = _fill(own, beside, workspace, seen, len(found.videos))
    if not seen.faces:
        reasons = ", ".join(f"{count} {code}" for code, count in outcome.rejects.items())
        raise NothingUsable(f"no face in {places.faces} ({reasons}). Each reason is in {places.dedupe / 'rejects.parquet'}")
    return outcome


def _check(places: Places) -> None:
    if not places.faces.is_dir():
        raise InputError(f"--faces_dir {places.faces}: there is no such folder")
    if len({places.faces, places.dedupe, places.representatives}) < 3:
        raise InputError("--faces_dir, --dedupe_dir and --representative_dir must be three different folders")


def _settings(params: Params, model: str | None, threshold: Literal["auto"] | float) -> Params:
    faces = params.faces.model_copy(update={"embedder": model or params.faces.embedder, "keep": "largest"})
    return params.model_copy(update={"faces": faces, "dedupe": params.dedupe.model_copy(update={"threshold": threshold})})


def _pictures(places: Places) -> Found:
    """The pictures below the folder, but for those of the results."""
    found = find_videos(places.faces, SUFFIXES)
    inside = [folder for folder in (places.dedupe, places.representatives) if folder.is_relative_to(places.faces)]
    results = {PurePosixPath(folder.relative_to(places.faces).as_posix()) for folder in inside}
    pictures = [path for path in found.videos if results.isdisjoint(PurePosixPath(path).parents)]
    if not pictures:
        raise NothingUsable(f"--faces_dir {places.faces} holds no picture; it holds {prepare.what_else(found)}")
    return Found(pictures, found.others, found.closed)


def _seen(workspace: Workspace, found: Found) -> _Seen:
    sources, rejects = prepare.read_sources(workspace, workspace.raw, found, picture_ids)
    before = _measured_before(workspace, sources)
    return before if before and not rejects else _measured(workspace, sources, rejects)


def _measured_before(workspace: Workspace, sources: Sequence[Source]) -> _Seen | None:
    """What `faces extract` measured, if all pictures are its own, unchanged, and auto has a threshold for their embeddings.

    All or none: an embedding that pools five frames of a video and one of a single picture are not held to one threshold.
    """
    record, table = workspace.raw / ".onscreen" / EXTRACTED, workspace.raw / "faces.parquet"
    if workspace.params.dedupe.threshold != "auto" or not record.is_file() or not table.is_file():
        return None
    extracted = read_json(record)
    made_with, digests = Faces.model_validate_json(json.dumps(extracted["faces"])), extracted["sha256"]
    now = {source.path: source.sha256 for source in sources} | {table.name: hashlib.sha256(table.read_bytes()).hexdigest()}
    own = made_with.embedder == workspace.params.faces.embedder and all(digests.get(name) == sha for name, sha in now.items())
    if not own or not _has_threshold(made_with):
        return None
    faces = [face for face in read_table(table, Face) if face.image in now]
    return _Seen(faces, made_with, {face.face_id: workspace.raw / face.image for face in faces}, [], measured_before=True)


def _has_threshold(made_with: Faces) -> bool:
    try:
        stage.auto(made_with)
    except ConfigError:
        return False
    return True


def _measured(workspace: Workspace, sources: Sequence[Source], rejects: list[Reject]) -> _Seen:
    made_with = workspace.params.faces.model_copy(update={"frames": "first"})
    stage.threshold_of(workspace.params.dedupe, made_with, [])  # an embedder without a threshold is told before any work
    clips = [_clip(source) for source in sources]
    code = code_digest("onscreen.faces.pictures", *LIBRARIES)
    jobs = [Job(item_key(inputs=[job.key], code=code, params={}), job.argument) for job in extract_faces.jobs(workspace, clips)]
    measured = workspace.engine.measure("pictures", measure_picture, jobs)
    faces = []
    for found in extract_faces.run(made_with, zip(clips, measured, strict=True)):
        if isinstance(found, extract_faces.Portrait):
            faces.append(found.face)
        elif isinstance(found, Reject) and found.scope != "voice":
            rejects.append(found)
    images = {source.clip_id: workspace.raw / source.path for source in sources}
    return _Seen(faces, made_with, images, rejects, measured_before=False)


def _clip(source: Source) -> Clip:
    """A picture as the stages take a clip; this row is never stored."""
    return Clip(
        clip_id=source.clip_id,
        source=source.path,
        source_sha256=source.sha256,
        start_s=0.0,
        end_s=0.0,
        fps=0.0,
        width=0,
        height=0,
        rotation_deg=0,
        has_audio=False,
        audio_rate_hz=0,
        audio_channels=0,
        audio=None,
        loudness_lufs=None,
        speech_s=0.0,
        speech_start_s=(),
        speech_end_s=(),
        flags=(),
    )


def _fill(own: OwnFolder, beside: OwnFolder, workspace: Workspace, seen: _Seen, pictures: int) -> Outcome:
    settings = workspace.params.dedupe
    threshold = stage.threshold_of(settings, seen.made_with, seen.faces)
    found = list(stage.run(settings, threshold, seen.faces, {}))
    rejects = [_told(row, seen, workspace.raw) for row in (*seen.rejects, *(row for row in found if isinstance(row, Reject)))]
    rows = [_named(row, seen.images[row.face_id]) for row in found if isinstance(row, Identity)]
    with ExitStack() as stack:
        deduped, representatives = (stack.enter_context(folder.filling()) for folder in (own, beside))
        for row in rows:
            shutil.copyfile(seen.images[row.face_id], deduped / row.image)
            if row.is_representative:
                shutil.copyfile(seen.images[row.face_id], representatives / row.image)
        write_table(deduped / "identities.parquet", Identity, rows)
        write_table(deduped / "rejects.parquet", Reject, rejects)
    people = len({row.identity_id for row in rows})
    embedder, before = seen.made_with.embedder, seen.measured_before
    return Outcome(pictures, len(rows), people, before, embedder, settings.method, threshold, counts(rejects))


def _told(row: Reject, seen: _Seen, raw: Path) -> Reject:
    """The row with its picture's name in the detail: an id may leave out the ending and the folder."""
    path = seen.images.get(row.item)
    name = path.relative_to(raw).as_posix() if path else ""
    return row if name in row.detail else replace(row, detail=f"{name}: {row.detail}")


def _named(row: Identity, picture: Path) -> Identity:
    """The row with the ending that its picture has."""
    return replace(row, image=row.image.removesuffix(".jpg") + picture.suffix)
