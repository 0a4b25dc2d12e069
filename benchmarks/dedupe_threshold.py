"""Calibrates dedupe.threshold. Run: python benchmarks/dedupe_threshold.py [--embedder NAME] [--detector NAME] FOLDER...

Each FOLDER holds one folder a person with photos in it (LFW10 and johns were used; the clips that results are reported on never
are). Two disjoint sets of n photos of every person are drawn 200 times; the mean of a set is what dedupe compares. The threshold is
the middle between the distance that 1 in 100 pairs of one person exceeds and that which 1 in 100 pairs of two people stays below.

The second table says what such a threshold is worth for people that it was not fitted to: for single photos it is taken from one half
of the people, and average link groups the photos of the other half with it; 100 times, next to what `auto` stands for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from onscreen import weights
from onscreen.config import Faces
from onscreen.errors import ConfigError
from onscreen.faces import detectors, embedders
from onscreen.faces.agreement import agreement
from onscreen.faces.clustering import cluster
from onscreen.faces.thresholds import auto_threshold

_DRAWS = 200
_HALVES = 100

People = dict[str, np.ndarray]  # person -> (photos, D), float32, L2 = 1


def main(options: argparse.Namespace) -> None:
    people = dict(embedded(options.folders, options.detector, options.embedder))
    people = {person: photos for person, photos in people.items() if len(photos) > 1}
    sizes = [len(photos) for photos in people.values()]
    print(f"{options.embedder} on {options.detector}'s boxes: {len(people)} people, {min(sizes)} to {max(sizes)} photos each\n")
    calibration(people, min(sizes) // 2)
    print()
    held_out(people, options.embedder)


def calibration(people: People, most: int) -> None:
    """Print the distances and the threshold for means of 1 to `most` photos."""
    print("| photos pooled | same: median | 99 % | largest | different: smallest | 1 % | median | threshold |")
    print("|---|---|---|---|---|---|---|---|")
    for count in range(1, most + 1):
        same, different = distances(people, count)
        high, low = np.percentile(same, 99), np.percentile(different, 1)
        row = [np.median(same), high, same.max(), different.min(), low, np.median(different), (high + low) / 2]
        print(f"| {count} | " + " | ".join(f"{value:.4f}" for value in row) + " |")


def held_out(people: People, embedder: str) -> None:
    """Print the pairwise F1 of single photos of people whom the threshold has not seen."""
    draw = np.random.default_rng(1)
    scores: dict[str, list[tuple[float, float]]] = {"of the other half": []}
    for _ in range(_HALVES):
        order = draw.permutation(sorted(people))
        seen, unseen = ({person: people[person] for person in part} for part in np.array_split(order, 2))
        same, different = distances(seen, 1, draws=20)
        middle = (np.percentile(same, 99) + np.percentile(different, 1)) / 2
        scores["of the other half"].append((middle, pairwise_f1(unseen, middle)))
        try:
            auto = auto_threshold(embedder, 1)
        except ConfigError:
            continue
        scores.setdefault("auto", []).append((auto, pairwise_f1(unseen, auto)))
    print(f"| threshold for single photos ({_HALVES} halves) | mean | pairwise F1: mean | 5 % | worst |\n|---|---|---|---|---|")
    for name, rows in scores.items():
        thresholds, f1 = np.array(rows).T
        print(f"| {name} | {thresholds.mean():.4f} | {f1.mean():.4f} | {np.percentile(f1, 5):.4f} | {f1.min():.4f} |")


def pairwise_f1(people: People, threshold: float) -> float:
    """Of average link over all single photos, each its own clip."""
    names = [person for person, photos in people.items() for _ in photos]
    labels = cluster(
        np.concatenate(list(people.values())), [str(photo) for photo in range(len(names))], threshold, "average_link"
    )
    return agreement([str(label) for label in labels], names)["pairwise_f1"]


def embedded(folders: list[Path], detector: str, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Person -> (photos, D), of the face nearest to the middle of each photo."""
    models = [*detectors.WEIGHTS[detector], *embedders.WEIGHTS[name]]
    weights.ensure(models)
    files = {file: weights.path_of(model, file) for model in models for file in weights.model(model).files}
    detect, embedder = detectors.create(detector, files), embedders.create(name, files)
    for person in sorted(path for folder in folders for path in folder.iterdir() if path.is_dir()):
        vectors = []
        for path in sorted(person.glob("*.jpg")):
            image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
            if faces := detect(image):
                middle = image.shape[1] / 2
                face = min(faces, key=lambda face: abs(face.box[0] + face.box[2] / 2 - middle))
                vectors.append(embedders.embed(embedder, image, face))
        yield person.name, np.array(vectors, np.float32).reshape(len(vectors), embedder.dim)
    detect.close()


def distances(people: People, count: int, draws: int = _DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances between means of count photos: of one person, of two people."""
    draw = np.random.default_rng(0)
    same, different = [], []
    for _ in range(draws):
        orders = [draw.permutation(len(photos)) for photos in people.values()]
        one, other = (
            np.array([embedders.pool(v[o[part]]) for v, o in zip(people.values(), orders, strict=True)])
            for part in (slice(0, count), slice(count, 2 * count))
        )
        distance = 1 - one @ other.T
        same.append(np.diag(distance))
        different.append(distance[~np.eye(len(distance), dtype=bool)])
    return np.concatenate(same), np.concatenate(different)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--embedder", default="Dlib", choices=get_args(Faces.model_fields["embedder"].annotation))
    parser.add_argument("--detector", default="mediapipe", choices=get_args(Faces.model_fields["detector"].annotation))
    return parser.parse_args()


if __name__ == "__main__":
    main(_options())
