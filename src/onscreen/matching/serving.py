"""A registered model: this file as code and the folder of safetensors, no pickle anywhere (MLflow's models-from-code)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import set_model
from torch import nn

from onscreen.matching.folder import load_model
from onscreen.matching.hf_towers import FaceTower, VoiceTower


class FaceVoiceMatcher(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]  # mlflow has no types
    """Scores pairs of a face and a voice."""

    def load_context(self, context: Any) -> None:
        """Load the weights; called by MLflow."""
        self._model = load_model(Path(context.artifacts["model"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow takes hints for a schema
        """Score each row.

        model_input: a data frame with columns face and voice. A cell is what the model's tower takes (config.json names it): a list of
        numbers for an embedding; bands x frames, as lists, for a spectrogram; 3 x H x W values from 0 to 255, red first, for a
        picture of the tower's size; samples at 16 kHz for a waveform. Returns a column similarity, cosine in [-1, 1].
        """
        faces = self._model.embed_faces([_item(self._model.face_encoder, cell) for cell in model_input["face"]])
        voices = self._model.embed_voices([_item(self._model.audio_encoder, cell) for cell in model_input["voice"]])
        return pd.DataFrame({"similarity": (faces * voices).sum(axis=1)}, index=model_input.index)


def _item(tower: nn.Module, cell: Any) -> np.ndarray:
    """An item of that tower; JSON and Parquet give its rows as lists of lists."""
    if isinstance(tower, FaceTower):
        return _array(cell).astype(np.uint8)
    return _array(cell)[None] if isinstance(tower, VoiceTower) else _array(cell)


def _array(cell: Any) -> np.ndarray:
    """float32 of as many axes as there are lists in lists."""
    return np.asarray([_array(part) for part in cell] if np.ndim(cell[0]) else cell, np.float32)


set_model(FaceVoiceMatcher())
