"""m2p: dance videos with music -> video, music features, 134 points, reference picture and face embedding, side by side in time.

First every clip gets a cheap look, which tells dancers from talking heads; only dancers are measured whole. Whether the sound is
music is not measured yet: a dancer who is seen whole and is heard with a beat counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from onscreen import weights
from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Faces, M2p, Params
from onscreen.console import log
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces.embedders import pool
from onscreen.records import Clip, Reject
from onscreen.stages.m2p_clip import LOOK_MODELS, SAMPLE_MODELS, DanceClip, look_for_body, measure_dance
from onscreen.stages.m2p_counts import SIDES, metrics, notes
from onscreen.stages.m2p_fill import Fill
from onscreen.stages.m2p_output import write_metadata, write_plots, write_sample
from onscreen.stages.m2p_parts import part_of, parts_of
from onscreen.stages.m2p_records import STAGE, Dance, Sample
from onscreen.stages.m2p_sides import People, divide, read_people
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.workspace import Workspace

Found = TypeVar("Found", Clip, Sample)
_LIBRARIES = ("av", "dlib-bin", "librosa", "mediapipe", "numpy", "onnxruntime", "opencv-python", "scipy")
_SEEN = 0.5  # visibility from which MediaPipe's own tools call a point seen


def choose(params: M2p, clips: Iterable[Clip]) -> Iterator[Clip | Reject]:
    """Clips that may be dances by what prepare measured; rejects: no_audio, silent, clip_too_short, low_fps, too_few_pixels."""
    for clip in clips:
        try:
            _check_clip(params, clip)
        except Rejected as rejected:
            yield _reject(clip, rejected)
        else:
            yield clip


def _check_clip(params: M2p, clip: Clip) -> None:
    if not clip.has_audio:
        raise Rejected("no_audio", "without a soundtrack there is no music to dance to")
    if clip.loudness_lufs is None:
        raise Rejected("silent", "the soundtrack is silent (below -70 LUFS)")
    wanted = (
        ("clip_too_short", "min_clip_s", clip.end_s - clip.start_s, params.min_clip_s),
        ("low_fps", "min_source_fps", round(clip.fps, 1), params.min_source_fps),  # 23.976 counts as 24
        ("too_few_pixels", "min_source_px", min(clip.width, clip.height), params.min_source_px),
    )
    for code, name, found, least in wanted:
        if found < least:
            raise Rejected(code, f"below m2p.{name}", {"found": found, name: least})


def look(params: M2p, looked: Iterable[tuple[Clip, Item | Rejected]]) -> Iterator[Clip | Reject]:
    """Clips in which a whole body is seen in any of the sampled frames; reject: no_whole_body."""
    for clip, item in looked:
        if isinstance(item, Rejected):
            yield _reject(clip, item)
        elif not (share := body_share(params, item)):
            numbers = {**_body_numbers(item), "share": share, "frames": float(item.meta["frames"])}
            yield _reject(clip, Rejected("no_whole_body", "nobody is seen from the shoulders to the ankles", numbers))
        else:
            yield clip


def run(params: Params, measured: Iterable[tuple[Clip, Item | Rejected]], people: People) -> Iterator[Sample | Reject]:
    """Decide over whole measurements, which are let go one by one; then over sides, which takes all dances together.

    Rejects: body_seldom_seen, clip_too_short, quarantine, and what measure_dance raises.
    """
    dances = list[Dance]()
    for clip, item in measured:
        try:
            if isinstance(item, Rejected):
                raise item
        except Rejected as rejected:
            yield _reject(clip, rejected)
            continue
        for index, part in enumerate(parts_of(item)):
            try:
                dances.append(_dance(params, clip, index, part))
            except Rejected as rejected:
                yield _reject(clip, rejected)
    yield from divide(params.split, dances, people)


def _dance(params: Params, clip: Clip, index: int, item: Item) -> Dance:
    share = _check_dance(params.m2p, item)
    good = _good_views(params.faces, item)
    embedding = pool(item.arrays["embeddings"][good]) if good else None
    reference = good[0] if good else None
    song = item.arrays["song"]
    return Dance(
        clip.clip_id,
        clip,
        index,
        clip.start_s,
        item.meta["frames"],
        embedding,
        len(good),
        reference,
        share,
        song,
        (),
        tuple(good),
    )


def _check_dance(params: M2p, item: Item) -> float:
    """The share of frames with a whole body, if that and the length will do."""
    duration_s = item.meta["frames"] / params.fps
    if duration_s < params.min_clip_s:
        numbers = {"duration_s": duration_s, "min_clip_s": params.min_clip_s}
        raise Rejected("clip_too_short", "picture and sound share too few frames", numbers)
    share = body_share(params, item)
    if share < params.min_body_frames:
        numbers = {**_body_numbers(item), "share": share, "min_body_frames": params.min_body_frames}
        raise Rejected("body_seldom_seen", "the whole body is in the picture in too few frames", numbers)
    return share


def body_share(params: M2p, item: Item) -> float:
    """Share of frames with a whole body: hips, knees and ankles in the picture and visible, and the mean confidence of shoulders,
    elbows, wrists and legs at least min_body_confidence."""
    whole = (item.arrays["legs"] >= _SEEN).all(axis=1)
    sure = item.arrays["limbs"].mean(axis=1) >= params.min_body_confidence
    return float((whole & sure).mean())


def _body_numbers(item: Item) -> dict[str, float]:
    return {
        "body_confidence": float(item.arrays["limbs"].mean()),
        "legs_share": float((item.arrays["legs"] >= _SEEN).all(axis=1).mean()),
    }


def _good_views(params: Faces, item: Item) -> list[int]:
    """The views that would do as faces of a clip, best first."""
    return [
        index
        for index, view in enumerate(item.meta["views"])
        if view["score"] >= params.min_score and view["interocular_px"] >= params.min_interocular_px
    ]


def _reject(clip: Clip, rejected: Rejected) -> Reject:
    return Reject(clip.clip_id, STAGE, "dance", rejected.code, rejected.detail, rejected.numbers)


def main(workspace: Workspace, fill: Fill | None = None) -> None:
    """Choose, look, measure and decide; write data/m2p, metrics and plots. fill: sides of who is joined to nobody that has one."""
    params, rejects = workspace.params, list[Reject]()
    clips = _kept(choose(params.m2p, read_table(workspace.prepared / "clips.parquet", Clip)), rejects)
    engine = workspace.engine
    looked = engine.measure("bodies", look_for_body, jobs(workspace, clips, LOOK_MODELS, {}))
    clips = _kept(look(params.m2p, zip(clips, looked, strict=True)), rejects)
    settings = {"fps": params.m2p.fps, "resolution": params.m2p.resolution}
    dances = jobs(workspace, clips, SAMPLE_MODELS, settings)
    measured = zip(clips, engine.measure("dances", measure_dance, dances), strict=True)
    samples = _kept(run(params, measured, read_people(workspace, fill)), rejects)
    job_of = {clip.clip_id: job for clip, job in zip(clips, dances, strict=True)}
    again = engine.measure("samples", measure_dance, [job_of[sample.dance.clip.clip_id] for sample in samples])  # from the cache
    entries = list[dict[str, Any]]()
    with atomic_folder(workspace.m2p) as folder:
        for side in SIDES:
            (folder / side).mkdir()
        for sample, item in zip(samples, again, strict=True):
            if isinstance(item, Rejected):
                rejects.append(_reject(sample.dance.clip, item))
            else:
                part = part_of(item, sample.dance.part)
                entries.append(write_sample(folder, sample, part, params.m2p))
        write_metadata(folder, params.m2p, entries)
        write_table(folder / "rejects.parquet", Reject, rejects)
    workspace.write_metrics(STAGE, metrics(entries, rejects))
    for note in notes(entries):
        log.warning("%s: %s", STAGE, note)
    with atomic_folder(workspace.plots(STAGE)) as folder:
        write_plots(folder, workspace.m2p, entries, rejects)


def _kept(found: Iterable[Found | Reject], rejects: list[Reject]) -> list[Found]:
    """What is no reject; rejects go aside."""
    kept = list[Found]()
    for row in found:
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            kept.append(row)
    return kept


def jobs(workspace: Workspace, clips: Sequence[Clip], models: Sequence[str], settings: Mapping[str, int]) -> list[Job]:
    """One measurement a clip. settings: the parameters that it depends on, no thresholds."""
    if not clips:
        return []
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    code = code_digest("onscreen.stages.m2p_clip", *_LIBRARIES)
    digests = [weights.digest_of(model) for model in models]
    size = {"fps": workspace.params.m2p.fps, "resolution": workspace.params.m2p.resolution}

    def job(clip: Clip) -> Job:
        inputs = [clip.source_sha256, f"{clip.start_s:.6f}-{clip.end_s:.6f}"]
        key = item_key(inputs=inputs, code=code, params=settings, weights=digests)
        return Job(key, DanceClip(workspace.raw / clip.source, clip.start_s, clip.end_s, files=files, **size))

    return [job(clip) for clip in clips]
