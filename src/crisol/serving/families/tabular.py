"""The service of ``tabular``: rows of a table in, classes, numbers or clusters out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field

from crisol.core.contract import Contract
from crisol.models.tabular import contract
from crisol.serving.http.config import Settings
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.routes import Route, needs
from crisol.serving.service.answering import Predict, QueuedRoute
from crisol.serving.service.bento import bento_service
from crisol.serving.service.model_service import ModelService, ServiceOf

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


def _predictor(service: ModelService) -> "TabularPredictor":
    return cast("TabularPredictor", service.predictor)


class PredictRows(Predict, QueuedRoute):
    """Batches a few rows with those of other requests; longer work has a thread of its own."""

    at_once = 1

    def answer_all(self, service: ModelService, questions: Sequence[Any]) -> list[Any]:
        """Answers with explanations, to many rows, or to rows whose pictures must be decoded."""
        return service.predictor.predict(questions)

    def queue_timeout_s(self, settings: Settings) -> float:
        """As long as an upload may take."""
        return settings.upload_timeout_s

    async def answer(self, service: ModelService, exchange: Exchange, body: Any) -> BaseModel:
        """One prediction for each row, in order."""
        predictor = _predictor(service)
        few = len(body.rows) <= service.settings.max_batch
        answer: BaseModel
        if few and not (getattr(body, "explain", None) or predictor.has_pictures):
            answer = await self.predict(service, exchange, [body])
        else:
            [answer], exchange.inference_ms = await service.queue_of(self).submit([body])
        exchange.rows = len(body.rows)
        return answer


router = APIRouter(tags=["tabular"], route_class=Route)


@router.get(
    "/schema",
    summary="The columns the model looks at, as training saw them.",
    dependencies=[needs()],
)
def columns(service: ServiceOf) -> Columns:
    """The columns of the schema that training found."""
    schema = _predictor(service).schema
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
        model_version=service.model_version,
    )


service = ModelService(
    "tabular",
    title="Crisol tabular",
    description=(
        "Predicts a column of a table from the others. What a row may hold is the model's own: "
        "`GET /schema` tells it with what training saw of each column."
    ),
    routes=[
        PredictRows(
            "/predict",
            request=contract.PredictionRequest,
            response=contract.PredictionResponse,
            example=contract.example_request,
            contract_of=lambda predictor: predictor.contract,
            body="upload",
            summary="One prediction for each of 1 to 1,000 rows; with reasons if asked.",
        ),
        *router.routes,
    ],
)
Tabular = bento_service(service, __name__)
