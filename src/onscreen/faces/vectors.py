"""Vectors of faces: of length 1, or refused."""

from __future__ import annotations

import numpy as np

from onscreen.errors import Rejected


def unit(raw: np.ndarray) -> np.ndarray:
    """raw / |raw|: (D,) float32. Raises Rejected (bad_embedding) for values that are not finite and for a vector of zeros."""
    vector = np.asarray(raw, np.float64).ravel()
    broken = int((~np.isfinite(vector)).sum())
    if broken:
        raise Rejected(
            "bad_embedding", f"{broken} of the embedding's {vector.size} values are not finite", {"not_finite": broken}
        )
    length = float(np.linalg.norm(vector))
    if length == 0:
        raise Rejected("bad_embedding", "the embedding is all zeros; it has no direction", {"length": 0.0})
    return np.asarray(vector / length, np.float32)
