"""Calibrates dedupe.threshold: auto. Run: python benchmarks/dedupe_threshold.py FOLDER...

Each FOLDER holds one folder a person with photos in it (LFW10 and johns were used; the clips that results are reported on never
are). Two disjoint sets of n photos of every person are drawn 200 times; the mean of a set is what dedupe compares. The threshold is
the middle between the distance that 1 in 100 pairs of one person exceeds and that which 1 in 100 pairs of two people stays below.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from onscreen import weights
from onscreen.faces import detectors, embedders

_DRAWS = 200


def main(folders: list[Path]) -> None:
    people = dict(embedded(folders))
    sizes = [len(photos) for photos in people.values()]
    print(f"{len(people)} people, {min(sizes)} to {max(sizes)} photos each, {_DRAWS} draws\n")
    print("| photos pooled | same: median | 99 % | largest | different: smallest | 1 % | median | threshold |")
    print("|---|---|---|---|---|---|---|---|")
    for count in range(1, min(sizes) // 2 + 1):
        same, different = distances(people, count)
        high, low = np.percentile(same, 99), np.percentile(different, 1)
        row = [np.median(same), high, same.max(), different.min(), low, np.median(different), (high + low) / 2]
        print(f"| {count} | " + " | ".join(f"{value:.4f}" for value in row) + " |")


def embedded(folders: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """Person -> (photos, D), of the face nearest to the middle of each photo."""
    models = [*detectors.WEIGHTS["mediapipe"], *embedders.WEIGHTS["Dlib"]]
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    detect, embedder = detectors.create("mediapipe", files), embedders.create("Dlib", files)
    for person in sorted(path for folder in folders for path in folder.iterdir() if path.is_dir()):
        vectors = []
        for path in sorted(person.glob("*.jpg")):
            image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
            if faces := detect(image):
                middle = image.shape[1] / 2
                face = min(faces, key=lambda face: abs(face.box[0] + face.box[2] / 2 - middle))
                vectors.append(embedders.embed(embedder, image, face))
        yield person.name, np.array(vectors)
    detect.close()


def distances(people: dict[str, np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances between means of count photos: of one person, of two people."""
    draw = np.random.default_rng(0)
    same, different = [], []
    for _ in range(_DRAWS):
        orders = [draw.permutation(len(photos)) for photos in people.values()]
        one, other = (
            np.array([embedders.pool(v[o[part]]) for v, o in zip(people.values(), orders, strict=True)])
            for part in (slice(0, count), slice(count, 2 * count))
        )
        distance = 1 - one @ other.T
        same.append(np.diag(distance))
        different.append(distance[~np.eye(len(distance), dtype=bool)])
    return np.concatenate(same), np.concatenate(different)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
