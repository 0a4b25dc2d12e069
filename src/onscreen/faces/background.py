"""What is not the person in a picture of a face, made black: HQ-VoxCeleb's "masked faces", by MediaPipe's selfie segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onscreen.tasks_models import silent_native_log

WEIGHTS = ("mediapipe_selfie",)
MODEL_FILE = "selfie_segmentation.tflite"
_PERSON = 0.5  # probability from which a pixel is the person


def mask_background(image: np.ndarray, model_file: Path) -> tuple[np.ndarray, float]:
    """A copy of the picture with everything but the person black, and the share of pixels that are the person, 0-1.

    image: (H, W, 3) uint8 RGB, one person large in it. model_file: weights.path_of("mediapipe_selfie", MODEL_FILE).
    A share near 0 means that no person was found; the picture is then black, and nothing for a face model to learn from.
    """
    person = person_mask(image, model_file) >= _PERSON
    return np.where(person[..., None], image, 0).astype(np.uint8), float(person.mean())


def person_mask(image: np.ndarray, model_file: Path) -> np.ndarray:
    """(H, W) float32: probability that a pixel is a person.

    Opens the model anew each time: 10 ms, and a model left open complains when the interpreter ends.
    """
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    base = BaseOptions(model_asset_buffer=model_file.read_bytes())
    options = vision.ImageSegmenterOptions(base, output_confidence_masks=True, output_category_mask=False)
    picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
    with silent_native_log(), vision.ImageSegmenter.create_from_options(options) as segmenter:
        masks = segmenter.segment(picture).confidence_masks
        return np.array(masks[0].numpy_view(), np.float32).reshape(image.shape[:2])
