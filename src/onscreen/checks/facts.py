"""What checks of a whole set need of each sample, measured once, beside its own checks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from onscreen.cache import Item
from onscreen.checks.sample import Broken, SampleFolder
from onscreen.checks.tools import Tools
from onscreen.errors import Rejected
from onscreen.motion import songs


@dataclass(frozen=True)
class Facts:
    """One sample, as far as it could be measured.

    hashes: file name -> sha256. face: (128,) float32 of dlib's embedder, L2 = 1, of the largest face of reference_image.jpg.
    song: (H, 2) int32 of motion.songs.fingerprint of video.mp4's sound. why_not: what is None -> why.
    """

    label: str
    hashes: dict[str, str]
    face: np.ndarray | None
    song: np.ndarray | None
    why_not: dict[str, str] = field(default_factory=dict)

    def as_item(self) -> Item:
        """To travel from a worker."""
        arrays = {name: array for name, array in (("face", self.face), ("song", self.song)) if array is not None}
        return Item({"label": self.label, "hashes": self.hashes, "why_not": self.why_not}, arrays)

    @classmethod
    def from_item(cls, item: Item) -> Facts:
        """What as_item packed; other keys of its meta do not count."""
        meta = item.meta
        return cls(meta["label"], meta["hashes"], item.arrays.get("face"), item.arrays.get("song"), meta["why_not"])


def measure_facts(sample: SampleFolder, tools: Tools) -> Facts:
    """Never raises for what the files hold; what could not be measured is None, and why_not says why."""
    why_not = dict[str, str]()
    face = song = None
    try:
        face = _face(sample, tools)
    except (Broken, Rejected, OSError) as error:
        why_not["face"] = str(error)
    try:
        song = _song(sample, tools)
    except (Rejected, OSError) as error:
        why_not["song"] = str(error)
    return Facts(sample.label, _hashes(sample), face, song, why_not)


def _hashes(sample: SampleFolder) -> dict[str, str]:
    found = dict[str, str]()
    for path in sorted(path for path in sample.folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _face(sample: SampleFolder, tools: Tools) -> np.ndarray:
    embedding = tools.portrait(sample).embedding
    if embedding is None:
        raise Rejected("no_face", "no face is found in reference_image.jpg")
    return embedding


def _song(sample: SampleFolder, tools: Tools) -> np.ndarray:
    audio = tools.heard(sample).audio
    return songs.fingerprint(audio.samples, audio.rate_hz)
