"""A registered model: this file as code, a folder of safetensors and what scoring needs, no pickle anywhere (MLflow's models-from-code)."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from onscreen.guide.answers import Answer, Answerer
from onscreen.guide.requests import ROWS
from onscreen.tracking.serving_files import NAME


class FaceVoiceMatcher(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]  # mlflow has no types
    """Says whether the face in a picture and the voice in a sound are one person's."""

    def load_context(self, context: Any) -> None:
        """Load the weights; called by MLflow. Raises ConfigError for a model that takes no pictures and sounds."""
        self._answerer = Answerer(Path(context.artifacts["model"]), Path(context.artifacts[NAME]))

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow takes hints for a schema
        """Answer each row.

        model_input: a data frame with columns image and audio, base64 (guide.requests). Returns one of the same index with the columns
        of Answer, null where there is nothing to say. Raises MlflowException, which a server tells as 400, for more than ROWS rows.
        """
        if len(model_input) > ROWS:
            message = f"{len(model_input)} rows in one request; at most {ROWS} are answered at once"
            raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
        answers = self._answerer.answer(list(zip(model_input["image"], model_input["audio"], strict=True)))
        columns = [field.name for field in fields(Answer)]
        return pd.DataFrame([asdict(answer) for answer in answers], model_input.index, columns, dtype=object)  # object keeps null


set_model(FaceVoiceMatcher())
