"""How well faces are grouped at `auto`. Run: python benchmarks/clustering.py DATA [--out FOLDER]

DATA holds faces/lfw10 and faces/johns (a folder of photos a person) and clips/ with labels.csv. Photos: Dlib, each a clip of its own.
Clips: through the stages prepare and extract_faces, five frames pooled. Prints a markdown table of scores, how the groups fare when
the order of the input is shuffled 20 times, and the distances within and between people as bars; --out also writes those as PNG.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from dedupe_threshold import embedded
from onscreen.config import Data, Params
from onscreen.faces.agreement import agreement, read_labels
from onscreen.faces.clustering import Method, cluster
from onscreen.faces.thresholds import threshold_of
from onscreen.records import Face
from onscreen.stages import extract_faces, prepare
from onscreen.store import read_table
from onscreen.workspace import Workspace

_SHUFFLES = 20
_BINS = np.linspace(0, 0.4, 41)
_BAR = 30  # characters of the longest bar

Labelled = tuple[str, np.ndarray, list[str], list[str], float]  # name, (N, D), clips, labels ("" for none), threshold


def main(data: Path, out: Path | None) -> None:
    sets = [photos(data), clips(data)]
    print("| faces | threshold | method | pairwise F1 | BCubed F1 | NMI | ARI | people | groups | same in 20 orders |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, embeddings, own, labels, threshold in sets:
        for method in get_args(Method):
            found = cluster(embeddings, own, threshold, method)
            scores = agreement(
                *zip(*((str(group), label) for group, label in zip(found, labels, strict=True) if label), strict=True)
            )
            shown = [f"{scores[key]:.4f}" for key in ("pairwise_f1", "bcubed_f1", "nmi", "ari")]
            counts = [
                str(len(set(labels))),
                str(len(set(found.tolist()))),
                str(same_in_other_orders(embeddings, own, threshold, method)),
            ]
            print(f"| {name} | {threshold:.4f} | {method} | " + " | ".join([*shown, *counts]) + " |")
    for name, embeddings, _, labels, threshold in sets:
        same, different = distances(embeddings, labels)
        print(f"\n{name}: {len(same)} pairs of one person (#), {len(different)} of two (.), threshold {threshold:.4f}\n")
        print(bars(same, different, threshold))
    if out:
        draw(out, sets)


def photos(data: Path) -> Labelled:
    people = dict(embedded([data / "faces" / "lfw10", data / "faces" / "johns"], "mediapipe", "Dlib"))
    labels = [person for person, vectors in people.items() for _ in vectors]
    own = [str(photo) for photo in range(len(labels))]
    return "photos, lfw10 + johns", np.concatenate(list(people.values())), own, labels, threshold_of("Dlib", 1).value


def clips(data: Path) -> Labelled:
    """All faces as extract_faces finds and pools them; the main person of a labelled clip is the labelled one."""
    params = Params(data=Data(raw=str((data / "clips").resolve())))
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), Path.cwd(), params, Path(folder) / "cache")
        prepare.main(workspace)
        extract_faces.main(workspace)
        faces = read_table(workspace.faces / "faces.parquet", Face)
    known = read_labels(data / "clips" / "labels.csv")
    labels = [known.get(face.source, "") if face.face_id == face.clip_id else "" for face in faces]
    threshold = threshold_of(params.faces.embedder, params.faces.frames_per_clip).value
    return (
        "clips, 5 frames pooled",
        np.stack([face.embedding for face in faces]),
        [face.clip_id for face in faces],
        labels,
        threshold,
    )


def same_in_other_orders(embeddings: np.ndarray, own: Sequence[str], threshold: float, method: Method) -> int:
    """In how many of 20 orders of the faces the groups are the same as in the first."""
    first = groups(cluster(embeddings, own, threshold, method), np.arange(len(own)))
    orders = [np.random.default_rng(seed).permutation(len(own)) for seed in range(_SHUFFLES)]
    found = [groups(cluster(embeddings[order], [own[face] for face in order], threshold, method), order) for order in orders]
    return sum(other == first for other in found)


def groups(labels: np.ndarray, faces: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(faces[labels == label].tolist()) for label in set(labels.tolist())}


def distances(embeddings: np.ndarray, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances of all pairs of one person, and of two people."""
    known = np.flatnonzero(np.array(labels) != "")
    i, j = (known[part] for part in np.triu_indices(len(known), 1))
    distance = 1 - np.einsum("nd,nd->n", embeddings[i], embeddings[j])
    same = np.array(labels)[i] == np.array(labels)[j]
    return distance[same], distance[~same]


def bars(same: np.ndarray, different: np.ndarray, threshold: float) -> str:
    """One line a bin of 0.01, each side scaled to its own largest bin."""
    lines = []
    counts = [np.histogram(np.clip(part, 0, _BINS[-1] - 1e-6), _BINS)[0] for part in (same, different)]
    used = np.flatnonzero(sum(counts)).max(initial=0) + 1
    for low, high, ours, theirs in zip(_BINS[:used], _BINS[1:][:used], *(count[:used] for count in counts), strict=True):
        marks = [
            mark * int(np.ceil(_BAR * count / most.max())) for mark, count, most in zip("#.", (ours, theirs), counts, strict=True)
        ]
        line = f"{low:.2f} {ours:5d} {marks[0]:<{_BAR}} {theirs:5d} {marks[1]:<{_BAR}}"
        lines.append(line + (" <- threshold" if low <= threshold < high else ""))
    return "\n".join(lines)


def draw(out: Path, sets: Sequence[Labelled]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3 * len(sets)), layout="constrained")
    for axes, (name, embeddings, _, labels, threshold) in zip(figure.subplots(len(sets), squeeze=False)[:, 0], sets, strict=True):
        for part, label in zip(distances(embeddings, labels), ("one person", "two people"), strict=True):
            axes.hist(part, _BINS, density=True, alpha=0.6, label=f"{label}, {len(part)} pairs")
        axes.axvline(threshold, color="black", linestyle="--", label=f"auto, {threshold:.4f}")
        axes.set(title=name, xlabel="cosine distance", ylabel="density")
        axes.legend()
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "distances.png", dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    main(options.data, options.out)
