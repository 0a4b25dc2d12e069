"""A sample of a music-to-pose dataset as its files say, whoever made them. Nothing of it is trusted, and nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import OnscreenError
from onscreen.store import read_json


class Broken(OnscreenError):
    """A file of a sample that is missing or cannot be read as what it should be."""


@dataclass(frozen=True)
class SampleFolder:
    """One folder of train/ or validation/.

    entry: its entry in metadata.json, or None where there is none (other tools' folders). shared: what metadata.json says of all.
    """

    root: Path
    split: str
    name: str
    entry: Mapping[str, Any] | None
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.root / self.split / self.name

    @property
    def label(self) -> str:
        return f"{self.split}/{self.name}"

    @cached_property
    def features(self) -> np.ndarray:
        """music_features.npy as it is, memory-mapped. Raises Broken."""
        return self._array("music_features.npy")

    def embedding(self, name: str) -> np.ndarray:
        """face_embedding.npy or face_embedding_dlib.npy as it is. Raises Broken."""
        return self._array(name)

    @cached_property
    def annotations(self) -> Any:
        """pose_annotations.json as it is. Raises Broken."""
        return self._json("pose_annotations.json")

    @cached_property
    def points(self) -> np.ndarray:
        """(T, K, 3) float64: x, y, confidence of all frames and points. Raises Broken where frames differ in their number of points."""
        try:
            frames = [
                [(point["x"], point["y"], point["confidence"]) for point in pose["keypoints"]]
                for pose in self.annotations["poses"]
            ]
            return np.array(frames, np.float64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Broken(f"pose_annotations.json: not frames of keypoints with x, y and confidence ({error!r})") from error

    def _array(self, name: str) -> np.ndarray:
        """One array of real numbers, memory-mapped."""
        path = self.folder / name
        try:
            found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, zipfile.BadZipFile) as error:
            raise Broken(f"{name}: {_why(path, error)}") from error
        if not isinstance(found, np.ndarray):
            found.close()
            raise Broken(f"{name}: is an archive of arrays, not an array")
        if found.dtype.kind not in "fiu":
            raise Broken(f"{name}: holds {found.dtype}, no numbers")
        return found

    def _json(self, name: str) -> Any:
        path = self.folder / name
        try:
            return read_json(path)
        except (OSError, OnscreenError, RecursionError, MemoryError) as error:
            raise Broken(f"{name}: {_why(path, error)}") from error


def _why(path: Path, error: Exception) -> str:
    return "is missing" if not path.is_file() else f"cannot be read ({error})"


def read_metadata(root: Path) -> Mapping[str, Any]:
    """metadata.json of a dataset. Raises Broken where it is missing, or is no JSON object."""
    try:
        found = read_json(root / "metadata.json")
    except (OSError, OnscreenError, RecursionError, MemoryError) as error:
        raise Broken(f"metadata.json: {_why(root / 'metadata.json', error)}") from error
    if not isinstance(found, dict):
        raise Broken("metadata.json: holds no object")
    return found


def read_samples(root: Path) -> list[SampleFolder]:
    """All folders of train/ and validation/, in order, with their entries of metadata.json, where that can be read.

    Raises Broken without train/ and validation/.
    """
    try:
        metadata = dict(read_metadata(root))
    except Broken:
        metadata = {}
    found = metadata.pop("clips", [])
    clips = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    entries = {entry["folder"]: entry for entry in clips if isinstance(entry.get("folder"), str)}
    sides = [side for side in ("train", "validation") if (root / side).is_dir()]
    if not sides:
        raise Broken(f"{root} holds neither train/ nor validation/")
    return [
        SampleFolder(root, side, folder.name, entries.get(f"{side}/{folder.name}"), metadata)
        for side in sides
        for folder in sorted((root / side).iterdir())
        if folder.is_dir()
    ]
