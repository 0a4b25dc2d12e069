"""A model as the .pth files that older scripts load: plain state dicts, written by torch.save.

    face_encoder.pth face_projection.pth audio_encoder.pth audio_projection.pth     the parts
    full_model.pth best_model.pth                                                   all of them, under face_encoder.*, ...

All hold the best epoch's weights. torch.load(path, weights_only=True) reads them: they hold tensors and nothing that could run.
"""

from __future__ import annotations

from pathlib import Path

import torch

from onscreen.matching.folder import PARTS, load_model

WHOLE = ("full_model", "best_model")
FILES = tuple(f"{name}.pth" for name in (*PARTS, *WHOLE))


def export_pth(model_dir: Path, output: Path) -> None:
    """Write FILES into a folder that exists. Raises as load_model does."""
    model = load_model(model_dir)
    for part in PARTS:
        torch.save(getattr(model, part).state_dict(), output / f"{part}.pth")
    for name in WHOLE:
        torch.save(model.state_dict(), output / f"{name}.pth")
