"""A music-to-pose dataset for PyTorch: windows of dances, all their parts on one time index.

    dataset = M2PDataset("data/m2p", split="train", sequence_length=24, resolution=512, augment=True)
    for epoch in range(100):
        dataset.set_epoch(epoch)
        for batch in loader:  # loader = m2p_dataloader(dataset, batch_size=4, num_workers=2), made once
            ...

Nothing stands in for what is missing: a dance that cannot be used is left out by name (M2PDataset.skipped).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from onscreen import weights
from onscreen.errors import ConfigError, InputError, Rejected
from onscreen.motion.augment import NO_CHANGE, Change, change_picture, change_points, change_reference, draw_change
from onscreen.motion.dance_files import EMBEDDINGS, Dance, forget_old, read_dance, read_embedding
from onscreen.motion.heatmaps import heatmaps
from onscreen.motion.keypoints import INDEX, drop_outside
from onscreen.store import read_json

_log = logging.getLogger("onscreen.motion.dataset")
_ARMS, _LEGS = (
    [INDEX[f"{side}_{joint}"] for side in ("left", "right") for joint in joints]
    for joints in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
)
_SEEN = 0.5  # confidence of a leg's joint that is in the picture
_TOLD = 5  # of the dances that are left out, how many an error names


@dataclass(frozen=True)
class _Usable:
    """A dance that is used. runs: (N, 2) first frame and number of frames of each stretch that is long enough for a window."""

    folder: Path
    info: Mapping[str, Any]
    embedding: np.ndarray
    runs: np.ndarray
    windows: int
    may_flip: bool


class M2PDataset(Dataset[dict[str, Any]]):
    """Windows of sequence_length frames (T) of the dances in data_root/split.

    data_root: a folder of `onscreen m2p prepare`, or of another tool with the same files; metadata.json may be missing.
    split: "train" or "validation". resolution: H = W of the frames, pixels; pose_resolution: of the heatmaps.
    face_embedding: "arcface" (512 values) or "dlib" (128); a dance without the asked one is left out.
    min_keypoint_confidence: points below become unseen. min_body_confidence: a frame whose shoulders, elbows, wrists, hips, knees
    and ankles have a lower mean (unseen = 0) is in no window; 0 takes every frame. Of a dance that shows no frame with both legs,
    shoulders, elbows and wrists alone are asked.
    augment: mirrors, turns, zooms, moves and lights frames and points together (motion/augment.py); music is never touched, the face
    embedding stays that of the unmirrored face, and dances whose joints are not named as ours are not mirrored.
    A dance has as many windows as fit into its usable frames side by side. Validation gives those. Training draws each anew every
    epoch, from all places within that window's share of the dance, by (seed, epoch, index): the same with any number of workers.

    skipped: (id, reason) of each dance that is left out: too short, not complete, or broken.
    Raises InputError when the folder or the split is not there or no dance is left; ConfigError for a value that is not allowed.
    """

    def __init__(
        self,
        data_root: str | Path,
        split: str = "train",
        sequence_length: int = 24,
        resolution: int = 512,
        pose_resolution: int = 64,
        augment: bool = False,
        face_embedding: Literal["arcface", "dlib"] = "arcface",
        min_keypoint_confidence: float = 0.0,
        min_body_confidence: float = 0.5,
        seed: int = 0,
    ) -> None:
        sizes = {"sequence_length": sequence_length, "resolution": resolution, "pose_resolution": pose_resolution}
        for name, value in sizes.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} = {value!r}: a whole number from 1 on is needed")
        if face_embedding not in EMBEDDINGS:
            raise ConfigError(f"face_embedding = {face_embedding!r}: allowed are {', '.join(map(repr, EMBEDDINGS))}")
        self.split, self.sequence_length, self.resolution, self.pose_resolution = (
            split,
            sequence_length,
            resolution,
            pose_resolution,
        )
        self.augment, self.face_embedding, self.seed = augment, face_embedding, seed
        self.min_keypoint_confidence, self.min_body_confidence = min_keypoint_confidence, min_body_confidence
        self._remembered = weights.home() / ".cache" / "onscreen" / "poses"
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # PyTorch's is unannotated. Workers that stay alive see it change
        self.skipped: list[tuple[str, str]] = []
        self._dances = list(self._usable(Path(data_root)))
        self._ends = np.cumsum([dance.windows for dance in self._dances])
        if not self._dances:
            raise InputError(self._nothing(Path(data_root)))
        forget_old(self._remembered)

    @property
    def epoch(self) -> int:
        return int(self._epoch.item())

    def set_epoch(self, epoch: int) -> None:
        """Call before each pass over the data, as with PyTorch's DistributedSampler; else all have the same windows and order."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One window. Positions are pixels of the frames given back; unseen points are 0, 0 with confidence 0.

        video_id: str. music_features: (T, 4800) float32. pose_coordinates: (T, 134, 2) float32. pose_confidence: (T, 134) float32.
        pose_heatmap: (T, 134, P, P) float32 0-1, [joint, y, x]. video_frames: (T, H, W, 3) uint8 RGB.
        reference_image: (3, H, W) float32 RGB 0-1. face_embedding: (512,) or (128,) float32, L2 = 1.
        Raises InputError where a file was changed or is damaged inside.
        """
        dance, first, change = self._drawn(index)
        try:
            whole = read_dance(dance.folder, self._remembered)
            frames = whole.frames(first, self.sequence_length)
            music, reference = whole.music(first, self.sequence_length), whole.reference()
        except Rejected as rejected:
            raise InputError(
                f"{dance.folder}: {rejected.detail}. `onscreen m2p validate` tells what else is wrong."
            ) from rejected
        points = self._seen(whole)[first : first + self.sequence_length]
        points[..., :2] *= self.resolution / whole.side
        points = change_points(points, change, self.resolution)
        pictures = np.stack([change_picture(_resized(frame, self.resolution), change) for frame in frames])
        shown = change_reference(_resized(reference, self.resolution), change)
        return {
            "video_id": dance.info["id"],
            "music_features": torch.from_numpy(music),
            "pose_heatmap": torch.from_numpy(heatmaps(points, self.resolution, self.pose_resolution)),
            "pose_coordinates": torch.from_numpy(np.ascontiguousarray(points[..., :2])),
            "pose_confidence": torch.from_numpy(np.ascontiguousarray(points[..., 2])),
            "reference_image": torch.from_numpy(np.ascontiguousarray(shown.transpose(2, 0, 1))).float().div_(255),
            "face_embedding": torch.from_numpy(dance.embedding.copy()),
            "video_frames": torch.from_numpy(pictures),
        }

    def get_video_info(self, index: int) -> dict[str, Any]:
        """What metadata.json says of the dance that item index shows; without it id, split, folder, frames, fps, duration by its files."""
        return dict(self._place(index)[0].info)

    def locate(self, index: int) -> tuple[Path, int]:
        """The dance's folder, and the frame of its video.mp4 that item index begins with in this epoch."""
        dance, first, _ = self._drawn(index)
        return dance.folder, first

    def _place(self, index: int) -> tuple[_Usable, int]:
        """The dance, and which of its windows."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index %= len(self)
        number = int(np.searchsorted(self._ends, index, side="right"))
        dance = self._dances[number]
        return dance, index - int(self._ends[number]) + dance.windows

    def _drawn(self, index: int) -> tuple[_Usable, int, Change]:
        """The dance, the window's first frame, the change."""
        dance, window = self._place(index)
        random = np.random.default_rng([self.seed, self.epoch, index % len(self)])  # where to look and how, never what is there
        if self.split == "train":
            starts = np.concatenate([np.arange(start, start + count - self.sequence_length + 1) for start, count in dance.runs])
            first = int(random.choice(np.array_split(starts, dance.windows)[window]))
        else:
            length = self.sequence_length
            first = [start + length * each for start, count in dance.runs.tolist() for each in range(count // length)][window]
        return dance, first, draw_change(random, may_flip=dance.may_flip) if self.augment else NO_CHANGE

    def _usable(self, root: Path) -> Iterator[_Usable]:
        entries = _entries(root)
        for folder in _folders(root, self.split):
            entry = entries.get(f"{self.split}/{folder.name}", {})
            try:
                yield self._open(folder, entry)
            except Rejected as rejected:
                self.skipped.append((str(entry.get("id", folder.name)), rejected.detail))
        if self.skipped:
            _log.warning("dances of %s that are left out (M2PDataset.skipped): %d", root / self.split, len(self.skipped))

    def _open(self, folder: Path, entry: Mapping[str, Any]) -> _Usable:
        embedding = read_embedding(folder, self.face_embedding)
        dance = read_dance(folder, self._remembered)
        runs, length = _runs(self._sure(dance)), self.sequence_length
        longest = max((count for _, count in runs), default=0)
        if dance.clock.frames < length:
            raise Rejected("too_short", f"{dance.clock.frames} frames, shorter than sequence_length = {length}")
        if longest < length:
            detail = f"a body is sure in at most {longest} frames in a row, sequence_length is {length}"
            raise Rejected("no_sure_body", f"{detail}; min_body_confidence = {self.min_body_confidence:g} decides")
        fit = [run for run in runs if run[1] >= length]
        windows = sum(count // length for _, count in fit)
        return _Usable(folder, _info(self.split, dance, entry), embedding, np.array(fit), windows, dance.named)

    def _seen(self, dance: Dance) -> np.ndarray:
        """(T, 134, 3) points of the dance's pictures at least as sure as asked for."""
        points = np.where(dance.points[..., 2:] >= self.min_keypoint_confidence, dance.points, 0)
        return drop_outside(points, dance.side, dance.side)

    def _sure(self, dance: Dance) -> np.ndarray:
        """(T,) bool."""
        confidence = self._seen(dance)[..., 2]
        shows_legs = bool((confidence[:, _LEGS] >= _SEEN).all(axis=1).any())
        return np.asarray(confidence[:, [*_ARMS, *_LEGS] if shows_legs else _ARMS].mean(axis=1) >= self.min_body_confidence)

    def _nothing(self, root: Path) -> str:
        """Why no dance is left, and what would help."""
        if not self.skipped:
            return f"{root / self.split} holds no dance. `onscreen m2p prepare` makes them of videos."
        told = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:_TOLD])
        more = f"; and {len(self.skipped) - _TOLD} more" if len(self.skipped) > _TOLD else ""
        other = "dlib" if self.face_embedding == "arcface" else "arcface"
        name, lacking = EMBEDDINGS[other][0], EMBEDDINGS[self.face_embedding][0]
        folders = list(_folders(root, self.split))
        there = sum((folder / name).is_file() and not (folder / lacking).is_file() for folder in folders)
        help_ = f' {there} of them hold {name} instead: ask for face_embedding="{other}".' if there else ""
        return f"None of the {len(folders)} dances in {root / self.split} can be used. {told}{more}.{help_}"


def _runs(usable: np.ndarray) -> list[tuple[int, int]]:
    """First frame and number of frames of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(np.int8), [0]])))
    return [(int(start), int(stop - start)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    import cv2

    if len(image) == side:
        return image
    how = cv2.INTER_AREA if len(image) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=how))


def _folders(root: Path, split: str) -> list[Path]:
    if not (root / split).is_dir():
        sides = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        raise InputError(
            f"{root / split} is no folder. {root} holds {', '.join(sides) or 'no folder'}; split is train or validation."
        )
    return sorted(path for path in (root / split).iterdir() if path.is_dir() and not path.name.startswith("."))


def _entries(root: Path) -> dict[str, Mapping[str, Any]]:
    """What metadata.json says, by folder; nothing where there is none, or another tool's."""
    data = read_json(root / "metadata.json") if (root / "metadata.json").is_file() else {}
    found = data.get("clips") if isinstance(data, dict) else None
    entries = found if isinstance(found, list) else []
    return {entry["folder"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("folder"), str)}


def _info(split: str, dance: Dance, entry: Mapping[str, Any]) -> dict[str, Any]:
    frames, fps = dance.clock.frames, dance.clock.fps
    name = dance.folder.name
    by_files = {"id": name, "split": split, "folder": f"{split}/{name}", "frames": frames, "fps": fps, "duration": frames / fps}
    return dict(entry) if "id" in entry else {**by_files, **entry}


def m2p_dataloader(
    dataset: M2PDataset, batch_size: int = 1, num_workers: int = 0, shuffle: bool | None = None, drop_last: bool | None = None
) -> DataLoader[dict[str, Any]]:
    """Batches of windows: tensors with a first axis more, video_id a list.

    A window takes 75 MB at the defaults (heatmaps 53, frames 19). num_workers: processes that read two batches ahead each, through
    shared memory, started anew (spawn) and kept from epoch to epoch; a script that uses them needs `if __name__ == "__main__":`.
    shuffle, drop_last (a last batch that is not full): by default yes in training, no in validation. The order is drawn by (seed,
    epoch): see M2PDataset.set_epoch.
    Raises ConfigError when drop_last leaves no batch.
    """
    train = dataset.split == "train"
    shuffle, drop_last = train if shuffle is None else shuffle, train if drop_last is None else drop_last
    if drop_last and batch_size > len(dataset):
        raise ConfigError(f"batch_size = {batch_size}: there are {len(dataset)} windows, so that no batch would be full")
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=_Order(dataset, shuffle),
        drop_last=drop_last,
        num_workers=num_workers,
        multiprocessing_context="spawn" if num_workers else None,
        persistent_workers=num_workers > 0,
        worker_init_fn=_one_thread if num_workers else None,
        generator=torch.Generator().manual_seed(
            dataset.seed
        ),  # PyTorch's own draws for workers leave the caller's generator alone
    )


class _Order(Sampler[int]):
    """All items once, in an order of this epoch or as they stand."""

    def __init__(self, dataset: M2PDataset, shuffle: bool) -> None:
        self._dataset, self._shuffle = dataset, shuffle

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[int]:
        if not self._shuffle:
            return iter(range(len(self)))
        random = np.random.default_rng([self._dataset.seed, self._dataset.epoch])  # the order of windows alone
        return iter(random.permutation(len(self)).tolist())


def _one_thread(_: int) -> None:
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
