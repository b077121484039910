"""The service of ``tabular``: rows of a table in, classes, numbers or clusters out."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter

from crisol.core.contract import Contract
from crisol.core.errors import FieldError
from crisol.core.predictor import predictor_digest
from crisol.models.tabular import contract
from crisol.serving.http.config import Settings
from crisol.serving.http.exchange import Exchange
from crisol.serving.http.routes import Route, needs
from crisol.serving.service.answering import Predict, QueuedRoute
from crisol.serving.service.background import JobPage, JobSpec, job_routes
from crisol.serving.service.bento import bento_service
from crisol.serving.service.model_service import ModelService, ServiceOf
from crisol.serving.state.job_runner import JobRunner
from crisol.serving.state.jobs import BackgroundJobStore, ItemRow

if TYPE_CHECKING:
    from crisol.models.tabular.predictor import TabularPredictor

KIND = "explanations"
ITEMS_AT_ONCE = 4
"""Rows explained between two looks at waiting requests: one answers up to a thousand mixed rows."""


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


# -- many explanations, in the background ----------------------------------------------------------


class JobResults(JobPage):
    """A page of a job's results, in the order of its rows."""

    results: tuple[contract.ItemResult, ...]


def _example_batch() -> contract.ExplanationsRequest:
    return contract.ExplanationsRequest(rows=(dict(contract.EXAMPLE_ROW),))


def _payloads(service: ModelService, request: contract.ExplanationsRequest) -> list[bytes]:
    """The rows as JSON, with the same bytes in whatever order a client names the columns.

    Raises:
        FieldError: the model makes clusters, which have no explanations.
    """
    if _predictor(service).schema.task == "clustering":
        message = "clusters have no explanations; ask /predict for the clusters of these rows"
        raise FieldError("rows", message, "no_explanations")
    return [json.dumps(row, sort_keys=True).encode() for row in request.rows]


def _kind(service: ModelService) -> str:
    """The kind of the jobs of a line of models: the model of another table takes none of them."""
    schema = _predictor(service).schema
    named = [schema.task, schema.target and schema.target.name, *(c.name for c in schema.features)]
    return f"{KIND} {hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]}"


def _version(service: ModelService) -> str:
    assert service.directory is not None  # it is open
    return predictor_digest(service.directory)


def _result(row: ItemRow) -> contract.ItemResult:
    prediction = None if row.result is None else json.loads(row.result)
    return contract.ItemResult(
        position=row.position, prediction=prediction, error=row.error, field=row.field
    )


class ExplanationWork:
    """Answers and explains one row of a job (:class:`crisol.serving.state.job_runner.Work`)."""

    def __init__(self, service: ModelService) -> None:
        self._predictor = _predictor(service)
        self.kind, self.version = _kind(service), _version(service)
        self.made_by = service.model_version
        rows = self._predictor.request_type.model_fields["rows"].annotation
        self._row: TypeAdapter[Any] = TypeAdapter(rows.__args__[0])  # type: ignore[union-attr]

    def key(self, payload: bytes) -> bytes:
        """BLAKE2 digest of the row's JSON."""
        return hashlib.blake2b(payload, digest_size=32).digest()

    def prepare(self, payload: bytes) -> Any:
        """The row, checked.

        Raises:
            ValidationError: it breaks the contract of the model.
        """
        row = self._row.validate_json(payload, strict=True)
        return self._predictor.request_type.model_construct(rows=[row], explain=True)

    def run(self, prepared: Sequence[Any]) -> list[bytes]:
        """The answer to each with its explanation, as JSON.

        Raises:
            FieldError: a picture cannot be read.
        """
        try:
            answers = self._predictor.predict(prepared)
        except FieldError as error:  # the row is alone in its job's item
            raise FieldError(error.field.removeprefix("rows.0."), str(error), error.kind) from error
        return [answer.predictions[0].model_dump_json().encode() for answer in answers]


jobs = job_routes(
    JobSpec(
        prefix="/explain/batch",
        tag="tabular",
        resource="jobs",
        worker=KIND,
        request=contract.ExplanationsRequest,
        example=_example_batch,
        items=_payloads,
        kind=_kind,
        version=_version,
        results=JobResults,
        result=_result,
        what="rows",
        summary="Answer and explain up to 1,000 rows, as of `/predict`, in the background.",
    )
)


def start_explaining(service: ModelService) -> JobRunner:
    """The runner that explains in the background; a waiting request goes first."""
    return JobRunner(
        service.resources["jobs"],
        ExplanationWork(service),
        busy=lambda: service.pending_rows > 0,
        observe=partial(service.metrics.endpoint_batch, f"{jobs.prefix} in the background"),
        batch_items=ITEMS_AT_ONCE,
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
        *jobs.routes,
    ],
    resources={"jobs": BackgroundJobStore.of_family},
    workers={KIND: start_explaining},
)
Tabular = bento_service(service, __name__)
