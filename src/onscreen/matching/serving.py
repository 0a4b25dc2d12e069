"""A registered model: this file as code and the folder of safetensors, no pickle anywhere (MLflow's models-from-code)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import set_model

from onscreen.matching.folder import load_model


class FaceVoiceMatcher(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]  # mlflow has no types
    """Scores pairs of a face and a voice."""

    def load_context(self, context: Any) -> None:
        """Load the weights; called by MLflow."""
        self._model = load_model(Path(context.artifacts["model"]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow takes hints for a schema
        """Score each row.

        model_input: a data frame with columns face and voice, each cell what the model's towers take (config.json names it): a list of numbers for
        an embedding, a list of bands x frames for a mel spectrogram. Returns a column similarity, cosine in [-1, 1].
        """
        faces = self._model.embed_faces([np.asarray(cell, np.float32) for cell in model_input["face"]])
        voices = self._model.embed_voices([_array(cell) for cell in model_input["voice"]])
        return pd.DataFrame({"similarity": (faces * voices).sum(axis=1)}, index=model_input.index)


def _array(cell: Any) -> np.ndarray:
    """(D,) or (bands, frames) float32; JSON and Parquet give a spectrogram as a list of lists."""
    return np.asarray([np.asarray(part, np.float32) for part in cell], np.float32)


set_model(FaceVoiceMatcher())
