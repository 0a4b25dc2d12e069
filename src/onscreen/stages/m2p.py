"""m2p: dance videos with music -> video, music features, 134 points, reference picture and face embedding, side by side in time.

First every clip gets a cheap look, which tells dancers from talking heads; only dancers are measured whole. Who is seen whole and is
heard with a beat counts as a dancer; who is seen without legs does too, unless the sound is speech without music.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from onscreen import weights
from onscreen.cache import Item, code_digest, item_key
from onscreen.config import M2p, Params
from onscreen.console import log
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces.embedders import pool
from onscreen.motion import precomputed
from onscreen.motion.keypoints import drop_unsure
from onscreen.motion.poses import weights_of
from onscreen.motion.smoothing import one_euro
from onscreen.records import Clip, Reject
from onscreen.stages.m2p_clip import FACE_MODELS, LOOK_MODELS, DanceClip, look_for_body, measure_dance
from onscreen.stages.m2p_counts import SIDES, metrics, notes
from onscreen.stages.m2p_faces import ARCFACE
from onscreen.stages.m2p_fill import Fill
from onscreen.stages.m2p_gate import body_share, check_clip, check_look, check_part, good_views, remarks, upper_share
from onscreen.stages.m2p_output import write_metadata, write_plots, write_sample
from onscreen.stages.m2p_parts import lost_parts, part_of, parts_of
from onscreen.stages.m2p_records import STAGE, Dance, Sample
from onscreen.stages.m2p_sides import People, divide, read_people
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.workspace import Workspace

Found = TypeVar("Found")
_LIBRARIES = (
    *("av", "dlib-bin", "insightface", "librosa", "mediapipe", "numpy", "onnxruntime", "opencv-python", "scenedetect", "scipy"),
)


def choose(params: M2p, clips: Iterable[Clip]) -> Iterator[Clip | Reject]:
    """Clips that may be dances by what prepare measured; rejects: no_audio, silent, clip_too_short, low_fps, too_few_pixels."""
    for clip in clips:
        try:
            check_clip(params, clip)
        except Rejected as rejected:
            yield _reject(clip.clip_id, rejected)
        else:
            yield clip


def look(params: M2p, looked: Iterable[tuple[Clip, Item | Rejected]]) -> Iterator[tuple[Clip, Item] | Reject]:
    """Clips that may be dances by the sampled frames, and their looks; rejects: no_whole_body, upper_body_and_speech."""
    for clip, item in looked:
        try:
            if isinstance(item, Rejected):
                raise item
            check_look(params, clip, item)
        except Rejected as rejected:
            yield _reject(clip.clip_id, rejected)
        else:
            yield clip, item


def run(params: Params, measured: Iterable[tuple[Clip, Item | Rejected]], people: People) -> Iterator[Sample | Reject]:
    """Decide over whole measurements, which are let go one by one; then over sides, which takes all dances together.

    Rejects: body_seldom_seen, upper_body_and_speech, clip_too_short, quarantine, and what measure_dance raises.
    """
    dances = list[Dance]()
    for clip, item in measured:
        for found in _dances(params, clip, item):
            if isinstance(found, Reject):
                yield found
            else:
                dances.append(found)
    yield from divide(params.split, dances, people)


def _dances(params: Params, clip: Clip, item: Item | Rejected) -> Iterator[Dance | Reject]:
    """The dances of a clip, one a part that is good enough."""
    if isinstance(item, Rejected):
        yield _reject(clip.clip_id, item)
        return
    parts, lost = parts_of(item), lost_parts(item)
    shots = len(parts) + len(lost)
    for shot, rejected in lost:
        yield _reject(_dance_id(clip, shot, shots), rejected)
    for index, part in enumerate(parts):
        dance_id = _dance_id(clip, part.meta["shot"], shots)
        try:
            check_part(params.m2p, clip, part)
        except Rejected as rejected:
            yield _reject(dance_id, rejected)
            continue
        good = good_views(params.faces, part)
        yield Dance(
            dance_id=dance_id,
            clip=clip,
            part=index,
            start_s=part.meta["start_s"],
            frames=part.meta["frames"],
            embedding=pool(part.arrays["embeddings"][good]) if good else None,
            views=len(good),
            reference=good[0] if good else None,
            body_share=body_share(params.m2p, part),
            upper_share=upper_share(params.m2p, part),
            song=part.arrays["song"],
            warnings=remarks(params.m2p, clip, part, len(good)),
            good_views=tuple(good),
        )


def _dance_id(clip: Clip, shot: int, shots: int) -> str:
    return clip.clip_id if shots == 1 else f"{clip.clip_id}-d{shot:03d}"


def finished(params: M2p, part: Item) -> Item:
    """A part as it is written: points below m2p.min_keypoint_confidence are unseen, the others smoothed if m2p.smooth says so."""
    points = drop_unsure(part.arrays["points"], params.min_keypoint_confidence)
    if params.smooth == "one_euro":
        points = one_euro(points, params.fps)
    return replace(part, arrays={**part.arrays, "points": points})


def _reject(item: str, rejected: Rejected) -> Reject:
    return Reject(item, STAGE, "dance", rejected.code, rejected.detail, rejected.numbers)


def main(workspace: Workspace, fill: Fill | None = None) -> None:
    """Choose, look, measure and decide; write data/m2p, metrics and plots. fill: sides of who is joined to nobody that has one."""
    params, rejects, engine = workspace.params, list[Reject](), workspace.engine
    clips = _kept(choose(params.m2p, read_table(workspace.prepared / "clips.parquet", Clip)), rejects)
    looks = engine.measure("bodies", look_for_body, look_jobs(workspace, clips))
    dancers = _kept(look(params.m2p, zip(clips, looks, strict=True)), rejects)
    dances = dance_jobs(workspace, dancers)
    measured = zip((clip for clip, _ in dancers), engine.measure("dances", measure_dance, dances), strict=True)
    samples = _kept(run(params, measured, read_people(workspace, fill)), rejects)
    entries = list[dict[str, Any]]()
    with atomic_folder(workspace.m2p) as folder:
        for side in SIDES:
            (folder / side).mkdir()
        job_of = {clip.clip_id: job for (clip, _), job in zip(dancers, dances, strict=True)}
        entries += _write_samples(workspace, folder, samples, job_of, rejects)
        write_metadata(folder, params.m2p, entries)
        write_table(folder / "rejects.parquet", Reject, rejects)
    workspace.write_metrics(STAGE, metrics(entries, rejects))
    for note in notes(entries):
        log.warning("%s: %s", STAGE, note)
    with atomic_folder(workspace.plots(STAGE)) as folder:
        write_plots(folder, workspace.m2p, entries, rejects)


def _write_samples(
    workspace: Workspace, folder: Path, samples: Sequence[Sample], job_of: Mapping[str, Job], rejects: list[Reject]
) -> Iterator[dict[str, Any]]:
    """Entries of metadata.json, one a sample written; measurements come from the cache again, a clip at a time."""
    of_clip = defaultdict[str, list[Sample]](list)
    for sample in samples:
        of_clip[sample.dance.clip.clip_id].append(sample)
    again = workspace.engine.measure("samples", measure_dance, [job_of[clip_id] for clip_id in of_clip])
    for (clip_id, its), item in zip(of_clip.items(), again, strict=True):
        if isinstance(item, Rejected):
            rejects.append(_reject(clip_id, item))
            continue
        for sample in its:
            part = finished(workspace.params.m2p, part_of(item, sample.dance.part))
            yield write_sample(folder, sample, part, workspace.params.m2p)


def _kept(found: Iterable[Found | Reject], rejects: list[Reject]) -> list[Found]:
    """What is no reject; rejects go aside."""
    kept = list[Found]()
    for row in found:
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            kept.append(row)
    return kept


def look_jobs(workspace: Workspace, clips: Sequence[Clip]) -> list[Job]:
    """A look at each clip."""
    params = workspace.params.m2p
    return _jobs(workspace, clips, LOOK_MODELS, [{}] * len(clips), {"resolution": params.resolution})


def dance_jobs(workspace: Workspace, dancers: Sequence[tuple[Clip, Item]]) -> list[Job]:
    """A whole measurement of each clip, framed as its look says."""
    params = workspace.params.m2p
    models = (*weights_of(params.pose), *FACE_MODELS, *([ARCFACE] if weights.is_here(ARCFACE) else []))
    settings = {
        **{"fps": params.fps, "resolution": params.resolution, "framing": params.framing},
        **{"pose": params.pose, "max_clip_s": params.max_clip_s},
    }
    own = [{"window": _window(params, item), "people": item.meta["people"]} for _, item in dancers]
    return _jobs(workspace, [clip for clip, _ in dancers], models, own, settings)


def _window(params: M2p, look: Item) -> tuple[int, int, int] | None:
    window = look.meta["window"]
    return tuple(window) if window and params.framing == "crop" else None


def _jobs(
    workspace: Workspace,
    clips: Sequence[Clip],
    models: Sequence[str],
    own: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> list[Job]:
    """One measurement a clip. settings, own: what it depends on, of all and of each; no thresholds."""
    if not clips:
        return []
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    code = code_digest("onscreen.stages.m2p_clip", *_LIBRARIES)
    digests = [weights.digest_of(model) for model in models]
    fps = workspace.params.m2p.fps

    def job(clip: Clip, of_clip: Mapping[str, Any]) -> Job:
        path, keypoints = workspace.raw / clip.source, None
        inputs = [clip.source_sha256, f"{clip.start_s:.6f}-{clip.end_s:.6f}"]
        if settings.get("pose") == "precomputed" and (keypoints := precomputed.keypoints_of(path)):
            inputs += workspace.hashes.sha256_of_all(precomputed.files_of(keypoints))
        depends = {**settings, **of_clip}
        key = item_key(inputs=inputs, code=code, params=depends, weights=digests)
        argument = DanceClip(path, clip.start_s, clip.end_s, **{"fps": fps, **depends}, files=files, keypoints=keypoints)
        return Job(key, argument)

    return [job(clip, of_clip) for clip, of_clip in zip(clips, own, strict=True)]
