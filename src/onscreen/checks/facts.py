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

PICTURES = 120  # of a sample, spread evenly; at the guide's longest recommended length 12 a second


@dataclass(frozen=True)
class Facts:
    """One sample, as far as it could be measured.

    hashes: file name -> sha256. face: (128,) float32 of dlib's embedder, L2 = 1, of the largest face of reference_image.jpg.
    song: (H, 2) int32 of motion.songs.fingerprint of video.mp4's sound. pictures: (F, 256) float16, grey levels of up to PICTURES
    frames at 16 x 16 pixels, without each one's mean. why_not: what is None -> why.
    """

    label: str
    hashes: dict[str, str]
    face: np.ndarray | None
    song: np.ndarray | None
    why_not: dict[str, str] = field(default_factory=dict)
    pictures: np.ndarray | None = None

    def as_item(self) -> Item:
        """To travel from a worker."""
        arrays = {name: array for name, array in self._arrays() if array is not None}
        return Item({"label": self.label, "hashes": self.hashes, "why_not": self.why_not}, arrays)

    def _arrays(self) -> tuple[tuple[str, np.ndarray | None], ...]:
        return ("face", self.face), ("song", self.song), ("pictures", self.pictures)

    @classmethod
    def from_item(cls, item: Item) -> Facts:
        """What as_item packed; other keys of its meta do not count."""
        meta = item.meta
        face, song, pictures = (item.arrays.get(name) for name in ("face", "song", "pictures"))
        return cls(meta["label"], meta["hashes"], face, song, meta["why_not"], pictures)


def measure_facts(sample: SampleFolder, tools: Tools) -> Facts:
    """Never raises for what the files hold; what could not be measured is None, and why_not says why."""
    found, why_not = dict[str, np.ndarray | None](), dict[str, str]()
    for name, measure in (("face", _face), ("song", _song), ("pictures", _pictures)):
        try:
            found[name] = measure(sample, tools)
        except (Broken, Rejected, OSError) as error:
            why_not[name] = str(error)
    return Facts(sample.label, _hashes(sample), found.get("face"), found.get("song"), why_not, found.get("pictures"))


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


def _pictures(sample: SampleFolder, tools: Tools) -> np.ndarray:
    small = tools.film(sample).small
    if not len(small):
        raise Rejected("no_frames", "no frame of video.mp4 can be decoded")
    chosen = small[np.unique(np.linspace(0, len(small) - 1, min(PICTURES, len(small))).round().astype(int))]
    side = chosen.shape[1] // 2
    levels = chosen.reshape(len(chosen), side, 2, side, 2).mean(axis=(2, 4)).reshape(len(chosen), -1)
    return np.asarray(levels - levels.mean(axis=1, keepdims=True), np.float16)
