"""The predictor of `products`: members, blend, price intervals, quality rules and search index.

Needs NumPy, SciPy, torch, tokenizers and Pillow; no scikit-learn and no pandas.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.errors import FieldError
from crisol.core.predictor import Call, Predictor, PredictorError, check_runtime
from crisol.models.products.answers.answering import Answerer
from crisol.models.products.answers.drivers import drivers
from crisol.models.products.answers.quality import CatalogueNorms
from crisol.models.products.contract import (
    Analysis,
    Driver,
    Product,
    SearchRequest,
    SearchResponse,
    Task,
    example_request,
)
from crisol.models.products.data.records import ProductRecord, record_from_request
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.description import Description, Output
from crisol.models.products.member import Forecast, Member
from crisol.models.products.methods.blend import Blend
from crisol.models.products.methods.intervals import PriceIntervals
from crisol.models.products.methods.linear import LinearMember
from crisol.models.products.methods.neighbours import NeighboursMember
from crisol.models.products.networks.encoding import EncodedProduct
from crisol.models.products.networks.transformer import NetworkOutput, TransformerMember
from crisol.models.products.search.search_index import ProductIndex
from crisol.models.products.search.searcher import Searcher

INDEX, STATE = "index", "state.json"
MEMBERS: Mapping[str, type[Member]] = MappingProxyType(
    {member.name: member for member in (LinearMember, NeighboursMember, TransformerMember)}
)
"""The members an ensemble can have, by their names."""


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """One request after preprocessing: the models' inputs and the task it asks for."""

    record: ProductRecord
    network: EncodedProduct
    task: Task


class ProductsPredictor(Predictor[Product, Analysis]):
    """Predicts the category, quality, price and embedding of a product, and searches similar ones.

    Args:
        description: the family's part of the manifest.
        taxonomy: the categories it knows; ``None`` where it has learned none.
        members: the trained models by name; ``linear`` and ``transformer`` among them.
        blend: joins their forecasts.
        intervals: the intervals around price estimates; ``None`` where it has learned none.
        habits: the usual parts and attributes of its catalogue, which the quality rules use.
        index: the products that :meth:`search` searches.

    Raises:
        PredictorError: the index was built with another model's embeddings.
    """

    family = "products"
    route = "/analyze"
    request_type = Product
    response_type = Analysis
    volatile_fields = frozenset({"model_version", "inference_time_ms", "timestamp"})

    @classmethod
    def packages(cls, runtime: str) -> tuple[str, ...]:
        """The network, backbones, pictures, byte pairs, search index and sentiment's words."""
        encoders = ("transformers",) if runtime == "transformers" else ()
        return (
            *encoders, "onnxruntime", "pillow", "scipy", "tokenizers", "torch", "usearch",
            "vadersentiment",
        )  # fmt: skip

    def __init__(
        self,
        description: Description,
        taxonomy: Taxonomy | None,
        members: Mapping[str, Member],
        blend: Blend,
        intervals: PriceIntervals | None,
        norms: CatalogueNorms,
        index: ProductIndex | None = None,
    ) -> None:
        self.description, self.taxonomy, self.members = description, taxonomy, dict(members)
        self.blend, self.intervals, self.norms = blend, intervals, norms
        transformer, linear = self.members["transformer"], self.members["linear"]
        assert isinstance(transformer, TransformerMember)
        assert isinstance(linear, LinearMember)
        self.transformer, self.linear = transformer, linear
        self.index = index
        if index is not None and index.embedding_id != self.embedding_id:
            raise PredictorError(
                f"the index was built with the embeddings {index.embedding_id}, this model makes "
                f"{self.embedding_id}; build it again: kedro run --pipelines products "
                "--from-nodes products.index"
            )

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """See :attr:`Predictor.backbones`: those of its members."""
        every = (one for member in self.members.values() for one in member.backbones)
        return tuple(dict.fromkeys(every))

    @property
    def embedding_id(self) -> str:
        """The id of the embedding space: vectors of different ids cannot be compared."""
        return self.transformer.embedding_id

    def with_index(self, index: ProductIndex | None) -> "ProductsPredictor":
        """The same predictor with another index."""
        changed = ProductsPredictor(
            self.description,
            self.taxonomy,
            self.members,
            self.blend,
            self.intervals,
            self.norms,
            index,
        )
        changed.model_version, changed.golden = self.model_version, self.golden
        return changed

    # -- answering -------------------------------------------------------------------------------

    def example_request(self) -> Product:
        """A product that this predictor answers: a golden example, without its picture."""
        if not self.golden:
            return example_request()
        return Product.model_validate(self.golden[0].request).model_copy(update={"image": None})

    def encode(self, request: Product) -> EncodedRequest:
        """The models' inputs for a request.

        Raises:
            FieldError: the picture cannot be read; the message says why and what is allowed.
        """
        record = record_from_request(request, self.description.image_size, self.taxonomy)
        return EncodedRequest(record, self.transformer.encode_one(record), request.task or "all")

    def infer(self, encoded: Sequence[EncodedRequest]) -> list[Output]:
        """The output of all models for a batch of requests, in order."""
        records = [one.record for one in encoded]
        outputs = self.transformer.outputs_encoded([one.network for one in encoded])
        joined = self.blend.combine(self._forecasts(records, outputs))
        return [
            Output(
                record,
                joined.take(np.array([row])),
                outputs.embedding[row],
                float(outputs.agreement[row]),
            )
            for row, record in enumerate(records)
        ]

    def decode(self, request: Product, output: Output, call: Call) -> Analysis:
        """The answer to the task of a request."""
        answerer = Answerer(request, output, self)
        return Analysis(
            **answerer.answers(request.task or "all"),
            notes=answerer.notes(),
            model_version=call.model_version,
            inference_time_ms=call.inference_time_ms,
            timestamp=call.timestamp,
        )

    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """The ensemble's forecast for N records."""
        return self.blend.combine(self.forecasts(records))

    def forecasts(self, records: Sequence[ProductRecord]) -> dict[str, Forecast]:
        """The forecast of every member for N records, by its name."""
        return self._forecasts(records, self.transformer.outputs(records))

    def _forecasts(
        self, records: Sequence[ProductRecord], outputs: NetworkOutput
    ) -> dict[str, Forecast]:
        forecasts = {"transformer": outputs.forecast}
        for name, member in self.members.items():
            if name != "transformer":
                forecasts[name] = member.forecast(records)
        return {name: forecasts[name] for name in self.members}

    def embed(self, records: Sequence[ProductRecord]) -> Floats:
        """[N, D] the embeddings of N records, of length 1 each."""
        return self.transformer.embed(records)

    def check_embeddable(self, encoded: EncodedRequest) -> None:
        """Check that a request has a word or a picture to embed.

        Raises:
            FieldError: it has neither, as with a title that is only a price.
        """
        if not len(encoded.network.tokens) and encoded.network.pixels is None:
            raise FieldError(
                "title",
                "no word is left once prices are taken out, and there is no picture: there is "
                "nothing to embed",
                "empty",
            )

    def embed_encoded(self, encoded: Sequence[EncodedRequest]) -> Floats:
        """[N, D] the embeddings of requests that :meth:`encode` returned."""
        return self.transformer.embed_encoded([one.network for one in encoded])

    def drivers_of(self, record: ProductRecord, leaf: int) -> tuple[Driver, ...]:
        """The parts and words that moved the probability of a leaf."""
        return drivers(record, leaf, self._leaves, self.linear.contributions(record, leaf))

    def _leaves(self, records: Sequence[ProductRecord]) -> Forecast:
        """The ensemble's forecast of the leaves, from the members with a weight for them only."""
        given = self.blend.leaf or {}
        weights = {name: weight for name, weight in given.items() if weight} or given
        forecasts = {name: self.members[name].forecast(records) for name in weights}
        return Blend(weights, None, None).combine(forecasts)

    def search(self, requests: Sequence[SearchRequest]) -> list[SearchResponse]:
        """The products of the index that are nearest to each request.

        Raises:
            FieldError: a picture cannot be read, an id is not in the index, or there is no index.
        """
        if self.index is None:
            raise FieldError(
                "",
                "this model was registered without an index; run the node products.index",
                "no_index",
            )
        searcher = Searcher(
            self.index, self, self.description.image_size, self.model_version, self.taxonomy
        )
        return searcher.answer(requests)

    # -- storing ---------------------------------------------------------------------------------

    def write(self, directory: Path) -> dict[str, Any]:
        """Write each member to its own folder, the index beside them, and the rest as JSON."""
        state = {
            "leaves": None if self.taxonomy is None else list(self.taxonomy.leaves),
            "blend": self.blend.to_json(),
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "habits": self.norms.state(),
        }
        (directory / STATE).write_text(json.dumps(state))
        manifests = {}
        for name, member in self.members.items():
            folder = directory / "members" / name
            folder.mkdir(parents=True)
            manifests[name] = member.write(folder)
        if self.index is not None:
            self.index.save(directory / INDEX)
        return {**self.description.model_dump(mode="json"), "members": manifests}

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        """See :meth:`Predictor.read`; only the runtime of the manifest is accepted."""
        check_runtime(runtime, manifest["runtime"])
        state = json.loads((directory / STATE).read_text())
        leaves, intervals = state["leaves"], state["intervals"]
        return cls(
            Description.model_validate({n: manifest[n] for n in Description.model_fields}),
            None if leaves is None else Taxonomy(tuple((main, sub) for main, sub in leaves)),
            {
                name: MEMBERS[name].read(directory / "members" / name, written)
                for name, written in manifest["members"].items()
            },
            Blend.from_json(state["blend"]),
            None if intervals is None else PriceIntervals.from_json(intervals),
            CatalogueNorms.of(state["habits"]),
            (
                ProductIndex.load(directory / INDEX, verify=False)  # the manifest has checked it
                if (directory / INDEX).is_dir()
                else None
            ),
        )
