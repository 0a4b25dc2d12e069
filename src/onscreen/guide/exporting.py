"""`onscreen export pth`: the files of older scripts, in a folder of anyone's."""

from __future__ import annotations

from pathlib import Path

from onscreen.guide.measuring import config_of
from onscreen.matching.export import FILES, export_pth
from onscreen.own_folder import OwnFolder

MANIFEST = "written_export.json"


def export(model_dir: Path, output: Path) -> tuple[str, ...]:
    """Write a model's .pth files; returns their names.

    Raises InputError when model_dir holds no trained model, or output holds such files of somebody else.
    """
    config_of("MODEL_DIR", model_dir)  # what is wrong with the model is told before a folder is made
    own = OwnFolder(output.resolve(), "--output", MANIFEST)
    with own.alone(), own.filling() as new:
        export_pth(model_dir, new)
    return FILES
