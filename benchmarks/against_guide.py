"""Extraction and embedding beside the guide's own way. Run: python benchmarks/against_guide.py CLIPS [--detector dlib|opencv]

CLIPS is a folder of videos. The guide's way, in one process: OpenCV's first frame, DeepFace.extract_faces with the detector, the face
saved as a JPEG, DeepFace.represent (Dlib) of that picture with the same detector, and the greedy loop with scipy's cosine. Ours: the
faces' measurement through the engine, two workers, an empty item cache, keyframes; with 5 frames a clip, which is the default, and
with 1, as many as the guide takes; and once as params.yaml is shipped, with MediaPipe's detector, which DeepFace cannot run on its present versions. The same clips on the same machine, one after the other in one run. Each way runs twice, warm (its
libraries are loaded, its models have seen clips), and the better time counts. What starting workers costs is told apart.

Then ours once more in this process, by parts: how much of its time is outside of the two models. Models are the detector with its
landmarks, and the embedder's network.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from onscreen import weights
from onscreen.cache import Item, ItemCache
from onscreen.config import Faces
from onscreen.engine import Engine, Job
from onscreen.errors import Rejected
from onscreen.faces import measurement
from onscreen.faces.measurement import ClipFaces, measure_faces
from onscreen.media.probe import probe
from onscreen.stages.extract_faces import models_of

_WORKERS, _PASSES = 2, 2
_ENDINGS = (".mp4", ".mpg", ".mov", ".mkv", ".avi", ".webm")
_DLIB_FILES = ("dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat")
_THRESHOLD = 0.07  # DeepFace's for Dlib


@dataclass(frozen=True)
class Times:
    """Of one pass over all clips. start_s: until workers were warm. faces: clips that gave one."""

    wall_s: float
    core_s: float
    faces: int
    start_s: float = 0.0


def guides_way(clips: Sequence[Path], detector: str, home: Path) -> list[Times]:
    """Runs in a process of its own, which DeepFace's settings are made for. home: an empty folder."""
    lay_weights(home)
    os.environ.update(DEEPFACE_HOME=str(home), DEEPFACE_BACKEND_ENGINE="onnx")
    _guides_pass(clips[:2], detector, home)
    return [_guides_pass(clips, detector, home) for _ in range(_PASSES)]


def lay_weights(home: Path) -> None:
    """Dlib's files, which a package brings, where DeepFace looks for them."""
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs the package face_recognition_models (make setup installs it)")
    folder = home / ".deepface" / "weights"
    folder.mkdir(parents=True)
    for name in _DLIB_FILES:
        (folder / name).symlink_to(Path(spec.submodule_search_locations[0]) / "models" / name)


def _guides_pass(clips: Sequence[Path], detector: str, home: Path) -> Times:
    import cv2
    from deepface import DeepFace
    from scipy.spatial.distance import cosine

    wall_s, core_s = time.perf_counter(), time.process_time()
    found: list[Any] = []
    for clip in clips:
        capture = cv2.VideoCapture(str(clip))
        _, frame = capture.read()
        capture.release()
        try:
            faces = DeepFace.extract_faces(frame, detector_backend=detector, align=True, enforce_detection=True)
        except ValueError:  # no face
            continue
        picture = home / f"{clip.stem}.jpg"
        cv2.imwrite(str(picture), (faces[0]["face"][:, :, ::-1] * 255).astype(np.uint8))
        options = {"model_name": "Dlib", "detector_backend": detector, "enforce_detection": False}
        found.append(DeepFace.represent(str(picture), **options)[0]["embedding"])
    groups: list[list[int]] = []
    for index, embedding in enumerate(found):
        own = next((group for group in groups if cosine(found[group[0]], embedding) <= _THRESHOLD), None)
        own.append(index) if own is not None else groups.append([index])
    return Times(time.perf_counter() - wall_s, time.process_time() - core_s, len(found))


@dataclass(frozen=True)
class Timed:
    """A clip to measure, or, as `warm`, one to get a worker ready with: it waits until all of them are."""

    clip: ClipFaces
    warm: Path | None = None


def timed(job: Timed) -> Item:
    """measure_faces, and when it ran: meta: pid, from_s, to_s (of one clock for all processes), core_s since the process began."""
    if job.warm is not None:
        measure_faces(job.clip)
        (job.warm / str(os.getpid())).touch()
        while len(list(job.warm.iterdir())) < _WORKERS:
            time.sleep(0.01)
    before = {"from_s": time.monotonic(), "from_core_s": time.process_time()}
    item = Item({"faces": []}) if job.warm is not None else measure_faces(job.clip)
    after = {"to_s": time.monotonic(), "to_core_s": time.process_time()}
    meta = {"pid": os.getpid(), **before, **after, "warm": job.warm is not None, "faces": len(item.meta["faces"])}
    return Item(meta, item.arrays)


def our_way(clips: Sequence[ClipFaces]) -> list[Times]:
    return [_our_pass(clips) for _ in range(_PASSES)]


def _our_pass(clips: Sequence[ClipFaces]) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm"
        warm.mkdir()
        jobs = [Timed(clip, warm) for clip in clips[:_WORKERS]] + [Timed(clip) for clip in clips]
        engine = Engine(ItemCache(Path(folder) / "items"), _WORKERS, 600.0)
        started_s = time.monotonic()
        found = list(engine.measure("clips", timed, [Job(f"{number:064d}", job) for number, job in enumerate(jobs)]))
    lost = [item for item in found if isinstance(item, Rejected)]
    if lost:
        raise SystemExit(f"not measured: {lost[0].code} {lost[0].detail}")
    rows = [item.meta for item in found if isinstance(item, Item)]
    ready_s = max(row["to_s"] for row in rows if row["warm"])
    core_s = 0.0
    for pid in {row["pid"] for row in rows}:  # what a worker does between two items (storing, waiting for the next) is in it
        own = [row for row in rows if row["pid"] == pid]
        core_s += max(row["to_core_s"] for row in own) - max(row["to_core_s"] for row in own if row["warm"])
    measured = [row for row in rows if not row["warm"]]
    wall_s = max(row["to_s"] for row in measured) - ready_s
    return Times(wall_s, core_s, sum(row["faces"] > 0 for row in measured), ready_s - started_s)


class Parts:
    """Core-seconds by part, of code that says when it begins and ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start_s = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start_s

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            with self.part(name):
                return function(*given)

        return call


def by_parts(clips: Sequence[ClipFaces]) -> dict[str, float]:
    """Core-seconds of one warm pass in this process, one thread: decode, detector, chips, embedder, and the rest."""
    first = clips[0]
    detect, embedder = measurement._models(first.detector, first.embedder, tuple(sorted(first.files.items())))
    for clip in clips[:2]:
        measure_faces(clip)
    parts = Parts()
    infer, preprocess = embedder.infer, embedder.preprocess
    sample, look = measurement.sample_frames, parts.wrapped("detector with landmarks", type(detect).__call__)
    vars(embedder).update(infer=parts.wrapped("embedder", infer), preprocess=parts.wrapped("embedder's chips", preprocess))
    with tempfile.TemporaryDirectory() as folder:
        cache = ItemCache(Path(folder))
        for number, clip in enumerate(clips):
            with parts.part("all"):
                with parts.part("frames"):
                    frames = sample(clip.path, clip.start_s, clip.end_s, clip.frames_per_clip, clip.frames)
                item = measurement.measure_frames(clip, frames, look)
                with parts.part("storing"):
                    cache.put(f"{number:064d}", item)
    del vars(embedder)["infer"], vars(embedder)["preprocess"]
    total = parts.seconds.pop("all")
    return {**parts.seconds, "crops and measures": total - sum(parts.seconds.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--detector", choices=["dlib", "opencv"], default="dlib")
    given = parser.parse_args()
    paths = sorted(path for path in given.clips.iterdir() if path.suffix.lower() in _ENDINGS)
    ours = _our_clips(paths, given.detector)
    single = [replace(clip, frames_per_clip=1) for clip in ours]
    shipped = _our_clips(paths, Faces().detector)
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as process:
        guides = process.apply(guides_way, (paths, given.detector, Path(folder)))
    print(f"{len(paths)} clips, detector {given.detector}, embedder Dlib, best of {_PASSES} warm passes\n")
    ways = {f"{given.detector}, 5 a clip": ours, f"{given.detector}, 1 a clip": single, f"{Faces().detector}, 5 a clip": shipped}
    _print_table(len(paths), guides, {name: our_way(clips) for name, clips in ways.items()})
    for name, clips in ways.items():
        _print_parts(name, by_parts(clips), len(paths))


def _our_clips(paths: Sequence[Path], detector: str) -> list[ClipFaces]:
    params = Faces(detector=detector)  # type: ignore[arg-type]
    models = models_of(params)
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    names = ("detector", "embedder", "frames", "frames_per_clip", "crop_px", "crop_margin")
    settings = {name: getattr(params, name) for name in names}
    return [ClipFaces(path, 0.0, probe(path).duration_s, files=files, **settings) for path in paths]


def _print_table(clips: int, guides: list[Times], ours: dict[str, list[Times]]) -> None:
    print("| way | clips with a face | wall s a clip | core-s a clip | x faster | x fewer core-s | start-up s |")
    print("|---|---|---|---|---|---|---|")
    base = _best(guides)
    ways = {
        "the guide's, 1 a clip, 1 process": base,
        **{f"ours, {name}, {_WORKERS} workers": _best(times) for name, times in ours.items()},
    }
    for name, times in ways.items():
        ratios = f"{base.wall_s / times.wall_s:.1f} | {base.core_s / times.core_s:.1f}"
        print(
            f"| {name} | {times.faces} | {times.wall_s / clips:.3f} | {times.core_s / clips:.3f} | {ratios} | {times.start_s:.1f} |"
        )
    print()


def _best(times: list[Times]) -> Times:
    return replace(times[0], wall_s=min(one.wall_s for one in times), core_s=min(one.core_s for one in times))


def _print_parts(title: str, parts: dict[str, float], clips: int) -> None:
    total = sum(parts.values())
    inside = parts["detector with landmarks"] + parts["embedder"]
    shares = ", ".join(f"{name} {1000 * value / clips:.1f}" for name, value in parts.items())
    print(f"{title}, core-ms a clip in one process: {shares}; outside of the two models: {1 - inside / total:.0%}")


if __name__ == "__main__":
    main()
