"""extract_faces: choose frames, detect, align, measure and embed the faces of every clip; keep the clip's people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from onscreen import weights
from onscreen.cache import Item, code_digest, item_key
from onscreen.config import Faces
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces import detectors, embedders
from onscreen.faces.limits import choose_views, views_needed
from onscreen.faces.measurement import ClipFaces, measure_faces
from onscreen.faces.people import group_people, places
from onscreen.naming import face_id, file_stem
from onscreen.records import Clip, Face, Reject, View
from onscreen.storage import storing
from onscreen.store import atomic_folder, atomic_path, read_table, write_table, writing_table
from onscreen.workspace import Workspace

STAGE = "extract_faces"
FOLDER = "extracted_faces"
_LIBRARIES = ("av", "deepface", "dlib-bin", "insightface", "mediapipe", "numpy", "onnxruntime", "opencv-python", "scikit-image")
_SETTINGS = ("detector", "embedder", "frames", "frames_per_clip", "crop_px", "crop_margin")


@dataclass(frozen=True)
class Portrait:
    """A kept face and the JPEG bytes of its crop."""

    face: Face
    jpeg: bytes


@dataclass(frozen=True)
class Standing:
    """A person among those of the clip: the fields person, place and people of Face."""

    person: int
    place: int
    people: int


def run(params: Faces, measured: Iterable[tuple[Clip, Item | Rejected]]) -> Iterator[Portrait | View | Reject]:
    """Decide over what measure_faces found: the people of every clip, or the reason why a clip has none; and all their views.

    A person is kept when enough views (min_presence) keep all thresholds (faces/limits.py). Its embedding pools those views; its
    picture is the best of them. keep: "largest" looks at the main person alone (number 0), "all" at everyone.
    A face without an embedding (lost) belongs to nobody, but whoever stands beside one is not alone.
    A clip in which two people or more are seen gives its face; how many they are is Face.people, and whose the voice is then the stage
    voices decides. Seen is who is sure (min_score) in two frames, or in one where min_presence asks for one; so whoever is kept is seen.
    """
    for clip, item in measured:
        if isinstance(item, Rejected):
            yield Reject(clip.clip_id, STAGE, "face", item.code, item.detail, item.numbers)
        elif not item.meta["faces"] and not item.meta["lost"]:
            numbers = {"frames": float(len(item.meta["frames"]))}
            yield Reject(clip.clip_id, STAGE, "face", "no_face", "no face in any sampled frame", numbers)
        else:
            yield from _lost(clip, item)
            yield from _people(params, clip, item)


def _lost(clip: Clip, item: Item) -> Iterator[Reject]:
    """A reject for every reason why faces of the clip have no embedding. They cost themselves, and the clip its face if all are lost."""
    lost = item.meta["lost"]
    found = len(item.meta["faces"]) + len(lost)
    for code, count in sorted(Counter(face["code"] for face in lost).items()):
        first = next(face for face in lost if face["code"] == code)
        numbers = {**first["numbers"], "lost": float(count), "found": float(found)}
        yield Reject(
            clip.clip_id, STAGE, "face", code, f"of {count} of the {found} faces in its frames: {first['detail']}", numbers
        )


def _people(params: Faces, clip: Clip, item: Item) -> Iterator[Portrait | View | Reject]:
    faces, frames = item.meta["faces"], len(item.meta["frames"])
    people = group_people(faces, item.arrays["embeddings"], params.embedder)
    sure = [[view for view in person if faces[view]["score"] >= params.min_score] for person in people]
    seen = [number for number, views in enumerate(sure) if len(views) >= min(2, views_needed(params, frames))]
    place = dict(zip(seen, places(faces, [sure[number] for number in seen]), strict=True))
    many = len(seen) + _stands_beside(params, item)
    for number, person in enumerate(people):
        views = [_view(clip, item, number, index) for index in person]
        pooled: list[int] = []
        if number == 0 or params.keep == "all":
            try:
                pooled = choose_views(params, views, frames)
            except Rejected as rejected:
                yield Reject(face_id(clip.clip_id, number), STAGE, "face", rejected.code, rejected.detail, rejected.numbers)
            else:
                yield _portrait(params, clip, item, Standing(number, place[number], many), [person[view] for view in pooled])
        yield from (replace(view, pooled=index in pooled) for index, view in enumerate(views))


def _stands_beside(params: Faces, item: Item) -> bool:
    """Whether somebody of whom there is no embedding is seen beside a sure face; who that is cannot be told."""
    sure = Counter(face["frame"] for face in (*item.meta["faces"], *item.meta["lost"]) if face["score"] >= params.min_score)
    beside = {face["frame"] for face in item.meta["lost"] if face["score"] >= params.min_score and sure[face["frame"]] > 1}
    return len(beside) >= min(2, views_needed(params, len(item.meta["frames"])))


def _view(clip: Clip, item: Item, person: int, index: int) -> View:
    measured = dict(item.meta["faces"][index])
    frame = measured.pop("frame")
    landmarks = tuple(measured.pop("landmarks"))
    return View(
        clip_id=clip.clip_id,
        person=person,
        frame=frame,
        frames=len(item.meta["frames"]),
        time_s=item.meta["frames"][frame],
        box=tuple(measured.pop("box")),
        landmarks=landmarks,
        mouth_width=_mouth_width(landmarks),
        pooled=False,
        **measured,
    )


def _mouth_width(landmarks: Sequence[float]) -> float:
    """Width of the mouth over the distance of the eyes."""
    points = np.reshape(landmarks, (5, 2))
    return float(np.linalg.norm(points[4] - points[3])) / max(float(np.linalg.norm(points[1] - points[0])), 1e-6)


def _portrait(params: Faces, clip: Clip, item: Item, who: Standing, views: Sequence[int]) -> Portrait:
    best = max(views, key=lambda view: (item.meta["faces"][view]["quality"], -view))
    view = dict(item.meta["faces"][best])
    name = face_id(clip.clip_id, who.person)
    face = Face(
        face_id=name,
        clip_id=clip.clip_id,
        source=clip.source,
        source_sha256=clip.source_sha256,
        start_s=clip.start_s,
        person=who.person,
        people=who.people,
        place=who.place,
        image=f"{FOLDER}/{file_stem(name)}.jpg",
        time_s=item.meta["frames"][view.pop("frame")],
        box=tuple(view.pop("box")),
        landmarks=tuple(view.pop("landmarks")),
        **view,
        n_frames=len(views),
        detector=params.detector,
        embedder=params.embedder,
        embedding=embedders.pool(item.arrays["embeddings"][list(views)]),
    )
    return Portrait(face, item.arrays[f"crop_{best}"].tobytes())


def models_of(params: Faces) -> tuple[str, ...]:
    """Names in weights.toml of the models that make the faces."""
    return (*detectors.WEIGHTS[params.detector], *embedders.WEIGHTS[params.embedder])


def require_models(params: Faces) -> tuple[str, ...]:
    """models_of, once the detector's library and every model file are here. Raises ConfigError or WeightsError saying how to get it."""
    models = models_of(params)
    detectors.require(params.detector)
    weights.ensure(models)
    return models


def require_named(params: Faces) -> None:
    """The same, of what a person must install or fetch. Fetches nothing."""
    detectors.require(params.detector)
    weights.require_named(models_of(params))


def jobs(workspace: Workspace, clips: Sequence[Clip]) -> list[Job]:
    """One measurement a clip; its key holds only what the measurement depends on, no threshold."""
    params = workspace.params.faces
    models = require_models(params)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    settings = {name: getattr(params, name) for name in _SETTINGS}

    def job(clip: Clip) -> Job:
        argument = ClipFaces(workspace.raw / clip.source, clip.start_s, clip.end_s, files=files, **settings)
        return Job(measurement_key(params, clip), argument)

    return [job(clip) for clip in clips]


def measurement_key(params: Faces, clip: Clip) -> str:
    """Under which the item cache holds what measure_faces found in a clip."""
    code = code_digest("onscreen.faces.measurement", *{*_LIBRARIES, *detectors.LIBRARIES[params.detector]})
    inputs = [clip.source_sha256, f"{clip.start_s:.6f}-{clip.end_s:.6f}"]
    settings = {name: getattr(params, name) for name in _SETTINGS}
    return item_key(inputs=inputs, code=code, params=settings, weights=[weights.digest_of(model) for model in models_of(params)])


def main(workspace: Workspace) -> None:
    """Measure the faces of all clips, decide, and write data/faces, metrics and plots."""
    clips = read_table(workspace.prepared / "clips.parquet", Clip)
    measured = workspace.engine.measure("faces", measure_faces, jobs(workspace, clips))
    faces: list[Face] = []
    rejects: list[Reject] = []
    with (
        atomic_folder(workspace.faces) as folder,
        storing(folder, workspace.params.storage.layout) as save,
        writing_table(folder / "views.parquet", View) as add_view,
    ):
        (folder / FOLDER).mkdir()
        for found in run(workspace.params.faces, zip(clips, measured, strict=True)):
            if isinstance(found, Reject):
                rejects.append(found)
            elif isinstance(found, View):
                add_view(found)
            else:
                save(found.face.image, found.jpeg)
                faces.append(found.face)
        write_table(folder / "faces.parquet", Face, faces)
        write_table(folder / "rejects.parquet", Reject, rejects)
    models = weights.provenance(models_of(workspace.params.faces))
    workspace.write_metrics(STAGE, {**metrics(clips, faces, rejects), "models": models})
    _write_plots(workspace.plots(STAGE), faces)


def metrics(clips: Sequence[Clip], faces: Sequence[Face], rejects: Sequence[Reject]) -> dict[str, Any]:
    """What reports/metrics/extract_faces.json holds; medians only where there is a face."""
    counts: dict[str, Any] = {
        "status": "ok" if faces else "no faces",
        "clips": len(clips),
        "clips_with_face": len({face.clip_id for face in faces}),
        "faces": len(faces),
        "rejects": dict(Counter(f"{reject.scope}.{reject.code}" for reject in rejects)),
    }
    if faces:
        names = ("score", "quality", "interocular_px", "n_frames")
        counts["median"] = {name: float(np.median([getattr(face, name) for face in faces])) for name in names}
    return counts


def _write_plots(folder: Path, faces: Sequence[Face]) -> None:
    """Histograms: how many faces have which quality, score and size. Always the same files, also for no face."""
    ranges = {"quality": (0.0, 1.0), "score": (0.0, 1.0), "interocular_px": (0.0, 200.0)}
    with atomic_folder(folder) as temporary:
        for name, (low, high) in ranges.items():
            values = np.clip([getattr(face, name) for face in faces], low, high)
            counts, edges = np.histogram(values, bins=20, range=(low, high))
            rows = [f"{edge:g},{count}" for edge, count in zip(edges, counts, strict=False)]
            with atomic_path(temporary / f"{name}.csv") as path:
                path.write_text("\n".join([f"{name},faces", *rows]) + "\n", encoding="utf-8")
