"""What a page shows of a dance, made small: points, waveform, music features. The same numbers give the same bytes."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onscreen.motion import music

SCALE = 4  # steps a pixel
_BINS = 400  # of a waveform, loudest and quietest sample of each
_MOST_ROWS, _MOST_COLUMNS = 246, 720  # of a heat map
_LEVELS = 64  # colours of a heat map; more cost bytes and are not seen
_CONSTANT, _NOT_FINITE = _LEVELS, _LEVELS + 1  # colours of their own
_GROUPS = (
    *(("MFCC", ("mfcc",)), ("chroma", ("chroma",))),
    *(("contrast, tonnetz", ("spectral_contrast", "tonnetz", "tempo_bpm")), ("mel, dB", ("log_mel_db",))),
    *(("CQT chroma", ("chroma_cqt",)), ("MFCC change", ("mfcc_delta",)), ("tempogram", ("tempogram",))),
)
_LAST_GROUP = "rhythm, level"


@dataclass(frozen=True)
class HeatMap:
    """png: a picture with the first column of features at its bottom, time to the right. about: what it shows.

    groups: (name, first row, rows) from the bottom; empty where the columns have no known names. rows: of the picture.
    """

    png: bytes
    about: str
    groups: tuple[tuple[str, int, int], ...]
    rows: int


def pack_points(points: np.ndarray) -> str:
    """Base64 of zlib of (T, K, 3) points: x, then y, each as low bytes and high bytes of int16, then confidence as uint8.

    Each runs point by point, frame after frame, as the difference to the frame before. x, y: quarter pixels, +-8191 px at most.
    confidence: 1-255; 0 only where it is 0, or where a value is no number.
    """
    seen = np.isfinite(points).all(axis=2) & (points[..., 2] > 0)
    kept = np.where(seen[..., None], points, 0.0)
    places = np.clip(np.rint(kept[..., :2] * SCALE), -32768, 32767).astype(np.int16)
    confidence = np.where(seen, np.clip(np.rint(kept[..., 2] * 255), 1, 255), 0).astype(np.uint8)
    parts = []
    for values in (places[..., 0], places[..., 1], confidence):
        steps = _steps(values).view(np.uint8).reshape(values.size, -1)  # little-endian, so low bytes come first
        parts += [steps[:, byte].tobytes() for byte in range(steps.shape[1])]
    return base64.b64encode(zlib.compress(b"".join(parts), 9)).decode()


def _steps(values: np.ndarray) -> np.ndarray:
    """(K, T) differences along time, wrapping round."""
    by_point = np.ascontiguousarray(values.T)
    return np.ascontiguousarray(np.diff(by_point, axis=1, prepend=by_point.dtype.type(0)))


def waveform(samples: np.ndarray) -> str:
    """The `points` of an SVG polygon within 1000 x 100: the outline of (N,) samples, scaled to their peak; "" for silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak or not np.isfinite(peak):
        return ""
    parts = np.array_split(samples, min(_BINS, len(samples)))
    width = 1000 / len(parts)
    top = [f"{(index + 0.5) * width:.0f},{50 - 49 * part.max() / peak:.0f}" for index, part in enumerate(parts)]
    low = [f"{(index + 0.5) * width:.0f},{50 - 49 * part.min() / peak:.0f}" for index, part in enumerate(parts)]
    return " ".join(top + low[::-1])


def heat_map(features: np.ndarray, shared: Mapping[str, Any]) -> HeatMap | None:
    """Music features as a picture; None for what is no (T, columns) table of at least one number.

    shared: what metadata.json says of all samples. Where its layout is ours, the 246 columns that belong to frame t are shown and
    named: the 39 first, and of the 23 frames around t its own 207. Else up to 246 columns, evenly picked, without names.
    Each row is scaled from its least to its greatest value for display only; one that never changes is grey, NaN is red.
    """
    if features.ndim != 2 or not features.size:
        return None
    told = shared.get("music")
    known = isinstance(told, Mapping) and told.get("layout_version") == music.LAYOUT_VERSION
    if known and features.shape[1] == music.WIDTH:
        rows = [row for row in music.layout() if row["offset"] == 0]
        columns = np.concatenate([np.arange(row["start"], row["stop"]) for row in rows])
        about, groups = f"{len(columns)} of {music.WIDTH} columns: those of frame t itself", _groups(rows)
    else:
        columns = np.unique(np.linspace(0, features.shape[1] - 1, _MOST_ROWS).astype(int))
        about, groups = f"{len(columns)} of {features.shape[1]} columns, evenly picked; nothing says what they mean", ()
    return HeatMap(_png(np.asarray(features[:, columns], np.float64).T), about, groups, len(columns))


def _groups(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, int, int], ...]:
    name_of = {name: title for title, names in _GROUPS for name in names}
    found: dict[str, list[int]] = {}
    first = 0
    for row in rows:
        found.setdefault(name_of.get(row["name"], _LAST_GROUP), []).extend(range(first, first + row["width"]))
        first += row["width"]
    return tuple((title, members[0], len(members)) for title, members in found.items())


def _png(values: np.ndarray) -> bytes:
    """(rows, T) as a PNG of few colours, first row at the bottom."""
    import cv2
    from PIL import Image

    if values.shape[1] > _MOST_COLUMNS:
        values = np.stack([part.mean(axis=1) for part in np.array_split(values, _MOST_COLUMNS, axis=1)], axis=1)
    finite = np.isfinite(values)
    low = np.where(finite, values, np.inf).min(axis=1, keepdims=True)
    span = np.where(finite, values, -np.inf).max(axis=1, keepdims=True) - low
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = np.nan_to_num((values - low) / span) * (_LEVELS - 1)
    indices = np.where(span > 0, np.rint(levels), _CONSTANT)
    indices = np.where(finite, indices, _NOT_FINITE).astype(np.uint8)
    ramp = np.linspace(0, 255, _LEVELS).astype(np.uint8)[:, None]
    colours = cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    picture = Image.fromarray(indices[::-1], "P")
    picture.putpalette([*(int(value) for value in colours.ravel()), 128, 128, 128, 230, 0, 0])
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
