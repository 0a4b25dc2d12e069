"""What dedupe says about its people: metrics, pairs for a person to look at, and the plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.config import Dedupe
from onscreen.faces.agreement import agreement
from onscreen.faces.borders import border_pairs, margin
from onscreen.faces.clustering import close_pairs, cluster
from onscreen.faces.corrections import chains
from onscreen.faces.neighbours import Pairs, no_pairs
from onscreen.overrides import Corrections
from onscreen.records import Face, Identity, Reject, ReviewPair
from onscreen.store import write_csv

MARGIN_FACES = 20_000  # up to so many faces the margin is exact: 2e8 distances, some seconds of one core
REVIEW_PAIRS = 1000  # more than a person looks at
BAND_PAIRS = 1_000_000  # more are not counted: the band is halved until there are no more; some 100 MB
_HALVINGS = 20  # down to a millionth of the band; what is too much even then has equal distances, and none is shown
_SWEEP_FACES = 2000  # the sweep clusters this many faces at most, 33 times
_SWEEP = np.linspace(0.0, 3.0, 33)  # thresholds of the sweep, in units of the one that is meant for the embedder
_BINS = np.linspace(0.0, 8.0, 81)  # distances of the histogram, in the same units


@dataclass(frozen=True)
class Known:
    """Faces with an identity, by key: keys begin with a digest, so the first ones are a fixed random sample.

    embeddings: (N, D) float32, L2 = 1. people: (N,) int64, a number for each identity_id.
    """

    faces: Sequence[Face]
    rows: Sequence[Identity]
    embeddings: np.ndarray
    people: np.ndarray

    @classmethod
    def of(cls, faces: Iterable[Face], identities: Iterable[Identity]) -> Known:
        rows = sorted(identities, key=lambda row: (row.face_key, row.face_id))
        face = {face.face_id: face for face in faces}
        own = [face[row.face_id] for row in rows]
        embeddings = np.stack([face.embedding for face in own]) if own else np.empty((0, 1), np.float32)
        return cls(own, rows, embeddings, numbers([row.identity_id for row in rows]))

    def sample(self, count: int) -> Known:
        return Known(self.faces[:count], self.rows[:count], self.embeddings[:count], self.people[:count])


def numbers(names: Sequence[str]) -> np.ndarray:
    """(N,) int64: equal names have equal numbers."""
    known = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([known[name] for name in names], np.int64)


def metrics(
    params: Dedupe, threshold: float, known: Known, rejects: Sequence[Reject], labels: Mapping[str, str]
) -> dict[str, Any]:
    """What reports/metrics/dedupe.json holds. A number that does not exist is absent: no margin without two people, and so on."""
    counted = {"rejects": dict(Counter(f"{reject.scope}.{reject.code}" for reject in rejects))} if rejects else {}
    if not known.rows:
        return {"status": "no faces", "faces": 0, "identities": 0, **counted}
    sizes = Counter(row.identity_id for row in known.rows)
    alone = sum(1 for size in sizes.values() if size == 1)
    counts: dict[str, Any] = {
        "status": "ok",
        "faces": len(known.rows),
        "identities": len(sizes),
        "singletons": alone,
        "singleton_rate": alone / len(sizes),
        "method": params.method,
        "threshold": threshold,
        "distances": _distances(known),
        "rejects": counted.get("rejects", {}),
    }
    mains = [row for row in known.rows if row.face_id == row.clip_id]
    scores = _label_scores([(row.source, row.identity_id) for row in mains], labels)
    if not scores:
        return counts
    missing = float(len(labels.keys() - {row.source for row in mains}))
    by_threshold = _label_scores([(row.source, row.cluster) for row in mains], labels)  # without ledger, without corrections
    return counts | {"labels": {**scores, "files_without_face": missing}, "labels_without_ledger": by_threshold}


def _distances(known: Known) -> dict[str, float]:
    sample = known.sample(MARGIN_FACES)
    inside, across = margin(sample.embeddings, sample.people)
    found = {"largest_inside": inside, "smallest_across": across}
    if len(sample.rows) < len(known.rows):
        found["of_sampled_faces"] = float(len(sample.rows))
    return {name: value for name, value in found.items() if value is not None}


def _label_scores(predicted: Sequence[tuple[str, str]], labels: Mapping[str, str]) -> dict[str, float]:
    """Scores over the labelled clips' main people. predicted: (source, identity_id)."""
    known = [(identity, labels[source]) for source, identity in predicted if source in labels]
    if not known:
        return {}
    return {"clips": float(len(known)), **agreement([name for name, _ in known], [label for _, label in known])}


def review(known: Known, threshold: float, band: float, corrections: Corrections) -> tuple[list[ReviewPair], dict[str, Any]]:
    """Pairs of faces near the threshold, nearest first, and their count for the metrics.

    band: share of the threshold. Where it holds more than BAND_PAIRS a narrower one counts, and the metrics say which.
    """
    place = {row.face_id: index for index, row in enumerate(known.rows)}
    apart = [[place[face] for face in one.face_ids if face in place] for one in corrections.split]
    joined = [[place[face] for face in one.face_ids if face in place] for one in corrections.merge]
    taken_out = np.full(len(known.rows), -1)
    for number, one in enumerate(apart):
        taken_out[one] = number
    decided = chains(apart + joined, len(known.rows)), taken_out
    (i, j, distance), width = _in_band(known, decided, threshold, band)
    order = np.lexsort((j, i, np.abs(distance - threshold)))
    shown = order[:REVIEW_PAIRS].tolist()
    found = [_pair(known.rows[i[pair]], known.rows[j[pair]], float(distance[pair]), threshold) for pair in shown]
    counts = {"review_pairs": len(order)} | ({"review_band": width} if width < band else {})
    return found, counts if known.rows else {}


def _in_band(known: Known, decided: tuple[np.ndarray, np.ndarray], threshold: float, band: float) -> tuple[Pairs, float]:
    """The pairs in the band, or in the widest half, quarter, ... of it that holds no more than BAND_PAIRS; and how wide that is."""
    clips = numbers([row.clip_id for row in known.rows])
    for width in (band / 2**halved for halved in range(_HALVINGS)):
        limits = ((1 - width) * threshold, (1 + width) * threshold)
        pairs = border_pairs(known.embeddings, known.people, clips, decided, limits, BAND_PAIRS)
        if pairs is not None:
            return pairs, width
    return no_pairs(), 0.0


def _pair(a: Identity, b: Identity, distance: float, threshold: float) -> ReviewPair:
    return ReviewPair(
        face_id_a=a.face_id,
        face_id_b=b.face_id,
        identity_a=a.identity_id,
        identity_b=b.identity_id,
        distance=distance,
        threshold=threshold,
        same=a.identity_id == b.identity_id,
        image_a=a.image,
        image_b=b.image,
    )


def write_plots(folder: Path, params: Dedupe, unit: float, known: Known, labels: Mapping[str, str]) -> None:
    """distances.csv: pairs by distance, inside a person and between two. sweep.csv: people found at other thresholds.

    unit: the threshold that is meant for the embedder; it sets the ranges, so that two experiments show the same.
    """
    sample = known.sample(_SWEEP_FACES)
    write_csv(folder / "distances.csv", ("cosine_distance", "same_person", "different_people"), _histogram(sample, unit))
    names = ("threshold", "identities", "pairwise_precision", "pairwise_recall", "pairwise_f1")
    write_csv(folder / "sweep.csv", names, _sweep(params, sample, labels, unit) if known.rows else [])


def _histogram(known: Known, unit: float) -> list[tuple[Any, ...]]:
    edges = np.minimum(_BINS * unit, 2.0)
    edges = edges[: int(np.argmax(edges)) + 1]  # no bin beyond the largest distance that there is
    i, j, distance = close_pairs(known.embeddings, 2.0)
    same = known.people[i] == known.people[j]
    inside, across = (np.histogram(np.clip(distance[part], 0, edges[-1]), edges)[0] for part in (same, ~same))
    return [(f"{low:.4f}", a, b) for low, a, b in zip(edges[:-1], inside.tolist(), across.tolist(), strict=True)]


def _sweep(params: Dedupe, known: Known, labels: Mapping[str, str], unit: float) -> list[tuple[Any, ...]]:
    clips = [face.clip_id for face in known.faces]
    found = []
    for threshold in np.minimum(_SWEEP * unit, 2.0).tolist():
        people = cluster(known.embeddings, clips, threshold, params.method)
        mains = [(face.source, str(person)) for face, person in zip(known.faces, people, strict=True) if face.person == 0]
        scores = _label_scores(mains, labels)
        shown = [scores.get(f"pairwise_{name}", "") for name in ("precision", "recall", "f1")]
        found.append((f"{threshold:.4f}", len(set(people.tolist())), *shown))
    return found
