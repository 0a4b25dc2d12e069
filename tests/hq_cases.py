"""Small HQ-VoxCeleb trees as downloaded: no tree.json."""

import pickle
from pathlib import Path

import cv2
import numpy as np

from onscreen.store import write_json
from stage_cases import portrait


def mel(bands: int = 8, frames: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(bands, frames)).astype(np.float32)


def published_tree(root: Path, people: dict[str, str], spelling: str = "mel_spectograms", part: str = "vox1") -> None:
    """A tree as downloaded: no tree.json."""
    split: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (name, side) in enumerate(people.items()):
        split[side].append(name)
        for kind in (spelling, "masked_faces"):
            (root / part / kind / name).mkdir(parents=True)
        for clip in range(2):
            np.save(root / part / spelling / name / f"{clip}.npy", mel(seed=number))
        cv2.imwrite(str(root / part / "masked_faces" / name / "a.jpg"), portrait(number)[..., ::-1])
    write_json(root / "split.json", {part: split})


def published_pickle(path: Path, array: np.ndarray, protocol: int = 4) -> None:
    """A spectrogram as the published script pickles it: turned by np.transpose, so in Fortran's order."""
    content = {
        "LogMel_Features": np.transpose(np.ascontiguousarray(array.T)),
        "spkid": "id10001",
        "clipid": "J9lHsKG98U8",
        "wavid": "00026",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))
