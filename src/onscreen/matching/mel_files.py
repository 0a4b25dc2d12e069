"""Mel spectrograms as files of an HQ-VoxCeleb tree hold them: .npy, or .pickle as the published scripts write.

{"LogMel_Features": (bands, frames), "spkid": ..., "clipid": ..., "wavid": ...}
"""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from onscreen.cache import Item
from onscreen.errors import CorruptTable, InputError, Rejected
from onscreen.matching.numpy_pickle import RefusedPickle, loads
from onscreen.storage import StoredFile

PICKLES = (".pickle", ".pkl")
ENDINGS = (".npy", *PICKLES)
_KEYS = ("LogMel_Features", "mel", "mel_spectrogram", "spectrogram")  # of the published scripts and of those that read them


def load_mel(file: StoredFile, bands_first: bool = True) -> np.ndarray:
    """(bands, frames) float32, finite. bands_first: whether the file holds it so, or frames first.

    Raises Rejected "unsafe_pickle" (it would run something; nothing was run), "unreadable_mel", "not_a_spectrogram", "not_finite".
    """
    found = _content(file)
    if not isinstance(found, np.ndarray):
        raise Rejected("not_a_spectrogram", f"{file.name} holds {found}; an array of two axes is needed")
    if found.ndim != 2 or not found.size or found.dtype.kind != "f":
        raise Rejected(
            "not_a_spectrogram", f"{file.name} holds {found.dtype} of shape {found.shape}; bands x frames of floats is needed"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told below
        mel = np.ascontiguousarray(found if bands_first else found.T, np.float32)
    wrong = int(mel.size - np.isfinite(mel).sum())
    if wrong:
        numbers = {"not_finite": float(wrong), "values": float(mel.size)}
        raise Rejected("not_finite", f"{file.name}: {wrong} of {mel.size} values are NaN or infinite", numbers)
    return mel


def measure_mels(files: tuple[StoredFile, ...]) -> Item:
    """arrays: shape (N, 2) int64, as each file holds it, 0 x 0 where it holds none. meta: "lost", {index: code, detail, numbers}."""
    shapes, lost = np.zeros((len(files), 2), np.int64), {}
    for at, file in enumerate(files):
        try:
            shapes[at] = load_mel(file).shape
        except Rejected as why:
            lost[str(at)] = {"code": why.code, "detail": why.detail, "numbers": why.numbers}
    return Item({"lost": lost}, {"shape": shapes})


def _content(file: StoredFile) -> Any:
    """What the file holds: an array, or words that say what there is instead."""
    try:
        data = file.read()
        if PurePosixPath(file.name).suffix.lower() in PICKLES:
            return _spectrogram(loads(data))
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except RefusedPickle as error:
        raise Rejected("unsafe_pickle", f"{file.name} is refused: {error}") from error
    except InputError as error:
        raise Rejected("unreadable_mel", f"{file.name} cannot be read") from error
    except (ValueError, EOFError, MemoryError, CorruptTable) as error:
        raise Rejected("unreadable_mel", f"{file.name}: {error}") from error
    return found if isinstance(found, np.ndarray) else "several arrays"


def _spectrogram(found: Any) -> Any:
    """Of a pickle: the array itself, the only one of a list, of a dict the one under a published key or the only one of two axes."""
    if isinstance(found, np.ndarray):
        return found
    if isinstance(found, dict):
        named = next((found[key] for key in _KEYS if key in found), None)
        if named is not None:
            return named if isinstance(named, np.ndarray) else f"no array under a known key ({type(named).__name__})"
        found = list(found.values())
    arrays = [value for value in found if isinstance(value, np.ndarray)] if isinstance(found, list | tuple) else []
    planes = [array for array in arrays if array.ndim == 2]
    if len(planes) == 1 or len(arrays) == 1:
        return (planes or arrays)[0]
    return f"{len(planes)} arrays of two axes" if arrays else "no array"
