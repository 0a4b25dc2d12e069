"""`onscreen m2p draw`: the points of a dataset's samples drawn over their videos, with their sound, whoever made the dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from onscreen.cache import Item, ItemCache
from onscreen.checks.sample import SampleFolder, read_samples
from onscreen.console import console
from onscreen.engine import Engine, Job
from onscreen.errors import InputError, NothingUsable, OnscreenError, Rejected
from onscreen.media.audio import Audio, decode_audio
from onscreen.media.container import decode_from
from onscreen.media.probe import Probe, probe
from onscreen.media.video import open_picture, upright, write_video
from onscreen.motion.draw import draw_pose
from onscreen.motion.keypoints import N_POINTS
from onscreen.naming import file_stem
from onscreen.own_folder import OwnFolder

MANIFEST = "written_draw.json"
_TIMEOUT_S = 3600.0  # of one sample


@dataclass(frozen=True)
class Drawing:
    """A sample and the video to draw it into."""

    sample: SampleFolder
    path: Path


def draw_dataset(dataset: Path, output: Path, only: Sequence[str] = ()) -> dict[str, str]:
    """Write output/<side>__<sample>.mp4 for each sample, or for those named in only; returns which are not whole, and why not.

    dataset: the folder that holds train/ and validation/, or one sample's folder. Raises InputError for no dataset, an unknown name,
    or an output that lies in the dataset or holds what this command did not write; NothingUsable when none could be drawn.
    """
    samples = _wanted(samples_of(dataset), only)
    own = OwnFolder(output.resolve(), "--output_dir", MANIFEST)
    if own.path.is_relative_to(dataset.resolve()):
        raise InputError(f"--output_dir {output}: must lie outside of the dataset")
    names = {f"{file_stem(f'{sample.split}__{sample.name}')}.mp4": sample for sample in samples}
    with own.alone(), _places(own, names, keep_others=bool(only)):
        faults = _draw([Drawing(sample, own.path / name) for name, sample in names.items()])
    if not any((own.path / name).is_file() for name in names):
        raise NothingUsable(f"{dataset}: no sample can be drawn. The first: {next(iter(faults.values()))}")
    return faults


def samples_of(dataset: Path) -> list[SampleFolder]:
    """The samples of a dataset, or the one whose folder this is. Raises InputError where it is neither."""
    dataset = dataset.resolve()
    if not dataset.is_dir():
        raise InputError(f"{dataset}: there is no such folder")
    if (dataset / "video.mp4").is_file():
        return [SampleFolder(dataset.parent.parent, dataset.parent.name, dataset.name, None)]
    samples = read_samples(dataset)
    if not samples:
        raise InputError(f"{dataset}: its train/ and validation/ hold no sample")
    return samples


def _wanted(samples: Sequence[SampleFolder], only: Sequence[str]) -> list[SampleFolder]:
    """only: ids, folders (vid_1) or labels (train/vid_1)."""
    names = [{sample.name, sample.label, str((sample.entry or {}).get("id", sample.name))} for sample in samples]
    unknown = [name for name in only if not any(name in known for known in names)]
    if unknown:
        raise InputError(f"--only {unknown[0]}: there is no such sample among the {len(samples)}")
    return [sample for sample, known in zip(samples, names, strict=True) if not only or known.intersection(only)]


@contextmanager
def _places(own: OwnFolder, names: Mapping[str, SampleFolder], *, keep_others: bool) -> Iterator[None]:
    """The videos' places, claimed; earlier ones vanish, and so do those of other samples unless keep_others."""
    own.refuse_foreign(name for name in names if (own.path / name).exists() or (own.path / name).is_symlink())
    before = own.written()
    own.claim(before | set(names))
    for name in set(names) | (set() if keep_others else before):
        (own.path / name).unlink(missing_ok=True)
    yield
    own.claim(name for name in before | set(names) if (own.path / name).is_file())


def _draw(drawings: Sequence[Drawing]) -> dict[str, str]:
    faults = {}
    with tempfile.TemporaryDirectory(prefix="onscreen-draw-") as folder:
        engine = Engine(ItemCache(Path(folder)), 0, _TIMEOUT_S)
        jobs = [Job(f"{index:064x}", drawing) for index, drawing in enumerate(drawings)]
        for drawing, item in zip(drawings, engine.measure("drawn", draw_sample, jobs), strict=True):
            fault = item.detail if isinstance(item, Rejected) else item.meta["fault"]
            if fault:
                faults[drawing.sample.label] = fault
                console.print(f"{drawing.sample.label}: {fault}", highlight=False, markup=False)
    return faults


def draw_sample(drawing: Drawing) -> Item:
    """Draw pose i of pose_annotations.json over picture i of video.mp4; for a worker.

    meta: fault, what is not whole, else "": pictures without a pose are left as they are. Raises Rejected when nothing can be drawn.
    """
    path = drawing.sample.folder / "video.mp4"
    try:
        points = drawing.sample.points
        if points.shape[1:] != (N_POINTS, 3):
            raise Rejected(
                "other_points", f"pose_annotations.json has {points.shape} frames, points, values; need {N_POINTS} points"
            )
        known = probe(path)
        fps = Fraction(known.fps).limit_denominator(1001)
        write_video(drawing.path, _pictures(path, points), fps, _sound(path, known))
    except (OnscreenError, ValueError) as error:
        raise Rejected("not_drawn", f"cannot be drawn: {error}") from error
    frames = probe(drawing.path).n_frames
    fault = f"{frames} pictures and {len(points)} poses; what has no partner is not drawn" if frames != len(points) else ""
    return Item({"fault": fault}, {})


def _pictures(path: Path, points: np.ndarray) -> Iterator[np.ndarray]:
    with open_picture(path) as (container, stream):
        for index, (_, frame) in enumerate(decode_from(container, stream, 0.0)):
            image = upright(frame, stream)
            image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # H.264 asks for even sides
            yield draw_pose(image, points[index]) if index < len(points) else image


def _sound(path: Path, known: Probe) -> Audio | None:
    """The sound heard with the pictures, from the first one on; None where there is none."""
    if not known.has_audio:
        return None
    stereo = known.audio_channels <= 2
    return decode_audio(path, known.video_start_s, known.duration_s, mono=not stereo)
