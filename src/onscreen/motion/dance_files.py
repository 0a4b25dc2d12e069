"""The files of one dance of a music-to-pose dataset, whoever made them: checked once, then read by the window.

What is found wrong is a Rejected with a name, so that a loader can say which folder it leaves out and why. Whether the content is
true (a face that is the dancer's, music that is in time) is for `onscreen m2p validate`.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.errors import CorruptTable, InputError, Rejected
from onscreen.media.frames import FrameClock, frame_clock, read_frames
from onscreen.media.images import read_image
from onscreen.motion.keypoints import JOINT_TYPES, N_POINTS
from onscreen.motion.music import WIDTH
from onscreen.store import atomic_path, read_json

EMBEDDINGS = {"arcface": ("face_embedding.npy", 512), "dlib": ("face_embedding_dlib.npy", 128)}
_FILES = ("video.mp4", "music_features.npy", "pose_annotations.json", "reference_image.jpg")
_VERSION = "1"  # of what read_dance measures; part of the name of what is remembered
_REMEMBERED_BYTES = 2**31  # 15 hours of dance at 24 frames a second


@dataclass(frozen=True)
class Dance:
    """A dance that is whole. points: (T, 134, 3) float32, pixels of video.mp4. side: of video.mp4, pixels.

    named: its joint_types are ours; else points stand in the order of the file, and which is left and which right is unknown.
    """

    folder: Path
    points: np.ndarray
    clock: FrameClock
    side: int
    named: bool

    def frames(self, first: int, count: int) -> np.ndarray:
        """(count, side, side, 3) uint8 RGB. Raises Rejected undecodable."""
        return read_frames(self.folder / "video.mp4", first, count, self.clock)

    def music(self, first: int, count: int) -> np.ndarray:
        """(count, 4800) float32."""
        return np.array(_array(self.folder / "music_features.npy")[first : first + count], np.float32)

    def reference(self) -> np.ndarray:
        """(side, side, 3) uint8 RGB."""
        return read_image(self.folder / "reference_image.jpg")


def read_embedding(folder: Path, kind: str) -> np.ndarray:
    """(512,) of ArcFace or (128,) of dlib, float32, L2 = 1. Raises Rejected: missing_file, bad_array."""
    name, width = EMBEDDINGS[kind]
    vector = np.array(_array(folder / name), np.float32)
    length = float(np.linalg.norm(vector))
    if vector.shape != (width,) or not np.isfinite(length) or length == 0:
        raise Rejected("bad_array", f"{name} is {vector.shape} of length {length:g}, not ({width},) of numbers")
    return vector / np.float32(length)


def read_dance(folder: Path, remembered: Path | None) -> Dance:
    """Check a folder's files and read its points.

    remembered: a folder for the points of dances that were whole, under a digest of their files' names, sizes and times: parsing
    pose_annotations.json takes 0.3 ms a frame. None, or one that cannot be written, remembers nothing.
    Raises Rejected: missing_file, bad_poses, bad_array, not_square, unequal_length, unequal_rate, what frame_clock and read_image raise.
    """
    known = remembered / f"{_digest(folder)}.npz" if remembered else None
    dance = _recall(folder, known) if known else None
    if dance is None:
        dance = _check(folder)
        if known:
            _remember(dance, known)
    return dance


def _digest(folder: Path) -> str:
    states = [(name, state.st_size, state.st_mtime_ns) for name in _FILES for state in [_state(folder / name)]]
    return hashlib.sha256(repr((_VERSION, str(folder.resolve()), states)).encode()).hexdigest()


def _state(path: Path) -> Any:
    try:
        return path.stat()
    except FileNotFoundError as error:
        raise Rejected("missing_file", f"{path.name} is missing") from error
    except OSError as error:
        raise Rejected("missing_file", f"{path.name} cannot be read: {error.strerror}") from error


def _recall(folder: Path, known: Path) -> Dance | None:
    try:
        with np.load(known, allow_pickle=False) as held:
            clock = FrameClock(len(held["points"]), float(held["fps"]), float(held["first_s"]))
            return Dance(folder, held["points"], clock, int(held["side"]), bool(held["named"]))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):  # not there, or damaged: it is measured anew
        return None


def _remember(dance: Dance, known: Path) -> None:
    try:
        with atomic_path(known) as temporary, temporary.open("wb") as file:
            clock = dance.clock
            np.savez(file, points=dance.points, fps=clock.fps, first_s=clock.first_s, side=dance.side, named=dance.named)
    except OSError:
        return  # a cache that cannot be written costs time, no more


def forget_old(remembered: Path, most_bytes: int = _REMEMBERED_BYTES) -> None:
    """Delete the oldest of what read_dance remembers until it takes no more than that."""
    try:
        files = sorted(remembered.glob("*.npz"), key=lambda path: -path.stat().st_mtime)
        sizes = np.cumsum([path.stat().st_size for path in files])
        for path, total in zip(files, sizes, strict=True):
            if total > most_bytes:
                path.unlink()
    except OSError:
        return  # another process tidies up, or nobody may


def _check(folder: Path) -> Dance:
    points, named, fps = _points(folder / "pose_annotations.json")
    clock = frame_clock(folder / "video.mp4")
    features = _array(folder / "music_features.npy")
    if features.ndim != 2 or features.shape[1] != WIDTH or features.dtype.kind != "f":
        raise Rejected("bad_array", f"music_features.npy is {features.dtype} {features.shape}, not floats of (T, {WIDTH})")
    lengths = {"video": clock.frames, "music": len(features), "poses": len(points)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise Rejected("unequal_length", f"numbers of frames differ: {told}", {k: float(v) for k, v in lengths.items()})
    if abs(clock.fps - fps) > 0.01:
        numbers = {"video": clock.fps, "poses": fps}
        raise Rejected("unequal_rate", f"video.mp4 has {clock.fps:g} frames a second, its poses {fps:g}", numbers)
    if not all(np.isfinite(features[first : first + 1024]).all() for first in range(0, len(features), 1024)):
        raise Rejected("bad_array", "music_features.npy holds values that are no numbers")
    frame, picture = read_frames(folder / "video.mp4", 0, 1, clock)[0], read_image(folder / "reference_image.jpg")
    for name, image in (("video.mp4", frame), ("reference_image.jpg", picture)):
        height, width = image.shape[:2]
        if height != width:
            raise Rejected("not_square", f"{name} is {width}x{height}: made square, it would be squashed")
    return Dance(folder, points, clock, len(frame), named)


def _points(path: Path) -> tuple[np.ndarray, bool, float]:
    """(T, 134, 3) points in our order where their names are ours, whether they are, and frames a second."""
    try:
        data = read_json(path)
        poses, fps = data["poses"], float(data["fps"])
        if [pose.get("frame_id", index) for index, pose in enumerate(poses)] != list(range(len(poses))):
            raise Rejected("bad_poses", "pose_annotations.json: frame_id does not count 0, 1, 2, ...")
        frames = [[(point["x"], point["y"], point["confidence"]) for point in pose["keypoints"]] for pose in poses]
        points = np.array(frames, np.float32)
        orders = {tuple(str(point.get("joint_type")) for point in pose["keypoints"]) for pose in poses}
    except (InputError, CorruptTable, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Rejected("bad_poses", f"pose_annotations.json: {error if str(error) else type(error).__name__}") from error
    if points.ndim != 3 or points.shape[1:] != (N_POINTS, 3) or not np.isfinite(points).all():
        raise Rejected("bad_poses", f"pose_annotations.json: {points.shape}, not frames of {N_POINTS} points with numbers")
    if len(orders) != 1:
        raise Rejected("bad_poses", "pose_annotations.json: the order of joint_type differs between frames")
    [order] = orders
    named = sorted(order) == sorted(JOINT_TYPES)
    if named and order != JOINT_TYPES:
        points = points[:, [order.index(name) for name in JOINT_TYPES]]
    points[points[..., 2] <= 0] = 0
    return points, named, fps


def _array(path: Path) -> np.ndarray:
    """An array, memory-mapped. Raises Rejected: missing_file, bad_array."""
    _state(path)
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise Rejected("bad_array", f"{path.name}: {error}") from error
