"""The service of ``products``: category, quality, price and similar products."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from crisol.core.errors import FieldError
from crisol.core.predictor import PredictorError
from crisol.models.products import contract
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.forms import Upload
from crisol.serving.service.answering import Ask
from crisol.serving.service.background import JobPage, JobSpec, job_routes
from crisol.serving.service.bento import bento_service
from crisol.serving.service.model_service import ModelService
from crisol.serving.state.job_runner import JobRunner
from crisol.serving.state.jobs import BackgroundJobStore, ItemRow

if TYPE_CHECKING:
    from crisol.models.products.predictor import ProductsPredictor

KIND = "embeddings"
MAX_FILE_BYTES = 10_000_000


def _predictor(service: ModelService) -> "ProductsPredictor":
    return cast("ProductsPredictor", service.predictor)


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
        # Without the path: everybody may read the reasons on /readyz.
        reason = str(error).replace(str(folder), "the folder")
        raise ConfigurationError(f"CRISOL_INDEX_DIR: {reason}") from error


# -- one product -----------------------------------------------------------------------------------


def analyze(service: ModelService, products: Sequence[contract.Product]) -> list[contract.Analysis]:
    """The predictor's answers."""
    return service.predictor.predict(products)


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
    service: ModelService, requests: Sequence[contract.SearchRequest]
) -> list[contract.SearchResponse]:
    """The nearest products of the index to each request."""
    return _predictor(service).search(requests)


# -- many products, in the background --------------------------------------------------------------


def _example_batch() -> contract.EmbeddingsRequest:
    watch = contract.Product(title="Analog Watch for Men", attributes={"Strap": "Leather"})
    products = (watch, contract.Product(title="Ceramic Coffee Mug"))
    return contract.EmbeddingsRequest(
        products=tuple(p.model_dump(mode="json", exclude_none=True) for p in products)
    )


class JobResults(JobPage):
    """A page of a job's results, in the order of its products."""

    results: tuple[contract.ItemResult, ...]


def _result(row: ItemRow) -> contract.ItemResult:
    embedding = None if row.result is None else tuple(np.frombuffer(row.result, "<f4").tolist())
    return contract.ItemResult(
        position=row.position, embedding=embedding, error=row.error, field=row.field
    )


def _payloads(_: ModelService, request: contract.EmbeddingsRequest) -> list[bytes]:
    """The products as JSON, with the same bytes in whatever order a client names their fields.

    The order of attributes stays: the model reads them in it.
    """
    return [json.dumps({name: p[name] for name in sorted(p)}).encode() for p in request.products]


jobs = job_routes(
    JobSpec(
        prefix="/embeddings/batch",
        tag="products",
        resource="jobs",
        worker=KIND,
        request=contract.EmbeddingsRequest,
        example=_example_batch,
        items=_payloads,
        kind=lambda _: KIND,
        version=lambda service: _predictor(service).embedding_id,
        results=JobResults,
        result=_result,
        what="products",
        summary="Embed up to 1000 products in the background; a bad one fails alone.",
    )
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


def start_embedding(service: ModelService) -> JobRunner:
    """The runner that embeds in the background; a waiting request goes first."""
    predictor = _predictor(service)
    return JobRunner(
        service.resources["jobs"],
        EmbeddingWork(predictor, service.model_version),
        busy=lambda: service.pending_rows > 0,
        observe=partial(service.metrics.endpoint_batch, f"{jobs.prefix} in the background"),
    )


# -- what can be asked -----------------------------------------------------------------------------


def _example_search() -> contract.SearchRequest:
    return contract.SearchRequest(text="leather watch for men", k=5)


def _example_of(predictor: Any) -> contract.Product:
    """A product of the predictor's own catalogue."""
    example: contract.Product = predictor.example_request()
    return example


def _example_search_of(predictor: Any) -> contract.SearchRequest:
    return contract.SearchRequest(text=_example_of(predictor).title, k=5)


_PRODUCT_FORM = Upload(contract.Product, "product", "image", MAX_FILE_BYTES)
_SEARCH_FORM = Upload(contract.SearchRequest, "search", "image", MAX_FILE_BYTES)


def _ask(path: str, summary: str, task: contract.Task | None = None) -> Ask:
    unpack: dict[str, Any] = {} if task is None else {"unpack": partial(for_task, task)}
    return Ask(
        path,
        request=contract.Product,
        response=contract.Analysis,
        example=contract.example_request,
        example_of=_example_of,
        summary=summary,
        answer_all=analyze,
        body="upload",
        upload=_PRODUCT_FORM,
        **unpack,
    )


service = ModelService(
    "products",
    title="Crisol products",
    description=(
        "Reads a product's text, picture, price and category: what it is, how good its entry is "
        "and what to mend, what such a product costs, and what is like it. Every part but the "
        "title may be missing. A picture comes in base64, or as a file of a form; nothing is ever "
        "fetched."
    ),
    routes=[
        _ask("/analyze", "Everything about one product, or what its `task` names."),
        _ask("/classify", "The category, how certain it is, and what drove it.", "classify"),
        _ask("/quality", "A score of the entry, with reasons and improvements.", "quality"),
        _ask("/price", "What such a product costs, and whether its price is unusual.", "price"),
        Ask(
            "/search",
            request=contract.SearchRequest,
            response=contract.SearchResponse,
            example=_example_search,
            example_of=_example_search_of,
            summary="The products of the index that are nearest to words, a product or a picture.",
            answer_all=search,
            body="upload",
            upload=_SEARCH_FORM,
        ),
        *jobs.routes,
    ],
    resources={"jobs": BackgroundJobStore.of_family},
    prepare=with_index,
    workers={KIND: start_embedding},
)
Products = bento_service(service, __name__)
