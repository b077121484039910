"""The service of ``products``: category, quality, price and similar products."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import BaseModel

from crisol.core.errors import FieldError
from crisol.core.predictor import PredictorError
from crisol.models.products import contract
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.endpoints import Question
from crisol.serving.http.forms import Upload
from crisol.serving.service.answering import Act, Ask
from crisol.serving.service.app import ServiceApp
from crisol.serving.service.bento import bento_service
from crisol.serving.service.protocols import ModelService
from crisol.serving.state.job_runner import JobRunner
from crisol.serving.state.jobs import BackgroundJobStore, ItemRow, JobRow, ResultsQuery

if TYPE_CHECKING:
    from crisol.models.products.predictor import ProductsPredictor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOBS = "/embeddings/batch"
KIND = "embeddings"
MAX_FILE_BYTES = 10_000_000


def _predictor(app: ModelService) -> "ProductsPredictor":
    return cast("ProductsPredictor", app.predictor)


def with_index(predictor: "ProductsPredictor", settings: Settings) -> "ProductsPredictor":
    """The predictor with the index of ``CRISOL_INDEX_DIR``, where that is set.

    Raises:
        ConfigurationError: there is none, it is damaged, or it is of another model's embeddings.
    """
    folder = settings.index_dir
    if folder is None:
        return predictor
    from crisol.models.products.search.search_index import ProductIndex

    try:
        return predictor.with_index(ProductIndex.load(folder, predictor.embedding_id))
    except (PredictorError, OSError) as error:
        raise ConfigurationError(f"CRISOL_INDEX_DIR: {error}") from error


# -- one product -----------------------------------------------------------------------------------


def analyze(app: ModelService, products: Sequence[contract.Product]) -> list[contract.Analysis]:
    """The predictor's answers."""
    return app.predictor.predict(products)


def for_task(task: contract.Task, product: contract.Product) -> tuple[contract.Product]:
    """The question of a route that answers one task.

    Raises:
        FieldError: the product asks for another.
    """
    if product.task not in (None, task):
        message = f"this route answers {task!r}; ask /analyze for {product.task!r}"
        raise FieldError("task", message, "other_route")
    return (product.model_copy(update={"task": task}),)


def search(
    app: ModelService, requests: Sequence[contract.SearchRequest]
) -> list[contract.SearchResponse]:
    """The nearest products of the index to each request."""
    return _predictor(app).search(requests)


# -- many products, in the background --------------------------------------------------------------


def create_job(app: ModelService, question: Question) -> contract.Job:
    """Store the products; they are embedded in the background."""
    request: contract.EmbeddingsRequest = question.body
    predictor = _predictor(app)
    row = app.resources["jobs"].create(
        KIND,
        question.caller,
        list(map(_payload, request.products)),
        version=predictor.embedding_id,
        made_by=app.model_version,
    )
    app.workers[KIND].wake()
    return _job(row)


def _payload(product: Mapping[str, Any]) -> bytes:
    """The product as JSON, with the same bytes in whatever order a client names its fields.

    The order of its attributes stays: the model reads them in it.
    """
    return json.dumps({name: product[name] for name in sorted(product)}).encode()


def look_at_job(app: ModelService, question: Question) -> contract.Job:
    """The progress of a job."""
    return _job(app.resources["jobs"].get(question.parameters["job_id"], question.caller))


def cancel_job(app: ModelService, question: Question) -> contract.Job:
    """Cancel the rest of a job."""
    return _job(app.resources["jobs"].cancel(question.parameters["job_id"], question.caller))


def job_results(app: ModelService, question: Question) -> contract.JobResults:
    """A page of the results of a job."""
    row, items, position = app.resources["jobs"].results(
        question.parameters["job_id"], question.caller, question.query
    )
    return contract.JobResults(
        job=_job(row),
        results=tuple(map(_result, items)),
        next_position=position if position < row.total else None,
    )


def _job(row: JobRow) -> contract.Job:
    return contract.Job(
        job_id=row.job_id,
        state=cast("contract.JobState", row.state),
        total=row.total,
        done=row.done,
        failed=row.failed,
        cached=row.cached,
        created=_time(row.created_us),
        expires=None if row.expires_us is None else _time(row.expires_us),
        model_version=row.made_by,
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _result(row: ItemRow) -> contract.ItemResult:
    embedding = None if row.result is None else tuple(np.frombuffer(row.result, "<f4").tolist())
    return contract.ItemResult(
        position=row.position, embedding=embedding, error=row.error, field=row.field
    )


class EmbeddingWork:
    """Embeds one product of a job (:class:`crisol.serving.state.job_runner.Work`)."""

    kind = KIND

    def __init__(self, predictor: "ProductsPredictor", model_version: str) -> None:
        self._predictor = predictor
        self.version, self.made_by = predictor.embedding_id, model_version

    def key(self, payload: bytes) -> bytes:
        """BLAKE2 digest of the product's JSON."""
        return hashlib.blake2b(payload, digest_size=32).digest()

    def prepare(self, payload: bytes) -> Any:
        """The product, checked and read.

        Raises:
            ValidationError: it breaks its contract.
            FieldError: its picture cannot be read, or there is nothing to embed.
        """
        product = contract.Product.model_validate_json(payload, strict=True)
        encoded = self._predictor.encode(product)
        self._predictor.check_embeddable(encoded)
        return encoded

    def run(self, prepared: Sequence[Any]) -> list[bytes]:
        """The embedding of each, as little-endian float32."""
        return [row.tobytes() for row in self._predictor.embed_encoded(prepared).astype("<f4")]


def start_embedding(app: ModelService) -> JobRunner:
    """The runner that embeds in the background; a waiting request goes first."""
    predictor = _predictor(app)
    return JobRunner(
        app.resources["jobs"],
        EmbeddingWork(predictor, app.model_version),
        busy=lambda: app.pending_rows > 0,
        observe=partial(app.metrics.endpoint_batch, f"{_JOBS} in the background"),
    )


# -- what can be asked -----------------------------------------------------------------------------


def _example_batch() -> contract.EmbeddingsRequest:
    products = (contract.example_request(), contract.Product(title="Ceramic Coffee Mug"))
    return contract.EmbeddingsRequest(
        products=tuple(p.model_dump(mode="json", exclude_none=True) for p in products)
    )


def _example_search() -> contract.SearchRequest:
    return contract.SearchRequest(text="leather watch for men", k=5)


_PRODUCT_FORM = Upload(contract.Product, "product", "image", MAX_FILE_BYTES)
_SEARCH_FORM = Upload(contract.SearchRequest, "search", "image", MAX_FILE_BYTES)


def _ask(path: str, summary: str, task: contract.Task | None = None) -> Ask:
    unpack: dict[str, Any] = {} if task is None else {"unpack": partial(for_task, task)}
    return Ask(
        path,
        request=contract.Product,
        response=contract.Analysis,
        example=contract.example_request,
        summary=summary,
        answer_all=analyze,
        body="upload",
        upload=_PRODUCT_FORM,
        **unpack,
    )


def _act(path: str, act: Any, response: type[BaseModel], summary: str, **more: Any) -> Act:
    return Act(path, act=act, response=response, summary=summary, **more)


app = ServiceApp(
    "products",
    title="Crisol products",
    description=(
        "Reads a product's text, picture, price and category: what it is, how good its entry is "
        "and what to mend, what such a product costs, and what is like it. Every part but the "
        "title may be missing. A picture comes in base64, or as a file of a form; nothing is ever "
        "fetched."
    ),
    endpoints=[
        _ask("/analyze", "Everything about one product, or what its `task` names."),
        _ask("/classify", "The category, how certain it is, and what drove it.", "classify"),
        _ask("/quality", "A score of the entry, with reasons and improvements.", "quality"),
        _ask("/price", "What such a product costs, and whether its price is unusual.", "price"),
        Ask(
            "/search",
            request=contract.SearchRequest,
            response=contract.SearchResponse,
            example=_example_search,
            summary="The products of the index that are nearest to words, a product or a picture.",
            answer_all=search,
            body="upload",
            upload=_SEARCH_FORM,
        ),
        _act(
            _JOBS,
            create_job,
            contract.Job,
            "Embed up to 1000 products in the background; a bad one fails alone.",
            request=contract.EmbeddingsRequest,
            example=_example_batch,
            status=202,
            body="bulk",
        ),
        _act(f"{_JOBS}/{{job_id}}", look_at_job, contract.Job, "How far a job is.", method="GET"),
        _act(
            f"{_JOBS}/{{job_id}}",
            cancel_job,
            contract.Job,
            "Leave the rest of a job undone; a finished one stays as it is.",
            method="DELETE",
        ),
        _act(
            f"{_JOBS}/{{job_id}}/results",
            job_results,
            contract.JobResults,
            "What came of a job so far, in the order of its products.",
            method="GET",
            query=ResultsQuery,
        ),
    ],
    resources={"jobs": BackgroundJobStore.of_family},
    prepare=with_index,
    workers={KIND: start_embedding},
)
Products = bento_service(app, __name__)
