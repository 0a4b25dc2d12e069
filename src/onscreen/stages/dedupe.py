"""dedupe: group the faces of one person across clips, name the groups, and choose a face that stands for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from onscreen.config import Dedupe, Faces
from onscreen.console import log
from onscreen.errors import ConfigError, MixedModelsError
from onscreen.faces import thresholds
from onscreen.faces.agreement import read_labels
from onscreen.faces.clustering import bad_embeddings, cluster
from onscreen.faces.identity import representative, together
from onscreen.faces.thresholds import Threshold
from onscreen.ledger import LedgerRow, read_ledger
from onscreen.naming import SEPARATOR, file_stem
from onscreen.overrides import Corrections, read_overrides, resolve
from onscreen.records import Face, Identity, Reject, ReviewPair
from onscreen.stages.dedupe_output import Known, metrics, review, write_plots
from onscreen.stages.dedupe_people import NOBODY, OVERRIDES, STAGE, Sorted, decide, findings, renamed
from onscreen.storage import Save, Stored, storing
from onscreen.store import atomic_folder, read_table, write_table
from onscreen.workspace import Workspace

DEDUPED, REPRESENTATIVES = "deduped_faces", "representative_faces"


def threshold_of(params: Dedupe, made_with: Faces, faces: Sequence[Face]) -> float:
    """The cosine distance in force: the number of params, or the embedder's own for the frames that a face is meant to pool.

    made_with: the settings of the faces. What they say counts and not what the faces pool, so that no clip changes the threshold
    of the others; a face of fewer frames is held to it too. Raises MixedModelsError when a face comes from another embedder or its
    embedding has another number of values.
    """
    models = sorted({made_with.embedder, *(face.embedder for face in faces)})
    if len(models) > 1:
        raise MixedModelsError(f"faces of {' and '.join(models)} in one table; run `onscreen extract_faces` again")
    widths = sorted({len(face.embedding) for face in faces})
    if len(widths) > 1:
        several = " and ".join(str(width) for width in widths)
        raise MixedModelsError(
            f"embeddings of {several} values in one table, all called {models[0]}; run `onscreen extract_faces` again"
        )
    return auto(made_with) if params.threshold == "auto" else params.threshold


def meant_for(made_with: Faces) -> Threshold:
    """What `auto` stands for with these faces, and how well it is known. Raises ConfigError for an embedder that has none."""
    return thresholds.threshold_of(made_with.embedder, 1 if made_with.frames == "first" else made_with.frames_per_clip)


def auto(made_with: Faces) -> float:
    """The value of meant_for."""
    return meant_for(made_with).value


def _unit(made_with: Faces) -> float:
    """What plots are drawn around, so that two experiments show the same: the threshold that is meant for the faces, or a published one."""
    try:
        return auto(made_with)
    except ConfigError:
        return thresholds.same_clip_threshold(made_with.embedder)


def _calibrated(params: Dedupe, made_with: Faces) -> dict[str, dict[str, float]]:
    """How far the calibrated threshold lies from 99 in 100 pairs of one person, and from 99 in 100 of two; on other people."""
    known = meant_for(made_with) if params.threshold == "auto" else None
    if known is None or known.same_99 is None or known.different_1 is None:
        return {}
    return {"calibrated_margin": {"above_same": known.value - known.same_99, "below_different": known.different_1 - known.value}}


def run(
    params: Dedupe, threshold: float, faces: Sequence[Face], ledger: Mapping[str, LedgerRow], corrections: Corrections = NOBODY
) -> Iterator[Identity | Reject]:
    """Say of every face which person it is. threshold: the one in force (threshold_of). corrections: a person's; they win.

    The order of faces changes nothing, except for method greedy, which takes them by face_id: there an earlier face leads.
    Each person has one representative: the quality-weighted medoid; for greedy the leader, as in the guide.
    Yields one Identity a face, by face_id, and rejects. Faces without an identity: rejected_by_hand and bad_embedding. What asks a
    person to look: ledger_merge where people that the ledger knows apart look like one; ledger_mismatch for a known face that is
    more than twice the threshold away from all other known faces of its identity; two_in_one_clip, correction_undone and
    correction_vanished where corrections meet what they cannot mean.
    Raises ConfigError for a rename onto an id that another person has.
    """
    order = sorted(faces, key=lambda face: face.face_id if params.method == "greedy" else (face.key, face.face_id))
    bad = bad_embeddings(np.stack([face.embedding for face in order])) if order else {}
    rejects = {index: _unusable(face, bad.get(index), corrections) for index, face in enumerate(order)}
    yield from (reject for reject in rejects.values() if reject)
    usable = [face for index, face in enumerate(order) if not rejects[index]]
    yield from _vanished(corrections)
    if usable:
        yield from _people(
            params, threshold, Sorted.of(usable), {key: row.identity_id for key, row in ledger.items()}, corrections
        )


def _people(
    params: Dedupe, threshold: float, faces: Sorted, ledger: Mapping[str, str], corrections: Corrections
) -> Iterator[Identity | Reject]:
    clusters = cluster(faces.embeddings, faces.clips, threshold, params.method)
    people = decide(faces, clusters, ledger, corrections)
    names = renamed(people.names, ledger.values(), corrections.rename)
    more = list(zip(faces.smallest_keys(clusters), faces.smallest_keys(people.groups), people.ledger_ids, strict=True))
    rows: list[Identity] = []
    for name, members in together(names).items():
        chosen = _stands_for(params, faces, members)
        rows += [_identity(faces, face, chosen, name, more[face]) for face in members]
    yield from sorted(rows, key=lambda row: row.face_id)
    yield from findings(faces, names, people, corrections, threshold)
    for old in sorted(corrections.rename.keys() - set(people.names)):
        yield _gone("rename", old)


def _unusable(face: Face, bad: str | None, corrections: Corrections) -> Reject | None:
    """bad: what is wrong with its embedding."""
    if face.face_id in corrections.reject:
        return Reject(face.face_id, STAGE, "face", "rejected_by_hand", f"{OVERRIDES} says that it is no usable face")
    if bad:
        return Reject(face.face_id, STAGE, "face", "bad_embedding", f"no distance can be measured to its embedding: {bad}")
    return None


def _vanished(corrections: Corrections) -> Iterator[Reject]:
    for section, name in corrections.vanished:
        yield _gone(section, name)


def _gone(section: str, name: str) -> Reject:
    what = "identity" if section == "rename" else "face"
    return Reject(name, STAGE, "face", "correction_vanished", f"{OVERRIDES}, {section}: there is no such {what} now")


def _stands_for(params: Dedupe, faces: Sorted, members: list[int]) -> int:
    if params.method == "greedy":
        return members[0]
    return members[representative(faces.embeddings[members], np.array([faces.rows[face].quality for face in members]))]


def _identity(faces: Sorted, member: int, chosen: int, name: str, more: tuple[str, str, str]) -> Identity:
    face, own = faces.rows[member], member == chosen
    stem = file_stem(faces.rows[chosen].face_id) + ("" if own else SEPARATOR + file_stem(face.face_id))
    return Identity(
        face_id=face.face_id,
        clip_id=face.clip_id,
        source=face.source,
        identity_id=name,
        is_representative=own,
        distance=0.0 if own else max(0.0, float(1 - faces.embeddings[member] @ faces.embeddings[chosen])),
        image=f"{stem}.jpg",
        face_key=face.key,
        cluster=more[0],
        group=more[1],
        ledger_id=more[2],
    )


def main(workspace: Workspace) -> None:
    """Read data/faces, the ledger and a person's corrections; write data/identities, metrics and plots."""
    params = workspace.params.dedupe
    faces = read_table(workspace.faces / "faces.parquet", Face)
    labels = read_labels(workspace.raw / "labels.csv")
    ledger = read_ledger(workspace.ledger)
    corrections = resolve(read_overrides(workspace.overrides), faces, ledger, OVERRIDES)
    threshold = threshold_of(params, workspace.params.faces, faces)
    found = list(run(params, threshold, faces, ledger, corrections))
    identities = [row for row in found if isinstance(row, Identity)]
    rejects = [row for row in found if isinstance(row, Reject)]
    _warn(rejects)
    known = Known.of(faces, identities)
    pairs, border = review(known, threshold, params.review_band, corrections)
    with atomic_folder(workspace.identities) as folder, storing(folder, workspace.params.storage.layout) as save:
        for name in (DEDUPED, REPRESENTATIVES):
            (folder / name).mkdir()
        _copy_images(Stored(workspace.faces), save, faces, identities)
        write_table(folder / "identities.parquet", Identity, identities)
        write_table(folder / "review.parquet", ReviewPair, pairs)
        write_table(folder / "rejects.parquet", Reject, rejects)
    counts = metrics(params, threshold, known, rejects, labels)
    workspace.write_metrics(STAGE, counts | border | (_calibrated(params, workspace.params.faces) if known.rows else {}))
    with atomic_folder(workspace.plots(STAGE)) as folder:
        write_plots(folder, params, _unit(workspace.params.faces), known, labels)


def _warn(rejects: Sequence[Reject]) -> None:
    """Tell whoever wrote the corrections which of them name nobody."""
    if vanished := [row.item for row in rejects if row.code == "correction_vanished"]:
        more = f" and {len(vanished) - 5} more" if len(vanished) > 5 else ""
        log.warning("%s names what is not there now: %s%s", OVERRIDES, ", ".join(vanished[:5]), more)


def _copy_images(source: Stored, save: Save, faces: Sequence[Face], identities: Sequence[Identity]) -> None:
    images = {face.face_id: face.image for face in faces}
    for row in identities:
        image = source.read(images[row.face_id])
        save(f"{DEDUPED}/{row.image}", image)
        if row.is_representative:
            save(f"{REPRESENTATIVES}/{row.image}", image)
