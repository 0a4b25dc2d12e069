"""What dvc.yaml says is drawn."""

import csv
import json
from pathlib import Path

from ruamel.yaml import YAML

REPO = Path(__file__).parents[1]


def named_plots() -> list[tuple[str, set[str]]]:
    """(file, columns that are drawn of it) of every plot in dvc.yaml; a folder has no columns."""
    found: list[tuple[str, set[str]]] = []
    for named in YAML(typ="safe").load((REPO / "dvc.yaml").read_text(encoding="utf-8"))["plots"]:
        if isinstance(named, str):
            found.append((named, set()))
            continue
        ((name, plot),) = named.items()
        of = plot["y"] if isinstance(plot["y"], dict) else {name: [plot["y"]]}
        found += [(path, {plot["x"], *columns}) for path, columns in of.items()]
    return found


def columns_of(path: Path) -> set[str]:
    """Columns of a file of plots; of an empty list, none."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return {key for row in json.loads(text, parse_constant=_refuse) for key in row}
    return set(next(csv.reader(text.splitlines())))


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
