"""What one picture shows of one dancer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seen:
    """What one picture shows of one dancer.

    points: (134, 3) float32, pixels of the picture, and a confidence of 0-1. face_box: x, y, width, height px, or None;
    face_score: 0 without one. people: how many bodies were found in the picture. person: who is followed, counting from 0 in each
    shot; it grows when that person was gone for good and another one is followed. -1: nobody is seen.
    """

    points: np.ndarray
    face_box: tuple[float, float, float, float] | None
    face_score: float
    people: int = 0
    person: int = -1
