"""What is measured of one face for the HQ-VoxCeleb tree: its crop without background, and the embedding of such a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.errors import Rejected
from onscreen.faces import detectors, embedders
from onscreen.faces.background import mask_background
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.embedders import Embedder, embed
from onscreen.storage import StoredFile

EMBEDDER = "Dlib"
DETECTOR = "dlib"
PICTURE_MODELS = (*detectors.WEIGHTS[DETECTOR], *embedders.WEIGHTS[EMBEDDER])
_JPEG_QUALITY = 95
_SIDE_PX = 256  # pictures are looked at in this size: a face fills half of it, and dlib's detector finds 80 px and more


@dataclass(frozen=True)
class Crop:
    """A face crop to take the background out of. model_file: the segmentation model."""

    image: StoredFile
    model_file: Path


@dataclass(frozen=True)
class Picture:
    """A picture of one face, large in it. files: model file name -> path, of PICTURE_MODELS."""

    image: StoredFile
    files: Mapping[str, Path]


def measure_masked(crop: Crop) -> Item:
    """arrays: jpeg, the crop with all but the person black. meta: person_share, of its pixels. Raises Rejected "unreadable_image"."""
    return masked(read_picture(crop.image), crop.model_file)


def masked(image: np.ndarray, model_file: Path) -> Item:
    """As measure_masked, of a crop (H, W, 3) uint8 RGB."""
    left, share = mask_background(image, model_file)
    jpeg = cv2.imencode(".jpg", left[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return Item({"person_share": share}, {"jpeg": np.asarray(jpeg)})


def measure_picture(picture: Picture) -> Item:
    """arrays: embedding (128,) float32, L2 = 1, of the largest face.

    Raises Rejected "unreadable_image", "no_face_found".
    """
    _, image, found = look(picture)
    _, embedder = _models(tuple(sorted(picture.files.items())))
    return Item({"faces": len(found), "score": found[0].score}, {"embedding": embed(embedder, image, found[0])})


def look(picture: Picture) -> tuple[np.ndarray, np.ndarray, list[Detection]]:
    """The picture as it is and as it is looked at, both (H, W, 3) uint8 RGB, and the faces in the latter, the largest first.

    Raises Rejected "unreadable_image", "no_face_found".
    """
    image = read_picture(picture.image)
    scale = _SIDE_PX / min(image.shape[:2])
    looked = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    detector, _ = _models(tuple(sorted(picture.files.items())))
    found = detector(looked)
    if not found:
        raise Rejected("no_face_found", f"no face is found in {picture.image.name}", {})
    return image, looked, sorted(found, key=lambda face: -face.box[2] * face.box[3])


@cache
def _models(files: tuple[tuple[str, Path], ...]) -> tuple[Detector, Embedder]:
    """Loaded once per worker process."""
    cv2.setNumThreads(1)
    return detectors.create(DETECTOR, dict(files)), embedders.create(EMBEDDER, dict(files))


def read_picture(file: StoredFile) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises Rejected "unreadable_image"."""
    return decode_picture(np.frombuffer(file.read(), np.uint8), file.name)


def decode_picture(data: np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a file's bytes, uint8. Raises Rejected "unreadable_image" with that name."""
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise Rejected("unreadable_image", f"{name} is not a readable image", {})
    return np.ascontiguousarray(image[..., ::-1])
