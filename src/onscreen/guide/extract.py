"""`onscreen faces extract`: one face picture a video, vid_123.jpg, as the guide's extract_faces.py made them.

Beside the pictures lie faces.parquet and rejects.parquet. FOLDER/.onscreen/extracted.json says what the pictures are, so that
`onscreen faces dedupe` need not measure them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Faces, Params
from onscreen.engine import Job
from onscreen.errors import InputError, NothingUsable, Rejected
from onscreen.faces.measurement import measure_faces
from onscreen.guide.options import counts, results_in
from onscreen.media.files import Found, find_videos
from onscreen.media.probe import Probe, probe
from onscreen.naming import file_stem
from onscreen.own_folder import OwnFolder
from onscreen.records import Clip, Face, Reject
from onscreen.stages import extract_faces, prepare
from onscreen.store import as_json, write_json, write_table
from onscreen.workspace import Workspace

MANIFEST = "written_extract.json"
EXTRACTED = "extracted.json"
_ANY_FACE: dict[str, object] = {  # the values of params.faces that keep every face which the detector found
    **dict.fromkeys(("min_score", "min_interocular_px", "min_presence", "min_mouth_width"), 0.0),
    **dict.fromkeys(("min_sharpness", "min_exposure", "min_dynamic_range", "min_completeness"), 0.0),
    **{"max_exposure": 1.0, "max_yaw": 90.0, "max_pitch": 90.0, "max_roll": 180.0},
}


@dataclass(frozen=True)
class Options:
    """What the command was asked for. detector: None = params'. extensions: lower case, with the dot."""

    detector: str | None = None
    align: bool = True
    enforce: bool = True
    extensions: tuple[str, ...] = (".mp4",)


@dataclass(frozen=True)
class Outcome:
    """What came of it. without: videos that gave no picture. rejects: rows by code. left_out: files of other kinds of video, by ending."""

    videos: int
    pictures: int
    without: int
    rejects: dict[str, int]
    left_out: dict[str, int]


def extract(source: Path, output: Path, params: Params, options: Options) -> Outcome:
    """Write the main person's face of every video below source into output.

    Raises InputError when source is no folder or output holds what this command did not write; NothingUsable when there is no
    video, or none gave a face (after the reasons were written).
    """
    source, output = source.resolve(), output.resolve()
    if not source.is_dir():
        raise InputError(f"--dataset_path {source}: there is no such folder")
    if source == output:
        raise InputError(f"--output_dir {output}: must be a folder of its own, not the one of the videos")
    folder = OwnFolder(output, "--output_dir", MANIFEST)
    with folder.alone():
        folder.refuse_foreign(results_in(output) | folder.videos(but=source))
        outcome = _fill(folder, folder.workspace(source, _settings(params, options)), options)
    if not outcome.pictures:
        reasons = ", ".join(f"{count} {code}" for code, count in outcome.rejects.items())
        raise NothingUsable(f"no video in {source} gave a face ({reasons}). Each reason is in {output / 'rejects.parquet'}")
    return outcome


def _settings(params: Params, options: Options) -> Params:
    faces = {"keep": "largest"} | ({} if options.enforce else _ANY_FACE)
    if options.detector:
        faces["detector"] = options.detector
    data = params.data.model_copy(update={"video_extensions": options.extensions})
    return params.model_copy(update={"data": data, "faces": params.faces.model_copy(update=faces)})


def _fill(folder: OwnFolder, workspace: Workspace, options: Options) -> Outcome:
    found = find_videos(workspace.raw, options.extensions)
    if not found.videos:
        wanted = ", ".join(f"*{extension}" for extension in options.extensions)
        raise NothingUsable(
            f"{workspace.raw} holds no video: none of {wanted} (--video_extensions); it holds {prepare.what_else(found)}"
        )
    extract_faces.require_models(workspace.params.faces)  # what is missing is told before any work
    clips, rejects = _clips(workspace, found)
    faces: list[Face] = []
    with folder.filling() as new:
        for face in _faces(workspace, clips, options):
            if isinstance(face, Reject):
                rejects.append(face)
                continue
            name = f"{file_stem(face.face.face_id)}.jpg"
            (new / name).write_bytes(face.jpeg)
            faces.append(replace(face.face, image=name))
        write_table(new / "faces.parquet", Face, faces)
        write_table(new / "rejects.parquet", Reject, rejects)
        extracted = _extracted(workspace.params.faces, new)
    write_json(folder.private / EXTRACTED, extracted)
    return Outcome(len(found.videos), len(faces), len(found.videos) - len(faces), counts(rejects), _left_out(workspace, found))


def _clips(workspace: Workspace, found: Found) -> tuple[list[Clip], list[Reject]]:
    """Every video whole: nothing is cut, and its sound is not looked at."""
    sources, rejects = prepare.read_sources(workspace, workspace.raw, found)
    code = code_digest("onscreen.media.probe", "av")
    keys = [item_key(inputs=[source.sha256], code=code, params={}) for source in sources]
    jobs = [Job(key, str(workspace.raw / source.path)) for key, source in zip(keys, sources, strict=True)]
    clips = []
    for source, item in zip(sources, workspace.engine.measure("videos", measure_probe, jobs), strict=True):
        if isinstance(item, Rejected):
            rejects.append(
                Reject(source.clip_id, prepare.STAGE, "clip", item.code, f"{source.path}: {item.detail}", item.numbers)
            )
        else:
            clips.append(prepare.whole_clip(source, Probe(**item.meta["probe"])))
    return clips, rejects


def measure_probe(path: str) -> Item:
    """What a video file is. meta: "probe", a Probe's fields. Raises Rejected as probe does."""
    return Item({"probe": as_json(probe(Path(path)))})


def _faces(workspace: Workspace, clips: Sequence[Clip], options: Options) -> Iterator[extract_faces.Portrait | Reject]:
    jobs = extract_faces.jobs(workspace, clips)
    measured = workspace.engine.measure("faces", measure_faces, jobs if options.align else [_leaning(job) for job in jobs])
    for found in extract_faces.run(workspace.params.faces, zip(clips, measured, strict=True)):
        if isinstance(found, extract_faces.Portrait) or (isinstance(found, Reject) and found.scope != "voice"):
            yield found


def _leaning(job: Job) -> Job:
    """The same measurement with crops that are not turned."""
    return Job(item_key(inputs=[job.key], code="", params={"level_crop": False}), replace(job.argument, level_crop=False))


def _extracted(faces: Faces, new: Path) -> dict[str, object]:
    """How the pictures' embeddings were made, and the digest of every file."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in new.iterdir()}
    return {"faces": faces.model_dump(mode="json"), "sha256": digests}


def _left_out(workspace: Workspace, found: Found) -> dict[str, int]:
    """Videos by their names that --video_extensions does not ask for."""
    endings = [Path(path).suffix.lower() for path in found.others]
    return {ending: endings.count(ending) for ending in sorted(set(endings)) if ending in Params().data.video_extensions}
