"""Small dances as a music-to-pose dataset has them, in which every part tells which frame it belongs to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onscreen.media.video import write_video
from onscreen.motion.keypoints import INDEX, JOINT_TYPES, to_annotations
from onscreen.store import write_json

SIDE, FPS = 96, 24
MARK = INDEX["right_wrist"]  # the point that each frame shows as a bright spot


def dance_points(frames: int) -> np.ndarray:
    """(T, 134, 3): all points apart from each other, MARK circling in the lower half of the picture."""
    points = np.zeros((frames, 134, 3), np.float32)
    points[..., 0] = 16 + (np.arange(134) * 37 % 64)
    points[..., 1] = 16 + (np.arange(134) * 23 % 64)
    points[..., 2] = 0.9
    turn = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    points[:, MARK, 0], points[:, MARK, 1] = 48.3 + 14 * np.cos(turn), 70.7 + 8 * np.sin(turn)
    return points


def numbered(index: int) -> np.ndarray:
    """(24, 96, 3): a number as 8 black or white columns."""
    bits = [235 if index >> bit & 1 else 16 for bit in range(8)]
    return np.broadcast_to(np.repeat(np.array(bits, np.uint8), SIDE // 8)[None, :, None], (24, SIDE, 3))


def number_of(image: np.ndarray) -> int:
    columns = image[4:20].astype(int).mean(axis=(0, 2)).reshape(8, -1).mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(columns) if level > 128)


def spot(x: float, y: float, side: int = SIDE, top: int = 0) -> np.ndarray:
    """(side, side, 3) uint8: a bright spot around a continuous position, black elsewhere."""
    away = (np.arange(side) + 0.5 - x)[None] ** 2 + (np.arange(side) + 0.5 - y)[:, None] ** 2
    image = np.repeat((235 * np.exp(-away / (2 * 2.0**2))).astype(np.uint8)[..., None], 3, axis=2)
    image[:top] = 0
    return image


def spot_at(image: np.ndarray) -> tuple[float, float]:
    """x, y of a picture's bright spot: the middle of its light, continuous pixels."""
    light = np.clip(image.astype(float).mean(axis=2) - 60, 0, None)
    middles = np.arange(len(image)) + 0.5
    return float(light.sum(axis=0) @ middles / light.sum()), float(light.sum(axis=1) @ middles / light.sum())


def pictures(points: np.ndarray, *, counted: bool = True) -> Iterator[np.ndarray]:
    for index, (x, y, _) in enumerate(points[:, MARK]):
        image = spot(x, y)
        if counted:
            image[:24] = numbered(index)
        yield image


def write_dance(
    folder: Path, frames: int = 48, *, change: Callable[[np.ndarray], None] | None = None, counted: bool = True, seed: int = 0
) -> Path:
    """A dance's folder. music_features[i, 0] is i. change: of the points, in place, before they are written."""
    folder.mkdir(parents=True)
    points = dance_points(frames)
    write_video(folder / "video.mp4", pictures(points, counted=counted), FPS)
    if change:
        change(points)
    random = np.random.default_rng(seed)  # values only have to differ
    music = random.normal(size=(frames, 4800)).astype(np.float32)
    music[:, 0] = np.arange(frames)
    np.save(folder / "music_features.npy", music)
    (folder / "pose_annotations.json").write_text(json.dumps(to_annotations(points, folder.name, FPS)))
    cv2.imwrite(str(folder / "reference_image.jpg"), np.ascontiguousarray(spot(30.5, 40.5)))
    for name, width in (("face_embedding.npy", 512), ("face_embedding_dlib.npy", 128)):
        vector = random.normal(size=width)
        np.save(folder / name, (vector / np.linalg.norm(vector)).astype(np.float32))
    return folder


def describe(root: Path, *entries: dict[str, Any]) -> None:
    write_json(root / "metadata.json", {"fps": FPS, "joint_types": list(JOINT_TYPES), "clips": list(entries)})
