"""Items that are read when they are asked for: those of thousands of clips do not fit into memory, and they go to other processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onscreen.cache import Item, ItemCache
from onscreen.errors import InputError
from onscreen.stages.hq_items import decode_picture, read_picture
from onscreen.stages.tower_faces import to_tower
from onscreen.stages.tower_voices import SpeechTask
from onscreen.storage import StoredFile


@dataclass(frozen=True)
class ReadCrop:
    """Reads a stored crop as a picture for a tower."""

    image: StoredFile
    side_px: int

    def __call__(self) -> np.ndarray:
        """(3, side_px, side_px) uint8 RGB. Raises InputError, Rejected when the file is no longer what it was."""
        return to_tower(read_picture(self.image), self.side_px)


@dataclass(frozen=True)
class CachedCrop:
    """Reads a crop that measure_crop left in the item cache."""

    cache: ItemCache
    key: str
    side_px: int

    def __call__(self) -> np.ndarray:
        """(3, side_px, side_px) uint8 RGB. Raises InputError when it is no longer there."""
        jpeg = _cached(self.cache, self.key).arrays["jpeg"]
        return to_tower(decode_picture(jpeg, self.key), self.side_px)


@dataclass(frozen=True)
class CachedMel:
    """Reads a spectrogram that measure_mel left in the item cache."""

    cache: ItemCache
    key: str

    def __call__(self) -> np.ndarray:
        """(bands, frames) float32. Raises InputError when it is no longer there."""
        return _cached(self.cache, self.key).arrays["mel"]


@dataclass(frozen=True)
class ReadSpeech:
    """Reads speech as a waveform for a tower."""

    task: SpeechTask

    def __call__(self) -> np.ndarray:
        """(1, n) float32, 16 kHz. Raises InputError, Rejected when the file is no longer what it was."""
        return self.task.read()[0][None]


def _cached(store: ItemCache, key: str) -> Item:
    found = store.get(key)
    if not isinstance(found, Item):
        raise InputError(f"the item cache in {store.root} was emptied while it was read from. Run the command again.")
    return found
