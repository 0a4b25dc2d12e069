"""What a large HQ-VoxCeleb tree costs before training begins: listing it, and looking at every spectrogram.

    PYTHONPATH=src python benchmarks/hq_tree.py [folder for the tree, 0.5 GB; default: a temporary one]

500 people with 10 spectrograms each (40 bands, 250-350 frames, float64), half of them pickles as published, half .npy; the pictures
are empty files, because nobody looks at them here. Prints core-seconds (of all processes) and what is held in memory.
"""

from __future__ import annotations

import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from onscreen.config import Params
from onscreen.matching.hq_split import sides_of
from onscreen.matching.hq_tree import read_tree
from onscreen.matching.mel_files import load_mel
from onscreen.stages.hq_mels import look_at_mels
from onscreen.stages.train_hq import mel_items
from onscreen.store import write_json
from onscreen.workspace import Workspace

PEOPLE, EACH, BANDS = 500, 10, 40


def make(root: Path) -> None:
    """Write the tree."""
    random = np.random.default_rng(0)  # values mean nothing here: only their number costs
    for person in range(PEOPLE):
        mels, faces = (root / "vox1" / kind / f"p{person:04d}" for kind in ("mel_spectrograms", "masked_faces"))
        mels.mkdir(parents=True)
        faces.mkdir(parents=True)
        (faces / "1.jpg").touch()
        for number in range(EACH):
            array = random.normal(size=(BANDS, int(random.integers(250, 350))))
            if number % 2:
                np.save(mels / f"{number}.npy", array)
            else:
                (mels / f"{number}.pickle").write_bytes(pickle.dumps({"LogMel_Features": array, "spkid": "id10001"}))


def core_seconds(label: str, work: Callable[[], object]) -> None:
    """Run once; print what it cost this process and its children."""
    before = _used()
    start = time.perf_counter()
    work()
    print(f"{label:60} {_used() - before:7.2f} core-s  {time.perf_counter() - start:7.2f} s")


def _used() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main(root: Path) -> None:
    """Make the tree and measure."""
    make(root)
    write_json(root / "split.json", sides_of(root, "available").split)
    cache = root.parent / "cache"
    core_seconds("list the tree", lambda: read_tree(root))
    tree = read_tree(root)
    paths = [path for person in tree.people for path in person.mels]

    def look() -> None:
        workspace = Workspace(root.parent, root.parent, Params(), cache)
        look_at_mels(workspace, tree)

    core_seconds(
        f"read {len(paths)} spectrograms, and no more", lambda: sum(load_mel(tree.files.file(path)).size for path in paths)
    )
    core_seconds("look at all of them, first time (hash, read, remember)", look)
    core_seconds("look at all of them, any later time", look)
    workspace = Workspace(root.parent, root.parent, Params(), cache)
    items = mel_items(workspace, tree, look_at_mels(workspace, tree), BANDS)
    print(f"held afterwards: {len(items.known)} places to read from, no spectrogram")
    print(
        f"most memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; tree: {_size(root):.0f} MB"
    )


def _size(root: Path) -> float:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / 2**20


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]) / "HQVoxCeleb")
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "HQVoxCeleb")
