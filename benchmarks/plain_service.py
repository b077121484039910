"""A service without Crisol: FastAPI, the same contract, an eager torch model.

``benchmarks/serving.py`` compares the bundle with it. It follows FastAPI's documentation for
work that blocks (a plain ``def``), with one torch thread, which is faster here than the default.
``PLAIN_STYLE=async`` answers in the event loop instead. ``PLAIN_PREDICTOR`` names the predictor
directory. It has no authentication, limits, metrics or logs that could slow it down.
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
    """The service is up."""
    return {"status": "ready"}
