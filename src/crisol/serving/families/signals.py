"""The service of ``signals``: sell, hold or buy, and how risky that is."""

import bentoml

from crisol.models.signals import contract
from crisol.serving.service import app as common

_arguments = bentoml.use_arguments(common.BundleArguments)


def packages(runtime: str) -> tuple[str, ...]:
    """What this service installs beside :data:`crisol.serving.bundle.requirements.BASE`.

    ONNX Runtime runs an exported network without torch, in a quarter of the room.
    """
    return ("torch",) if runtime == "torch" else ("onnxruntime",)


def _example_batch() -> contract.BatchRequest:
    return contract.BatchRequest(requests=[contract.example_request()])


app = common.ServiceApp(
    "signals",
    title="Crisol signals",
    description=(
        "Sell, hold or buy from 60 OHLCV bars, with probabilities and a risk score. "
        "A research model: not investment advice."
    ),
    endpoints=[
        common.Predict(
            "/predict",
            request=contract.PredictionRequest,
            response=contract.PredictionResponse,
            example=contract.example_request,
            summary="The signal for the bar after the last one.",
        ),
        common.Predict(
            "/predict/batch",
            request=contract.BatchRequest,
            response=contract.BatchResponse,
            example=_example_batch,
            summary="Up to 100 requests in one.",
            unpack=lambda body: body.requests,
            pack=lambda responses: contract.BatchResponse(predictions=responses),
        ),
    ],
)


@bentoml.service(name="signals", service_class=common.FrontedService)
class Signals:
    """Serves the predictor of the bundle through :data:`app`."""

    app = app
    model = bentoml.models.BentoModel(_arguments.model or "signals:latest")

    def __init__(self) -> None:
        app.open(self.model.path, self.model.info.metadata)

    @bentoml.on_startup
    async def start(self) -> None:
        """Start the inference thread."""
        await app.start()

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Finish what is queued."""
        await app.stop()
