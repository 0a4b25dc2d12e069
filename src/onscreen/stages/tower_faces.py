"""What is measured of a face for towers of transformers networks: its crop, and what a frozen network makes of that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from onscreen import hf
from onscreen.cache import Item
from onscreen.faces.alignment import aligned_crop
from onscreen.faces.detectors import Detection
from onscreen.stages.hq_items import Picture, look, read_picture
from onscreen.storage import StoredFile

if TYPE_CHECKING:
    from onscreen.matching.hf_towers import FaceTower

_JPEG_QUALITY = 95  # as data/faces stores its crops


@dataclass(frozen=True)
class Framing:
    """How a crop of a face is cut: see aligned_crop."""

    crop_px: int
    crop_margin: float


@dataclass(frozen=True)
class CropTask:
    """A picture to find the largest face in."""

    picture: Picture
    framing: Framing


@dataclass(frozen=True)
class FaceTask:
    """A face for a frozen network. image: its crop, or a picture with the framing of the crop that is cut from it first."""

    image: StoredFile | CropTask
    network: hf.Frozen


def measure_crop(task: CropTask) -> Item:
    """The largest face of a picture, cut as data/faces cuts faces. arrays: jpeg. meta: faces, score.

    Raises Rejected "unreadable_image", "no_face_found".
    """
    crop, meta = _cut(task)
    return Item(meta, {"jpeg": np.asarray(cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])})


def measure_readable(image: StoredFile) -> Item:
    """Whether a crop can be read. meta: width, height. Raises Rejected "unreadable_image"."""
    height, width = read_picture(image).shape[:2]
    return Item({"width": width, "height": height})


def measure_face(task: FaceTask) -> Item:
    """What a frozen network makes of a face. arrays: embedding (D,) float32, as the tower gives it. meta: of measure_crop, where
    the face was cut out of a picture.

    Raises Rejected as measure_crop does, WeightsError as hf.find and hf.load do.
    """
    crop, meta = _cut(task.image) if isinstance(task.image, CropTask) else (read_picture(task.image), {})
    import torch

    tower, side = _face_tower(task.network.name, tuple(sorted(task.network.files.items())))
    picture = torch.from_numpy(to_tower(crop, side))[None]
    with torch.inference_mode():
        vector = tower(picture, torch.tensor([side]))[0].numpy()
    return Item(meta, {"embedding": hf.numbers(vector)})


def to_tower(crop: np.ndarray, side_px: int) -> np.ndarray:
    """(3, side_px, side_px) uint8 of a crop (H, W, 3) uint8 RGB; made smaller by averages, so that nothing aliases."""
    shrinks = min(crop.shape[:2]) > side_px
    resized = cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


def _cut(task: CropTask) -> tuple[np.ndarray, dict[str, Any]]:
    """The crop, of the picture as it is: (crop_px, crop_px, 3) uint8 RGB."""
    image, looked, faces = look(task.picture)
    scale = image.shape[0] / looked.shape[0]
    x, y, width, height = (value * scale for value in faces[0].box)
    largest = Detection((x, y, width, height), faces[0].mesh * scale, faces[0].score)
    crop = aligned_crop(image, largest, task.framing.crop_px, task.framing.crop_margin)
    return crop, {"faces": len(faces), "score": largest.score}


@cache
def _face_tower(name: str, files: tuple[tuple[str, str], ...]) -> tuple[FaceTower, int]:
    """The network of this process, on one thread, and the side of its pictures."""
    import torch

    from onscreen.matching.hf_towers import FaceTower

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = hf.find(name, hf.FACE_TYPES, dict(files))
    settings = hf.face_settings(found)
    return FaceTower(found.config, settings, hf.load(found)).eval(), settings["size_px"]
