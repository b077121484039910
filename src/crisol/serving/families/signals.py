"""The service of ``signals``: sell, hold or buy, and how risky that is."""

from typing import Any

from crisol.models.signals import contract
from crisol.models.signals.request_arrays import parse_batch, parse_request
from crisol.serving.service.answering import Predict
from crisol.serving.service.bento import bento_service
from crisol.serving.service.model_service import ModelService


def _example_batch() -> contract.BatchRequest:
    return contract.BatchRequest(requests=[contract.example_request()])


def _example_of(predictor: Any) -> contract.PredictionRequest:
    """Bars of the interval that the predictor was trained on."""
    example: contract.PredictionRequest = predictor.example_request()
    return example


def _example_batch_of(predictor: Any) -> contract.BatchRequest:
    return contract.BatchRequest(requests=[_example_of(predictor)])


service = ModelService(
    "signals",
    title="Crisol signals",
    description=(
        "Sell, hold or buy from 60 OHLCV bars, with probabilities and a risk score. "
        "A research model: not investment advice."
    ),
    routes=[
        Predict(
            "/predict",
            request=contract.PredictionRequest,
            response=contract.PredictionResponse,
            example=contract.example_request,
            summary="The signal for the bar after the last one.",
            example_of=_example_of,
            quick=parse_request,
        ),
        Predict(
            "/predict/batch",
            request=contract.BatchRequest,
            response=contract.BatchResponse,
            example=_example_batch,
            summary="Up to 100 requests in one.",
            unpack=lambda body: body.requests,
            listed="requests",
            pack=lambda responses: contract.BatchResponse(predictions=responses),
            example_of=_example_batch_of,
            quick=parse_batch,
        ),
    ],
)
Signals = bento_service(service, __name__)
