"""Pictures that nobody has cut or masked yet, as a model of our own HQ-VoxCeleb tree takes them: cut as data/faces does it, then masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onscreen.cache import Item, code_digest, item_key
from onscreen.engine import Job
from onscreen.errors import Rejected
from onscreen.faces.background import MODEL_FILE, WEIGHTS
from onscreen.stages.hq import no_person
from onscreen.stages.hq_items import PICTURE_MODELS, Picture, decode_picture, masked
from onscreen.stages.tower_faces import CropTask, Framing, measure_crop
from onscreen.storage import StoredFile
from onscreen.weights import digest_of, model, path_of
from onscreen.workspace import Workspace


@dataclass(frozen=True)
class RawTask:
    """A picture to cut the largest face out of and to take the background from. model_file: the segmentation model."""

    crop: CropTask
    model_file: Path


@dataclass(frozen=True)
class MaskedFaces:
    """files: name -> the masked face, a JPEG in the caller's folder. faces: name -> how many the picture shows. lost: why there is none."""

    files: Mapping[str, StoredFile]
    faces: Mapping[str, int]
    lost: Mapping[str, Rejected]


def measure_raw(task: RawTask) -> Item:
    """arrays: jpeg. meta: faces, score, person_share. Raises Rejected "unreadable_image", "no_face_found", "no_person_in_crop"."""
    cut = measure_crop(task.crop)
    found = masked(decode_picture(cut.arrays["jpeg"], task.crop.picture.image.name), task.model_file)
    if lost := no_person(found):
        raise lost
    return Item(cut.meta | found.meta, found.arrays)


def masked_faces(workspace: Workspace, framing: Framing, pictures: Mapping[str, StoredFile], folder: Path) -> MaskedFaces:
    """Masked faces of these pictures by name, written into `folder`. Raises WeightsError when a model is not on this machine."""
    files = {file: path_of(name, file) for name in PICTURE_MODELS for file in model(name).files}
    weights = [digest_of(name) for name in (*PICTURE_MODELS, *WEIGHTS)]
    code = code_digest("onscreen.stages.hq_raw", "dlib-bin", "mediapipe", "onnxruntime", "opencv-python")
    params = {"crop_px": framing.crop_px, "crop_margin": framing.crop_margin}
    jobs = [
        Job(
            item_key(inputs=[sha256], code=code, params=params, weights=weights),
            RawTask(CropTask(Picture(image, files), framing), path_of(WEIGHTS[0], MODEL_FILE)),
        )
        for image, sha256 in zip(pictures.values(), workspace.sha256_of_all(list(pictures.values())), strict=True)
    ]
    found = dict(zip(pictures, workspace.engine.measure("masked faces", measure_raw, jobs), strict=True))
    items = {name: item for name, item in found.items() if isinstance(item, Item)}
    written = {name: _write(item, folder / name / "image without background") for name, item in items.items()}
    lost = {name: item for name, item in found.items() if isinstance(item, Rejected)}
    return MaskedFaces(written, {name: item.meta["faces"] for name, item in items.items()}, lost)


def _write(item: Item, path: Path) -> StoredFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(item.arrays["jpeg"].tobytes())
    return StoredFile(path)
