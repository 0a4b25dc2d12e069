"""What a detector's backend answers: places that may be faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Box = tuple[float, float, float, float]
"""x, y, width, height px; may reach out of the image."""

Eyes = tuple[tuple[float, float], tuple[float, float]]
"""x, y px of the eye at the left of an upright face's image, then of the other."""

FLOOR = 0.1  # scores below are not even candidates; on clips without a person MediaPipe gives up to 0.25, on faces 0.49 and more


@dataclass(frozen=True)
class Candidate:
    """A place that may be a face. probability: the backend's own, 1 where it has none. eyes: None where it has none."""

    box: Box
    probability: float
    eyes: Eyes | None = None


class Backend(Protocol):
    """Finds places that may be faces. Made in the process that uses it, with one thread; closed once."""

    def preprocess(self, image: np.ndarray) -> Any:
        """image: (H, W, 3) uint8 RGB, 16 px and more on its shorter side -> what the model takes."""

    def infer(self, prepared: Any) -> Any:
        """Run the model."""

    def postprocess(self, raw: Any) -> list[Candidate]:
        """The model's answer in pixels of the image."""

    def close(self) -> None:
        """Free the model. MediaPipe's own clean-up complains when it is left to the end of the interpreter."""


def shrunk(image: np.ndarray, longest_px: int) -> tuple[np.ndarray, float]:
    """An image of any channels whose longer side is at most longest_px, and the factor back to the image's own pixels."""
    import cv2

    factor = max(image.shape[:2]) / longest_px
    if factor <= 1:
        return np.ascontiguousarray(image), 1.0
    size = (max(1, round(image.shape[1] / factor)), max(1, round(image.shape[0] / factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), factor
