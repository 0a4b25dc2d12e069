"""`onscreen sweep dedupe.threshold`: who would merge and who would part at other thresholds, over stored embeddings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from onscreen.errors import ConfigError, InputError
from onscreen.faces.agreement import pairwise, read_labels
from onscreen.faces.clustering import Method, bad_embeddings, clusters_at
from onscreen.records import Face
from onscreen.stages.dedupe import threshold_of
from onscreen.store import read_table
from onscreen.workspace import Workspace

_STEPS = tuple(round(0.4 + 0.1 * step, 1) for step in range(15))  # of the threshold in force: 0.4 to 1.8 times
_SHOWN = 2  # joins named in a row


@dataclass(frozen=True)
class Step:
    """People at one threshold. joins: groups of the step before that are one group here; parts: groups of it that are several here.

    A group is named by its first face_ids. labels: pairwise scores, empty without labels.
    """

    threshold: float
    identities: int
    singletons: int
    largest: int
    joins: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[str, ...], ...]
    labels: Mapping[str, float]


def steps(faces: Sequence[Face], thresholds: Sequence[float], method: Method, labels: Mapping[str, str]) -> list[Step]:
    """The people that the embeddings alone give (without ledger and corrections), at each threshold. labels: source -> identity."""
    order = sorted(faces, key=lambda face: face.face_id if method == "greedy" else (face.key, face.face_id))
    embeddings, clips = np.stack([face.embedding for face in order]), [face.clip_id for face in order]
    found: list[Step] = []
    before: np.ndarray | None = None
    for threshold, groups in zip(thresholds, clusters_at(embeddings, clips, thresholds, method), strict=True):
        sizes = np.array(list(Counter(groups.tolist()).values()))
        joins = _differences(order, before, groups) if before is not None else ()
        parts = _differences(order, groups, before) if before is not None else ()
        scores = _scores(order, groups, labels)
        found.append(Step(threshold, len(sizes), int((sizes == 1).sum()), int(sizes.max()), joins, parts, scores))
        before = groups
    return found


def _differences(faces: Sequence[Face], fine: np.ndarray, coarse: np.ndarray) -> tuple[tuple[str, ...], ...]:
    """Groups of `coarse` that hold several of `fine`: the first face_id of each of these, the largest groups first."""
    together = np.unique(np.stack([coarse, fine]), axis=1)[0]  # one a part
    large, parts = np.unique(together, return_counts=True)
    inside: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in np.flatnonzero(np.isin(coarse, large[parts > 1])).tolist():
        inside[int(coarse[row])][int(fine[row])].append(faces[row].face_id)
    several = [sorted(min(names) for names in groups.values()) for groups in inside.values()]
    return tuple(tuple(names) for names in sorted(several, key=lambda names: (-len(names), names)))


def _scores(faces: Sequence[Face], groups: np.ndarray, labels: Mapping[str, str]) -> dict[str, float]:
    known = [(str(group), labels[face.source]) for face, group in zip(faces, groups, strict=True) if _labelled(face, labels)]
    return pairwise([group for group, _ in known], [label for _, label in known])


def _labelled(face: Face, labels: Mapping[str, str]) -> bool:
    return face.person == 0 and face.source in labels


def sweep_table(workspace: Workspace, param: str) -> Table:
    """The steps around the threshold in force as a table. Raises ConfigError for another param, InputError without faces."""
    if param != "dedupe.threshold":
        raise ConfigError(f"{param} cannot be swept over stored measurements; dedupe.threshold can")
    faces = read_table(workspace.faces / "faces.parquet", Face)
    params = workspace.params
    now = threshold_of(params.dedupe, params.faces, faces)
    bad = bad_embeddings(np.stack([face.embedding for face in faces])) if faces else {}  # rejects of dedupe
    faces = [face for index, face in enumerate(faces) if index not in bad]
    if not faces:
        raise InputError(f"{workspace.faces / 'faces.parquet'} holds no face that can be compared")
    labels = read_labels(workspace.raw / "labels.csv")
    thresholds = [min(now * step, 1.999) for step in _STEPS]
    rows = steps(faces, thresholds, params.dedupe.method, labels)
    title = f"{len(faces)} face{'s' if len(faces) > 1 else ''}, {params.dedupe.method}, threshold {now:.4g} in force; by the embeddings alone"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("threshold", "identities", "alone", "largest", *(["F1"] if rows[0].labels else [])):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("against the line above")
    for row in rows:
        score = [f"{row.labels['pairwise_f1']:.3f}" if "pairwise_f1" in row.labels else "-"] if rows[0].labels else []
        numbers = (str(row.identities), str(row.singletons), str(row.largest), *score)
        style = "bold green" if abs(row.threshold - now) < 1e-9 else ""
        table.add_row(f"{row.threshold:.4f}", *numbers, _told(row), style=style)
    return table


def _told(row: Step) -> str:
    joins = [" + ".join(names[:3]) + (f" + {len(names) - 3} more" if len(names) > 3 else "") for names in row.joins]
    parts = ["part: " + " | ".join(names[:3]) for names in row.parts]
    told = [*joins, *parts]
    return "; ".join(told[:_SHOWN]) + (f"; {len(told) - _SHOWN} more" if len(told) > _SHOWN else "")
