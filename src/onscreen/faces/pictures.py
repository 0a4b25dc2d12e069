"""The faces of a picture of a face, measured as those of a clip's frame are."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from onscreen.cache import Item
from onscreen.faces.detectors import Detection, Detector, overlap
from onscreen.faces.measurement import ClipFaces, measure_frames
from onscreen.media.images import read_image
from onscreen.media.video import Frame

LIBRARIES = ("pillow",)  # their versions belong to the key of a measurement, beside those of measure_faces
_BORDER = 0.5  # of the longer side; of 78 crops along the face's box MediaPipe finds 59 as they are, and all with this
_GREY = (128, 128, 128)
_SAME_FACE = 0.3  # intersection over union of two boxes


def measure_picture(picture: ClipFaces) -> Item:
    """What measure_faces gives, of one picture; its times do not count.

    Raises Rejected as read_image does.
    """
    return measure_frames(picture, [Frame(0.0, read_image(picture.path))], look_with_border)


def look_with_border(detect: Detector, image: np.ndarray) -> list[Detection]:
    """All faces of an image, the surest first, also those that fill it.

    Detectors know faces with something around them. So they are shown the image twice, as it is and on a wide grey border. The
    border helps to find the face and is no part of it: boxes and points are pixels of the image itself.
    """
    width = round(_BORDER * max(image.shape[:2]))
    wide = cv2.copyMakeBorder(image, width, width, width, width, cv2.BORDER_CONSTANT, value=_GREY)
    found = sorted([*detect(image), *(_moved(face, -width) for face in detect(wide))], key=lambda face: (-face.score, face.box))
    kept: list[Detection] = []
    for face in found:
        if not any(overlap(face.box, surer.box) > _SAME_FACE for surer in kept):
            kept.append(face)
    return kept


def _moved(face: Detection, by: int) -> Detection:
    x, y, width, height = face.box
    return replace(face, box=(x + by, y + by, width, height), mesh=face.mesh + np.float32(by))
