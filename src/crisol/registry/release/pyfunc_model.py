"""The MLflow model of every family, as code: it loads the predictor directory and predicts.

MLflow copies this file into the version and runs it to load the model, so it imports only the code
of a version: the contract, the predictor, the core.
"""

import math
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from crisol.models import load_predictor


class PredictorModel(PythonModel):
    """Requests as rows (or a list of JSON objects) in, responses as JSON objects out."""

    def load_context(self, context: Any) -> None:
        """Load the predictor; the parameter must be called ``context``, MLflow looks it up."""
        self.predictor = load_predictor(context.artifacts["predictor"])
        self.predictor.model_version = f"run {context.model_config['run_id']}"

    # The hint is the one MLflow takes without making a signature of its own.
    def predict(
        self,
        context: Any,  # noqa: ARG002 (MLflow's signature)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """Answer every row exactly as ``Predictor.predict`` does."""
        kind = self.predictor.request_type
        rows = model_input.to_dict(orient="records")
        requests = [kind.model_validate(_plain(row)) for row in rows]
        return [r.model_dump(mode="json") for r in self.predictor.predict(requests)]


def _plain(value: Any) -> Any:
    """Plain JSON of a table's cell: no arrays, no NumPy scalars, ``None`` for NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    # A contract knows no NaN, so this one says that an optional field was left out.
    return None if isinstance(value, float) and math.isnan(value) else value


mlflow.models.set_model(PredictorModel())
