"""The service of ``tabular``: rows of a table in, classes, numbers or clusters out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field
from pydantic_core import to_json

from crisol.core.contract import Contract
from crisol.models.tabular import contract
from crisol.serving.http.asgi import Reply, Request
from crisol.serving.http.endpoints import Question
from crisol.serving.http.handlers import Handle
from crisol.serving.service.answering import Predict, QueuedEndpoint
from crisol.serving.service.app import ServiceApp
from crisol.serving.service.bento import bento_service
from crisol.serving.service.protocols import ModelService

if TYPE_CHECKING:
    from crisol.models.tabular.predictor import TabularPredictor


class ShownColumn(Contract):
    """One column as training saw it."""

    name: str
    kind: str = Field(description="number, category, boolean, date, text or image.")
    description: str
    low: float | None = Field(description="Smallest number; of dates in seconds since 1970.")
    high: float | None
    words: list[str] = Field(description="Of a category, the most frequent first.")
    missing: float = Field(description="Share of the training rows without a value.")


class Columns(Contract):
    """The columns that the model reads, and its answers."""

    task: str
    target: str | None
    classes: list[str]
    columns: list[ShownColumn]
    training_rows: int
    model_version: str


def _predictor(app: ModelService) -> "TabularPredictor":
    return cast("TabularPredictor", app.predictor)


class PredictRows(Predict, QueuedEndpoint):
    """Batches a few rows with those of other requests; longer work has a thread of its own."""

    at_once = 1

    def answer_all(self, app: ModelService, questions: Sequence[Any]) -> list[Any]:
        """Answers with explanations, to many rows, or to rows whose pictures must be decoded."""
        return app.predictor.predict(questions)

    def answer_timeout_s(self, settings: Any) -> float:
        """As long as an upload may take."""
        return float(settings.upload_timeout_s)

    async def answer(self, app: ModelService, call: Request) -> Reply:
        """One prediction for each row, in order."""
        request = await self.read(app, call)
        predictor = _predictor(app)
        few = len(request.rows) <= app.settings.max_batch
        if few and not (getattr(request, "explain", None) or predictor.has_pictures):
            reply = await self.respond(app, call, [request])
        else:
            [response], call.inference_ms = await app.batcher_of(self).submit([request])
            reply = Reply(self.status, to_json(response))
        call.rows = len(request.rows)
        return reply


def _columns(app: ModelService, _: Question) -> Columns:
    schema = _predictor(app).schema
    target = schema.target
    return Columns(
        task=schema.task,
        target=None if target is None else target.name,
        classes=list(schema.classes),
        columns=[
            ShownColumn(
                name=c.name,
                kind=c.kind,
                description=contract.describe(c),
                low=c.low,
                high=c.high,
                words=list(c.categories),
                missing=c.missing,
            )
            for c in schema.features
        ],
        training_rows=schema.rows,
        model_version=app.model_version,
    )


app = ServiceApp(
    "tabular",
    title="Crisol tabular",
    description=(
        "Predicts a column of a table from the others. What a row may hold is the model's own: "
        "`GET /schema` tells it with what training saw of each column."
    ),
    endpoints=[
        PredictRows(
            "/predict",
            request=contract.PredictionRequest,
            response=contract.PredictionResponse,
            example=contract.example_request,
            contract_of=lambda predictor: predictor.contract,
            body="upload",
            summary="One prediction for each of 1 to 1,000 rows; with reasons if asked.",
        ),
        Handle(
            "/schema",
            method="GET",
            handle=_columns,
            response=Columns,
            summary="The columns the model looks at, as training saw them.",
        ),
    ],
)
Tabular = bento_service(app, __name__)
