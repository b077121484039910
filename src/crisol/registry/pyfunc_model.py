"""The MLflow model of every family, as code: it loads the predictor directory and predicts.

MLflow copies this file into the version and runs it to load the model, so it imports only what a
version carries: the contract, the predictor, the core.
"""

import warnings
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from crisol.models import load_predictor

# The signature comes from the contract; MLflow would like type hints on `predict` besides.
warnings.filterwarnings("ignore", message=r".*Add type hints to the `predict` method")


class PredictorModel(PythonModel):
    """Requests as rows (or a list of JSON objects) in, responses as JSON objects out."""

    def load_context(self, context: Any) -> None:
        """Load the predictor; the parameter must be called ``context``, MLflow looks it up."""
        self.predictor = load_predictor(context.artifacts["predictor"])
        self.predictor.model_version = f"run {context.model_config['run_id']}"

    # Type hints would make MLflow infer a signature of its own.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """Answer every row with exactly what ``Predictor.predict`` answers."""
        if isinstance(model_input, pd.DataFrame):
            model_input = model_input.to_dict(orient="records")
        kind = self.predictor.request_type
        requests = [kind.model_validate(_plain(row)) for row in model_input]
        return [r.model_dump(mode="json") for r in self.predictor.predict(requests)]


def _plain(value: Any) -> Any:
    """Undo what MLflow's schema enforcement does to nested JSON (arrays, NumPy scalars)."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


mlflow.models.set_model(PredictorModel())
