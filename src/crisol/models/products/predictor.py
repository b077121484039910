"""The trained thing: what the members, the blend, the rules and the index say of one product.

Needs NumPy, SciPy, torch, tokenizers and Pillow; no scikit-learn and no pandas.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from crisol.core.arrays import Floats
from crisol.core.errors import FieldError
from crisol.core.params import Params
from crisol.core.predictor import Call, Predictor, PredictorError
from crisol.models.products.answers.answering import Answerer
from crisol.models.products.answers.drivers import drivers
from crisol.models.products.answers.quality import Habits
from crisol.models.products.contract import (
    Analysis,
    Driver,
    Product,
    SearchRequest,
    SearchResponse,
    Task,
)
from crisol.models.products.data.reading import record_of
from crisol.models.products.data.records import Record
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.members import MEMBERS
from crisol.models.products.methods.blend import Blend
from crisol.models.products.methods.intervals import PriceIntervals
from crisol.models.products.methods.linear import Linear
from crisol.models.products.methods.member import Forecast, Member
from crisol.models.products.networks.transformer import Encoded as NetworkInput
from crisol.models.products.networks.transformer import Look, Transformer
from crisol.models.products.search.search import Searcher
from crisol.models.products.search.search_index import ProductIndex

Runtime = Literal["torch", "transformers"]
INDEX, STATE = "index", "state.json"


class Description(Params):
    """What a predictor says of itself in its manifest."""

    study: str
    products: int = Field(ge=1)
    """Products it learned from."""
    currency: str
    """Of its prices; empty where it has learned none, or they are of none."""
    image_size: int
    pictures: int = Field(ge=0)
    """Products with a picture among them."""
    rated: int = Field(ge=0)
    """Products with enough votes among them; 0: it expects no rating."""
    runtime: Runtime = "torch"
    """``transformers``: its network has a pre-trained encoder, which needs that library too."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One request, read: what the models see and what it asks for."""

    record: Record
    network: NetworkInput
    task: Task


@dataclass(frozen=True, slots=True)
class Output:
    """What the models say of one request.

    Attributes:
        record: what they saw.
        forecast: of one row, joined.
        embedding: [D].
        agreement: cosine of text and picture; NaN where one of them is missing.
    """

    record: Record
    forecast: Forecast
    embedding: Floats
    agreement: float


class ProductsPredictor(Predictor[Product, Analysis]):
    """Reads a product and says what it is, how good its entry is, what it costs, what is like it.

    Args:
        description: the manifest's part.
        taxonomy: the categories it knows; none where it has learned none.
        members: the trained models by name; ``linear`` and ``transformer`` among them.
        blend: joins what they say.
        intervals: how far prices lie from their estimates; ``None`` where it has learned none.
        habits: what products of its catalogue usually bring; the rules of quality ask by it.
        index: what :meth:`search` searches.

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
        """The network, pictures, byte pairs, the search index and the word list of sentiment."""
        encoders = ("transformers",) if runtime == "transformers" else ()
        return (*encoders, "pillow", "scipy", "tokenizers", "torch", "usearch", "vadersentiment")

    def __init__(
        self,
        description: Description,
        taxonomy: Taxonomy | None,
        members: Mapping[str, Member],
        blend: Blend,
        intervals: PriceIntervals | None,
        habits: Habits,
        index: ProductIndex | None = None,
    ) -> None:
        self.description, self.taxonomy, self.members = description, taxonomy, dict(members)
        self.blend, self.intervals, self.habits = blend, intervals, habits
        transformer, linear = self.members["transformer"], self.members["linear"]
        assert isinstance(transformer, Transformer)
        assert isinstance(linear, Linear)
        self.transformer, self.linear = transformer, linear
        self.index = index
        if index is not None and index.embedding_id != self.embedding_id:
            raise PredictorError(
                f"the index was built with the embeddings {index.embedding_id}, this model makes "
                f"{self.embedding_id}; build it again: kedro run --pipelines products "
                "--from-nodes products.index"
            )

    @property
    def embedding_id(self) -> str:
        """Names the embedding space: vectors of different ids cannot be compared."""
        return self.transformer.embedding_id

    def with_index(self, index: ProductIndex | None) -> "ProductsPredictor":
        """The same predictor with another index."""
        changed = ProductsPredictor(
            self.description,
            self.taxonomy,
            self.members,
            self.blend,
            self.intervals,
            self.habits,
            index,
        )
        changed.model_version, changed.golden = self.model_version, self.golden
        return changed

    # -- answering -------------------------------------------------------------------------------

    def encode(self, request: Product) -> Encoded:
        """Read the texts and the picture.

        Raises:
            FieldError: the picture cannot be read; the message says why and what is allowed.
        """
        record = record_of(request, self.description.image_size)
        return Encoded(record, self.transformer.encode_one(record), request.task or "all")

    def infer(self, encoded: Sequence[Encoded]) -> list[Output]:
        """One look of every member at every product."""
        records = [one.record for one in encoded]
        look = self.transformer.look_encoded([one.network for one in encoded])
        joined = self.blend.combine(self._said(records, look))
        return [
            Output(
                record,
                joined.take(np.array([row])),
                look.embedding[row],
                float(look.agreement[row]),
            )
            for row, record in enumerate(records)
        ]

    def decode(self, request: Product, output: Output, call: Call) -> Analysis:
        """Say what was asked for."""
        answerer = Answerer(request, output, self)
        return Analysis(
            **answerer.answers(request.task or "all"),
            notes=answerer.notes(),
            model_version=call.model_version,
            inference_time_ms=call.inference_time_ms,
            timestamp=call.timestamp,
        )

    def forecast(self, records: Sequence[Record]) -> Forecast:
        """What the ensemble says of N records."""
        return self.blend.combine(self.forecasts(records))

    def forecasts(self, records: Sequence[Record]) -> dict[str, Forecast]:
        """What every member says of them."""
        return self._said(records, self.transformer.look(records))

    def _said(self, records: Sequence[Record], look: Look) -> dict[str, Forecast]:
        said = {"transformer": look.forecast}
        for name, member in self.members.items():
            if name != "transformer":
                said[name] = member.forecast(records)
        return {name: said[name] for name in self.members}

    def embed(self, records: Sequence[Record]) -> Floats:
        """[N, D] of length 1 each."""
        return self.transformer.embed(records)

    def check_embeddable(self, encoded: Encoded) -> None:
        """See that there is a word or a picture to embed.

        Raises:
            FieldError: there is neither, as with a title that is a price alone.
        """
        if not len(encoded.network.tokens) and encoded.network.pixels is None:
            raise FieldError(
                "title",
                "no word is left once prices are taken out, and there is no picture: there is "
                "nothing to embed",
                "empty",
            )

    def embed_encoded(self, encoded: Sequence[Encoded]) -> Floats:
        """[N, D] of requests that :meth:`encode` has read."""
        return self.transformer.embed_encoded([one.network for one in encoded])

    def drivers_of(self, record: Record, leaf: int) -> tuple[Driver, ...]:
        """What moved the probability of a leaf."""
        return drivers(record, leaf, self._leaves, self.linear.contributions(record, leaf))

    def _leaves(self, records: Sequence[Record]) -> Forecast:
        """What the ensemble says of their leaves, asking only the members that count for it."""
        given = self.blend.leaf or {}
        weights = {name: weight for name, weight in given.items() if weight} or given
        said = {name: self.members[name].forecast(records) for name in weights}
        return Blend(weights, None, None).combine(said)

    def search(self, requests: Sequence[SearchRequest]) -> list[SearchResponse]:
        """What of the index is nearest to each request.

        Raises:
            FieldError: a picture cannot be read, an id is not in the index, or there is no index.
        """
        return Searcher(self).answer(requests)

    # -- storing ---------------------------------------------------------------------------------

    def write(self, directory: Path) -> dict[str, Any]:
        """Members in folders of their own, the rest as JSON, the index beside them."""
        state = {
            "leaves": None if self.taxonomy is None else list(self.taxonomy.leaves),
            "blend": self.blend.to_json(),
            "intervals": None if self.intervals is None else self.intervals.to_json(),
            "habits": self.habits.state(),
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
        """See :meth:`Predictor.read`; the runtime is the one that the manifest carries."""
        if runtime not in (None, manifest["runtime"]):
            raise PredictorError(f"no runtime {runtime!r}; there is: {manifest['runtime']}")
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
            Habits.of(state["habits"]),
            (
                ProductIndex.load(directory / INDEX, verify=False)  # the manifest has checked it
                if (directory / INDEX).is_dir()
                else None
            ),
        )
