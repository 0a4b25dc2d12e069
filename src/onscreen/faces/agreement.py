"""How well predicted people agree with labelled ones: pairwise and BCubed precision, recall and F1; and labels.csv itself."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from onscreen.errors import InputError


def agreement(predicted: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Scores of a clustering, 0-1. predicted, labels: one id an item, in the same order.

    Pairwise: over pairs of items that are together. A precision or recall over no pair at all is left out, and so is its F1.
    BCubed (Bagga and Baldwin 1998): over items, the share of their cluster (of their label) that has their label (their cluster).
    nmi: mutual information over the mean of the two entropies; left out where all labels are one, because they tell nothing.
    ari: the Rand index adjusted for chance (Hubert and Arabie 1985), -0.5 to 1; left out with nmi, and where all labels differ.
    """
    if not labels:
        return {}
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    both, clusters, people = Counter(zip(predicted, labels, strict=True)), Counter(predicted), Counter(labels)
    scores = pairwise(predicted, labels)
    precise = sum(count * count / clusters[cluster] for (cluster, _), count in both.items())
    complete = sum(count * count / people[person] for (_, person), count in both.items())
    scores |= _scores("bcubed", precise, len(labels), complete, len(labels))
    if len(people) > 1:
        scores["nmi"] = float(normalized_mutual_info_score(labels, predicted))
    if 1 < len(people) < len(labels):
        scores["ari"] = float(adjusted_rand_score(labels, predicted))
    return scores


def pairwise(predicted: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """The pairwise part of agreement, which needs no library."""
    together = _pairs(Counter(zip(predicted, labels, strict=True)))
    return _scores("pairwise", together, _pairs(Counter(predicted)), together, _pairs(Counter(labels)))


def _pairs(counts: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(count * (count - 1) // 2 for count in counts.values())


def _scores(name: str, right: float, predicted: float, found: float, wanted: float) -> dict[str, float]:
    scores = {}
    if predicted:
        scores[f"{name}_precision"] = right / predicted
    if wanted:
        scores[f"{name}_recall"] = found / wanted
    if predicted and wanted:
        precision, recall = right / predicted, found / wanted
        scores[f"{name}_f1"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores


def read_labels(path: Path) -> dict[str, str]:
    """labels.csv: file (path relative to its folder, POSIX separators) -> identity; other columns are ignored.

    A row without an identity is not labelled; without such a column none is. Empty when there is no such file.
    Raises InputError naming the file and the line for anything that is not such a table.
    """
    labels = dict[str, str]()
    for line, row in read_rows(path):
        file, identity = row["file"], row.get("identity", "")
        if labels.get(file, identity) != identity:
            raise InputError(f"{path}, line {line}: {file} is labelled twice, {labels[file]} and {identity}")
        if identity:
            labels[file] = identity
    return labels


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """labels.csv: the line and the cells by column of every row, without space around them; file is never empty.

    Empty when there is no such file. Raises InputError naming the file and the line for anything that is not such a table.
    """
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text: {error}") from error
    reader = csv.DictReader(io.StringIO(text), restval="")
    try:
        columns = list(reader.fieldnames or [])
        if "file" not in columns or any(name != "identity" and name.strip().lower() == "identity" for name in columns):
            raise InputError(
                f"{path}: the first line must name the columns file and identity (or file and other labels), got {columns}"
            )
        return [(reader.line_num, _cells(row, f"{path}, line {reader.line_num}")) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def _cells(row: Mapping[str | None, str], where: str) -> dict[str, str]:
    """Cells beyond the columns of the first line, which DictReader keeps under None, are nothing that has a name."""
    cells = {name: cell.strip() for name, cell in row.items() if name is not None}
    if not cells["file"]:
        raise InputError(f"{where}: no file")
    return cells
