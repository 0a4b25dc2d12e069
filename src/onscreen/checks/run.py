"""Checks of a music-to-pose dataset, whoever made it: every sample in a worker of its own, then the set as a whole.

A check is a function that yields findings. One that stops because a file cannot be read leaves a finding "unproven", and the
others go on. Nothing is written into the dataset, and nothing in it is unpickled or believed.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from onscreen.cache import Item, ItemCache
from onscreen.checks import (
    dancer,
    embeddings,
    faces,
    leaks,
    movement,
    parts,
    pictured,
    poses,
    rhythm,
    sound,
    squash,
    structure,
    timing,
    video,
)
from onscreen.checks.facts import Facts, measure_facts
from onscreen.checks.finding import Finding
from onscreen.checks.sample import SampleFolder, read_samples
from onscreen.checks.tools import Tools, model_files
from onscreen.engine import Engine, Job
from onscreen.errors import InputError, OnscreenError, Rejected
from onscreen.tasks_models import silent_native_log

SampleCheck: TypeAlias = Callable[[SampleFolder, Tools], Iterator[Finding]]
SetCheck: TypeAlias = Callable[[Sequence[SampleFolder], Mapping[str, Facts]], Iterator[Finding]]

SAMPLE_CHECKS: tuple[SampleCheck, ...] = (
    *(structure.check_files, structure.check_readable, structure.check_frames, structure.check_entry),
    *(video.check_decodes, video.check_size, video.check_rate, video.check_picture, video.check_sound, video.check_sync),
    *(squash.check_window, squash.check_proportions),
    *(sound.check_shape, sound.check_columns, sound.check_rows, sound.check_context, sound.check_sound),
    *(rhythm.check_tempo, rhythm.check_alignment),
    *(poses.check_schema, poses.check_values, poses.check_confidence, pictured.check_pictured),
    *(movement.check_motion, movement.check_jumps, movement.check_bones, movement.check_sides),
    *(parts.check_frozen, parts.check_parts, timing.check_timing),
    *(faces.check_reference, faces.check_arcface, faces.check_dlib, dancer.check_dancer),
)
SET_CHECKS: tuple[SetCheck, ...] = (
    *(structure.check_metadata, structure.check_genres, embeddings.check_embeddings),
    *(leaks.check_split, leaks.check_dancers, leaks.check_songs, leaks.check_sources, leaks.check_doubles),
)
"""facts: by SampleFolder.label; a sample whose worker crashed has none."""
_TIMEOUT_S = 600.0  # of one sample
_PARTS = {
    "structure": "files",
    "sound": "music_features",
    "rhythm": "metadata",
    "movement": "poses",
    "parts": "poses",
    "pictured": "poses",
    "timing": "poses",
    "faces": "reference_image",
    "squash": "video",
}
_Files: TypeAlias = tuple[tuple[str, tuple[tuple[str, Path], ...]], ...]


def validate_dataset(root: Path) -> list[Finding]:
    """All findings, sample by sample in the order of their folders, then those of the set.

    Raises InputError without a folder of samples, WeightsError without the packaged models.
    """
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder")
    samples = read_samples(root)
    findings, facts = list[Finding](), dict[str, Facts]()
    with tempfile.TemporaryDirectory(prefix="onscreen-checks-") as folder:
        engine = Engine(ItemCache(Path(folder)), 0, _TIMEOUT_S)
        files = _as_tuples(model_files())
        jobs = [Job(hashlib.sha256(sample.label.encode()).hexdigest(), (sample, files)) for sample in samples]
        for sample, item in zip(samples, engine.measure("samples", check_sample, jobs), strict=True):
            if isinstance(item, Rejected):
                detail = f"checking it ended with {item.code}: {item.detail}"
                findings.append(Finding(sample.label, "files.measurable", "fail", detail, item.numbers))
            else:
                findings += [Finding(**row) for row in item.meta["findings"]]
                facts[sample.label] = Facts.from_item(item)
    for check in SET_CHECKS:
        findings += _guarded("", check, samples, facts)
    return findings


def check_sample(argument: tuple[SampleFolder, _Files]) -> Item:
    """Facts of one sample, with meta["findings"]; for a worker."""
    sample, files = argument
    tools = _tools(files)
    with silent_native_log():
        findings = [asdict(finding) for check in SAMPLE_CHECKS for finding in _guarded(sample.label, check, sample, tools)]
        item = measure_facts(sample, tools).as_item()
    return Item({**item.meta, "findings": findings}, item.arrays)


def _guarded(label: str, check: Callable[..., Iterator[Finding]], *arguments: Any) -> list[Finding]:
    """What the check found until its end, or until what it reads turned out to be broken."""
    module = check.__module__.rpartition(".")[2]
    found, name = list[Finding](), f"{_PARTS.get(module, module)}.{check.__name__.removeprefix('check_')}"
    try:
        for finding in check(*arguments):
            found.append(_plain(finding))
    except OnscreenError as error:
        found.append(Finding(label, name, "unproven", f"cannot be measured: {error}"))
    except Exception as error:  # noqa: BLE001  # whatever a library raises about a foreign file must not hide the other checks
        found.append(Finding(label, name, "unproven", f"the check stopped: {type(error).__name__}: {error}"[:500]))
    return found


def _plain(finding: Finding) -> Finding:
    """The same with numbers that JSON knows; those that are not finite stand in its words alone."""
    numbers = {name: float(number) for name, number in finding.numbers.items()}
    return replace(finding, numbers={name: number for name, number in numbers.items() if math.isfinite(number)})


@cache
def _tools(files: _Files) -> Tools:
    """One set of models a worker."""
    return Tools({model: dict(paths) for model, paths in files})


def _as_tuples(files: Mapping[str, Mapping[str, Path]]) -> _Files:
    return tuple((model, tuple(paths.items())) for model, paths in files.items())
