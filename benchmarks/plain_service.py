"""The service one writes without Crisol: FastAPI, the same contract, an eager torch model.

``benchmarks/serving.py`` races against it. It is written as FastAPI's documentation advises for
work that blocks (a plain ``def``), with one torch thread, which is faster here than the default.
``PLAIN_STYLE=async`` answers in the event loop instead. ``PLAIN_PREDICTOR`` names the predictor
directory. There is no authentication, no limit, no metric and no log that could cost it time.
"""

import os

import torch
from fastapi import FastAPI

from crisol.models.signals import PredictionRequest, PredictionResponse, Predictor

torch.set_num_threads(1)
predictor = Predictor.load(os.environ["PLAIN_PREDICTOR"], runtime="torch")
app = FastAPI()

if os.environ.get("PLAIN_STYLE", "def") == "async":

    @app.post("/predict")
    async def predict(request: PredictionRequest) -> PredictionResponse:
        """Answer in the event loop."""
        return predictor.predict([request])[0]

else:

    @app.post("/predict")
    def predict(request: PredictionRequest) -> PredictionResponse:
        """Answer in FastAPI's thread pool."""
        return predictor.predict([request])[0]


@app.get("/readyz")
def readyz() -> dict[str, str]:
    """Whether it is up."""
    return {"status": "ready"}
