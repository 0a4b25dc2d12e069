"""dedupe: group the faces of one person across clips, name the groups, and choose a face that stands for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onscreen.config import Dedupe, Faces
from onscreen.errors import MixedModelsError
from onscreen.faces.agreement import agreement, read_labels
from onscreen.faces.clustering import close_pairs, cluster
from onscreen.faces.identity import Merge, name_clusters, representative, strays, together
from onscreen.faces.thresholds import auto_threshold
from onscreen.ledger import LedgerRow, read_ledger
from onscreen.naming import SEPARATOR, file_stem
from onscreen.records import Face, Identity, Reject
from onscreen.storage import Save, Stored, storing
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.workspace import Workspace

STAGE = "dedupe"
DEDUPED, REPRESENTATIVES = "deduped_faces", "representative_faces"
_SWEEP_FACES = 2000  # the sweep clusters this many faces at most, 33 times
_SWEEP = np.linspace(0.0, 0.16, 33)
_FAR = 2  # thresholds: a face that the ledger knows and that is farther than this from all others of its identity is told


def threshold_of(params: Dedupe, made_with: Faces, faces: Sequence[Face]) -> float:
    """The cosine distance in force: the number of params, or the embedder's own for the frames that a face is meant to pool.

    made_with: the settings of the faces. What they say counts and not what the faces pool, so that no clip changes the threshold
    of the others; a face of fewer frames is held to it too. Raises MixedModelsError when a face comes from another embedder.
    """
    models = sorted({made_with.embedder, *(face.embedder for face in faces)})
    if len(models) > 1:
        raise MixedModelsError(f"faces of {' and '.join(models)} in one table; run `onscreen extract_faces` again")
    if params.threshold != "auto":
        return params.threshold
    return auto_threshold(made_with.embedder, 1 if made_with.frames == "first" else made_with.frames_per_clip)


def run(params: Dedupe, threshold: float, faces: Sequence[Face], ledger: Mapping[str, LedgerRow]) -> Iterator[Identity | Reject]:
    """Say of every face which person it is. threshold: the one in force (threshold_of).

    The order of faces changes nothing, except for method greedy, which takes them by face_id: there an earlier face leads.
    Each person has one representative: the quality-weighted medoid; for greedy the leader, as in the guide.
    Yields one Identity a face, by face_id, and two rejects that ask a person to look; both leave the identities as the ledger has
    them: ledger_merge where people that it knows apart look like one, ledger_mismatch for a known face that is more than twice the
    threshold away from all other known faces of its identity (its group still tells whom it looks like).
    """
    if not faces:
        return
    order = sorted(faces, key=lambda face: face.face_id if params.method == "greedy" else (face.key, face.face_id))
    embeddings = np.stack([face.embedding for face in order])
    keys, clips = [face.key for face in order], [face.clip_id for face in order]
    labels = cluster(embeddings, clips, threshold, params.method)
    rows: list[Identity] = []
    known = {key: row.identity_id for key, row in ledger.items()}
    names, merges = name_clusters(labels, keys, clips, embeddings, known)
    groups = {label: min(keys[face] for face in members) for label, members in together(labels.tolist()).items()}
    for name, members in together(names).items():
        chosen = _stands_for(params, order, embeddings, members)
        rows += [_identity(order, embeddings, face, chosen, name, groups[int(labels[face])]) for face in members]
    yield from sorted(rows, key=lambda row: row.face_id)
    yield from _merged(merges, order, threshold)
    for stray, distance in strays(names, keys, embeddings, known, _FAR * threshold):
        detail = f"the ledger calls this face {names[stray]}; it looks like no other face that the ledger calls so"
        yield Reject(
            order[stray].face_id, STAGE, "face", "ledger_mismatch", detail, {"distance": distance, "threshold": threshold}
        )


def _merged(merges: Sequence[Merge], faces: Sequence[Face], threshold: float) -> Iterator[Reject]:
    ids = {face.key: face.face_id for face in faces}
    for merge in merges:
        detail = f"the ledger holds {', '.join(merge.identity_ids)} apart; these faces look like one person"
        for key in merge.keys:
            yield Reject(ids[key], STAGE, "face", "ledger_merge", detail, {"threshold": threshold})


def _stands_for(params: Dedupe, faces: Sequence[Face], embeddings: np.ndarray, members: list[int]) -> int:
    if params.method == "greedy":
        return members[0]
    return members[representative(embeddings[members], np.array([faces[face].quality for face in members]))]


def _identity(faces: Sequence[Face], embeddings: np.ndarray, member: int, chosen: int, name: str, group: str) -> Identity:
    face, own = faces[member], member == chosen
    stem = file_stem(faces[chosen].face_id) + ("" if own else SEPARATOR + file_stem(face.face_id))
    return Identity(
        face_id=face.face_id,
        clip_id=face.clip_id,
        source=face.source,
        identity_id=name,
        is_representative=own,
        distance=0.0 if own else max(0.0, float(1 - embeddings[member] @ embeddings[chosen])),
        image=f"{stem}.jpg",
        face_key=face.key,
        group=group,
    )


def main(workspace: Workspace) -> None:
    """Read data/faces and the ledger; write data/identities, metrics and plots."""
    params = workspace.params.dedupe
    faces = read_table(workspace.faces / "faces.parquet", Face)
    labels = read_labels(workspace.raw / "labels.csv")
    threshold = threshold_of(params, workspace.params.faces, faces)
    found = list(run(params, threshold, faces, read_ledger(workspace.ledger)))
    identities = [row for row in found if isinstance(row, Identity)]
    rejects = [row for row in found if isinstance(row, Reject)]
    with atomic_folder(workspace.identities) as folder, storing(folder, workspace.params.storage.layout) as save:
        for name in (DEDUPED, REPRESENTATIVES):
            (folder / name).mkdir()
        _copy_images(Stored(workspace.faces), save, faces, identities)
        write_table(folder / "identities.parquet", Identity, identities)
        write_table(folder / "rejects.parquet", Reject, rejects)
    workspace.write_metrics(STAGE, metrics(params, threshold, faces, identities, rejects, labels))
    with atomic_folder(workspace.plots(STAGE)) as folder:
        _write_plots(folder, params, faces, identities, labels)


def _copy_images(source: Stored, save: Save, faces: Sequence[Face], identities: Sequence[Identity]) -> None:
    images = {face.face_id: face.image for face in faces}
    for row in identities:
        image = source.read(images[row.face_id])
        save(f"{DEDUPED}/{row.image}", image)
        if row.is_representative:
            save(f"{REPRESENTATIVES}/{row.image}", image)


def metrics(
    params: Dedupe,
    threshold: float,
    faces: Sequence[Face],
    identities: Sequence[Identity],
    rejects: Sequence[Reject],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """What reports/metrics/dedupe.json holds. A number that does not exist is absent: no margin without two people, and so on."""
    if not faces:
        return {"status": "no faces", "faces": 0, "identities": 0}
    sizes = Counter(row.identity_id for row in identities)
    alone = sum(1 for size in sizes.values() if size == 1)
    counts: dict[str, Any] = {
        "status": "ok",
        "faces": len(faces),
        "identities": len(sizes),
        "singletons": alone,
        "singleton_rate": alone / len(sizes),
        "method": params.method,
        "threshold": threshold,
        "distances": _margin(faces, identities),
        "rejects": dict(Counter(f"{reject.scope}.{reject.code}" for reject in rejects)),
    }
    mains = [row for row in identities if _is_main(row)]
    scores = _label_scores([(row.source, row.identity_id) for row in mains], labels)
    if not scores:
        return counts
    missing = float(len(labels.keys() - {row.source for row in mains}))
    without_ledger = _label_scores([(row.source, row.group) for row in mains], labels)  # what the threshold alone does
    return counts | {"labels": {**scores, "files_without_face": missing}, "labels_without_ledger": without_ledger}


def _is_main(row: Identity) -> bool:
    return row.face_id == row.clip_id


def _label_scores(predicted: Sequence[tuple[str, str]], labels: Mapping[str, str]) -> dict[str, float]:
    """Scores over the labelled clips' main people. predicted: (source, identity_id)."""
    known = [(identity, labels[source]) for source, identity in predicted if source in labels]
    if not known:
        return {}
    return {"clips": float(len(known)), **agreement([name for name, _ in known], [label for _, label in known])}


def _margin(faces: Sequence[Face], identities: Sequence[Identity]) -> dict[str, float]:
    """The largest distance inside a person, the smallest between two; row by row, so that no N x N matrix is held."""
    names = {row.face_id: row.identity_id for row in identities}
    people = np.array([names[face.face_id] for face in faces])
    embeddings = np.stack([face.embedding for face in faces])
    inside, across = [], []
    for face in range(1, len(faces)):
        distance = np.maximum(1 - embeddings[:face] @ embeddings[face], 0)
        same = people[:face] == people[face]
        inside += [float(distance[same].max())] if same.any() else []
        across += [float(distance[~same].min())] if not same.all() else []
    found = {"largest_inside": max(inside, default=None), "smallest_across": min(across, default=None)}
    return {name: value for name, value in found.items() if value is not None}


def _write_plots(
    folder: Path, params: Dedupe, faces: Sequence[Face], identities: Sequence[Identity], labels: Mapping[str, str]
) -> None:
    """distances.csv: pairs by distance, inside a person and between two. sweep.csv: people found at other thresholds."""
    sample = sorted(faces, key=lambda face: face.key)[:_SWEEP_FACES]  # keys begin with a digest: a fixed random sample
    names = {row.face_id: row.identity_id for row in identities}
    (folder / "distances.csv").write_text(_distance_histogram(sample, names), encoding="utf-8")
    (folder / "sweep.csv").write_text(_sweep(params, sample, labels), encoding="utf-8")


def _distance_histogram(faces: Sequence[Face], names: Mapping[str, str]) -> str:
    bins = np.linspace(0, 0.4, 81)
    inside, across = np.zeros(80, np.int64), np.zeros(80, np.int64)
    if len(faces) > 1:
        i, j, distance = close_pairs(np.stack([face.embedding for face in faces]), 2.0)
        people = np.array([names[face.face_id] for face in faces])
        same = people[i] == people[j]
        inside, across = (np.histogram(np.clip(distance[part], 0, 0.4), bins)[0] for part in (same, ~same))
    rows = [f"{low:.3f},{a},{b}" for low, a, b in zip(bins, inside, across, strict=False)]
    return "\n".join(["cosine_distance,same_person,different_people", *rows]) + "\n"


def _sweep(params: Dedupe, faces: Sequence[Face], labels: Mapping[str, str]) -> str:
    lines = ["threshold,identities,pairwise_precision,pairwise_recall,pairwise_f1"]
    if faces:
        embeddings, clips = np.stack([face.embedding for face in faces]), [face.clip_id for face in faces]
        for threshold in _SWEEP:
            people = cluster(embeddings, clips, float(threshold), params.method)
            main = [(face.source, str(person)) for face, person in zip(faces, people, strict=True) if face.person == 0]
            scores = _label_scores(main, labels)
            shown = [str(scores.get(f"pairwise_{name}", "")) for name in ("precision", "recall", "f1")]
            lines.append(",".join([f"{threshold:.3f}", str(len(set(people.tolist()))), *shown]))
    return "\n".join(lines) + "\n"
