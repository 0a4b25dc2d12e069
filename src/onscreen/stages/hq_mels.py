"""All spectrograms of an HQ-VoxCeleb tree: looked at once, a person a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.matching.hq_tree import Layout, Tree, layout_of
from onscreen.matching.mel_files import measure_mels
from onscreen.storage import Stored, StoredFile
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class Mels:
    """shape: path -> as the file holds it, of those that can be used. lost: path -> why it cannot. layout: of all of them."""

    shape: Mapping[str, tuple[int, int]]
    lost: Mapping[str, Rejected]
    layout: Layout


def look_at_mels(workspace: Workspace, tree: Tree) -> Mels:
    """Shapes of a tree's spectrograms, from the item cache where the files have been looked at before, under whatever name."""
    people = [person.mels for person in tree.people]
    found = measured_mels(workspace, tree.files, people)
    shape = {path: one for path, one in found.items() if not isinstance(one, Rejected)}
    return Mels(shape, {path: one for path, one in found.items() if isinstance(one, Rejected)}, layout_from(tree, found))


def layout_from(tree: Tree, found: Mapping[str, tuple[int, int] | Rejected]) -> Layout:
    """How a tree's spectrograms lie. found: of measured_mels."""
    shape = {path: one for path, one in found.items() if not isinstance(one, Rejected)}
    training = [shape[path] for person in tree.side("train") for path in person.mels if path in shape]
    return layout_of(_table(list(shape.values())), _table(training), tree.bands_first)


def measured_mels(workspace: Workspace, files: Stored, groups: Sequence[Sequence[str]]) -> dict[str, tuple[int, int] | Rejected]:
    """The shape of each file, or why it has none. groups: paths that are looked at in one job each."""
    code = code_digest("onscreen.matching.mel_files", "numpy")
    stored = [tuple(files.file(path) for path in paths) for paths in groups]
    inputs = named_digests(workspace, stored)
    jobs = [Job(item_key(inputs=own, code=code, params={}), of) for own, of in zip(inputs, stored, strict=True)]
    verdicts: dict[str, tuple[int, int] | Rejected] = {}
    for paths, result in zip(groups, workspace.engine.measure("spectrograms", measure_mels, jobs), strict=True):
        verdicts |= {path: _verdict(result, at) for at, path in enumerate(paths)}
    return verdicts


def named_digests(workspace: Workspace, groups: Sequence[tuple[StoredFile, ...]]) -> Iterator[list[str]]:
    """sha256 and name of the files of each group, for the key of what is measured of them: rejects tell the name."""
    digests = iter(workspace.sha256_of_all([file for of in groups for file in of]))
    for of in groups:
        yield [f"{next(digests)} {file.name}" for file in of]


def _verdict(result: Item | Rejected, at: int) -> tuple[int, int] | Rejected:
    if isinstance(result, Rejected):  # the process that looked at this person's files died, or took too long
        return result
    lost = result.meta["lost"].get(str(at))
    bands, frames = result.arrays["shape"][at]
    return Rejected(**lost) if lost else (int(bands), int(frames))


def _table(shapes: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(shapes, np.int64).reshape(-1, 2)
