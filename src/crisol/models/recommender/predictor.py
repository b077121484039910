"""The predictor: the catalogue, the known users with their items, and the hybrid that ranks.

Stored as JSON and safetensors, answered by NumPy and SciPy: neither torch nor pandas is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crisol.core.arrays import Floats
from crisol.core.params import Params
from crisol.core.predictor import Call, Predictor, check_runtime
from crisol.models.recommender.answers.diversity import diversify_list, intra_list_diversity
from crisol.models.recommender.answers.explanation import Explainer, carried_most
from crisol.models.recommender.answers.hybrid import Hybrid
from crisol.models.recommender.answers.requests import Encoded, Encoder, stacked, together
from crisol.models.recommender.answers.space import Spaces
from crisol.models.recommender.contract import (
    Explanation,
    Filters,
    RecommendationRequest,
    RecommendationResponse,
    RecommendedItem,
    SimilarItem,
    SimilarItemsRequest,
    SimilarItemsResponse,
)
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Interactions
from crisol.models.recommender.methods.popularity import surprise
from crisol.models.recommender.methods.ranking import top_k
from crisol.models.recommender.storage import read_all, write_all


class Description(Params):
    """The predictor's part of its manifest."""

    study: str
    trained_until: str
    """Timestamp of the newest event that training saw (ISO 8601); empty where events have none."""
    methods: tuple[str, ...] = Field(strict=False)
    users: int = Field(ge=0)
    items: int = Field(ge=1)
    events: int = Field(ge=0)
    runtime: Literal["numpy"] = "numpy"


@dataclass(frozen=True, slots=True)
class Output:
    """The best items [M] of one request, best first; scores [M], the methods' scores [M, S]."""

    encoded: Encoded
    items: NDArray[np.int64]
    scores: Floats
    method_scores: Floats


class RecommenderPredictor(Predictor[RecommendationRequest, RecommendationResponse]):
    """Recommends items to known users and to visitors with a history, and says why.

    Args:
        catalogue: the items.
        users: the known users' ids, in the order of ``interactions``.
        interactions: what they had.
        hybrid: ranks.
        study: the study it was trained in.
        trained_until: see :class:`Description`.

    Raises:
        ValueError: lengths that do not belong together, or no method with item vectors.
    """

    family = "recommender"
    route = "/recommendations"
    request_type = RecommendationRequest
    response_type = RecommendationResponse
    volatile_fields = frozenset({"model_version", "inference_time_ms", "timestamp"})

    @classmethod
    def packages(cls, runtime: str) -> tuple[str, ...]:  # noqa: ARG003 - there is one runtime
        """SciPy: every method answers from its matrices, whatever trained it."""
        return ("scipy",)

    def __init__(
        self,
        catalogue: Catalogue,
        users: Sequence[str],
        interactions: Interactions,
        hybrid: Hybrid,
        *,
        study: str = "",
        trained_until: str = "",
    ) -> None:
        if interactions.user_count != len(users) or interactions.item_count != len(catalogue):
            raise ValueError(
                f"interactions of {interactions.user_count} users and {interactions.item_count} "
                f"items do not fit {len(users)} users and a catalogue of {len(catalogue)}"
            )
        self.catalogue, self.users = catalogue, tuple(users)
        self.interactions, self.hybrid = interactions, hybrid
        self.description = Description(
            study=study,
            trained_until=trained_until,
            methods=tuple(hybrid.scorers),
            users=len(users),
            items=len(catalogue),
            events=len(interactions.histories.items),
        )
        spaces = Spaces.of(hybrid.scorers)
        self.space = spaces.variety
        """[I, D] the vectors that the diversity of lists is measured with; length 1 or 0."""
        self.likeness = spaces.likeness
        """[I, D] the vectors that similar items are found with; length 1 or 0."""
        self._placed: NDArray[np.bool_] = np.any(self.likeness, axis=1)
        counts = interactions.item_counts
        self._bits = surprise(interactions)
        self._encoder = Encoder(catalogue, self.users, interactions)
        self._explainer = Explainer(catalogue, counts, len(users))

    def learned(self, user_id: str, events: Sequence[tuple[str, datetime]]) -> list[bool]:
        """Which of a user's events, item and time, training had: what it knew counts already.

        Those with an item that training knew of the user and not after the newest event that it
        saw, to the second. Where its events have no times none can be told.
        """
        if not self.description.trained_until:
            return [False] * len(events)
        end = datetime.fromisoformat(self.description.trained_until) + timedelta(seconds=1)
        items = self._encoder.learned(user_id)
        return [item in items and at < end for item, at in events]

    def encode(self, request: RecommendationRequest) -> Encoded:
        """Ids to indices, context to masks."""
        return self._encoder.encode(request)

    def infer(self, encoded: Sequence[Encoded]) -> list[Output]:
        """Rank for all requests at once.

        Requests that want more candidates are ranked apart, so that an answer does not depend on
        who else is asking.
        """
        size, outputs = len(self.catalogue), {}
        for count in sorted({one.count for one in encoded}):
            rows = [row for row, one in enumerate(encoded) if one.count == count]
            part = [encoded[row] for row in rows]
            ranked = self.hybrid.rank(
                together(part),
                min(count, size),
                allowed=stacked([one.allowed for one in part], size, True),
                boost=stacked([one.boost for one in part], size, np.float32(0)),
            )
            for at, row in enumerate(rows):
                found = ranked.items[at] >= 0
                outputs[row] = Output(
                    encoded[row],
                    ranked.items[at][found],
                    ranked.scores[at][found],
                    ranked.method_scores[at][found],
                )
        return [outputs[row] for row in range(len(encoded))]

    def decode(
        self, request: RecommendationRequest, output: Output, call: Call
    ) -> RecommendationResponse:
        """Choose the list, explain it, and describe it as a whole."""
        vectors = self.space[output.items] if request.diversity > 0 else None
        chosen = diversify_list(output.scores, vectors, request.num_recs, request.diversity)
        items, scores = output.items[chosen], output.scores[chosen]
        explanations = self._explanations(request, output, chosen)
        return RecommendationResponse(
            items=tuple(
                RecommendedItem(
                    **self._described(item), rank=rank, score=score, explanation=explanation
                )
                for rank, (item, score, explanation) in enumerate(
                    zip(items.tolist(), scores.tolist(), explanations, strict=True), start=1
                )
            ),
            basis=output.encoded.basis,
            diversity=intra_list_diversity(self.space[items]),
            novelty=float(self._bits[items].mean()) if len(items) else None,
            unknown=output.encoded.unknown,
            notes=_notes(output.encoded, len(items), request.num_recs),
            model_version=call.model_version,
            inference_time_ms=call.inference_time_ms,
            timestamp=call.timestamp,
        )

    def _explanations(
        self, request: RecommendationRequest, output: Output, chosen: NDArray[np.int64]
    ) -> list[Explanation | None]:
        encoded, items = output.encoded, output.items[chosen]
        if not request.explain or not len(items):
            return [None] * len(items)
        intent = request.context.purchase_intent if request.context else None
        if encoded.basis == "popularity":
            return [self._explainer.of_popularity(item, intent) for item in items.tolist()]
        contributions_CN = self.hybrid.contributions(
            together([encoded]), items, output.method_scores[chosen]
        )
        carriers = carried_most(encoded.events.items, contributions_CN)
        return [
            self._explainer.of_history(item, encoded.events, its_own, intent)
            for item, its_own in zip(items.tolist(), carriers, strict=True)
        ]

    def _described(self, item: int) -> dict[str, Any]:
        """The fields of :class:`~crisol.models.recommender.contract.Item`."""
        price = self.catalogue.prices[item]
        return {
            "item_id": self.catalogue.ids[item],
            "title": self.catalogue.titles[item] or None,
            "category": self.catalogue.categories[item] or None,
            "brand": self.catalogue.brands[item] or None,
            # Through text: 9.99 in float32 is not 9.99 in float64.
            "price": None if np.isnan(price) else float(str(price)),
        }

    def similar(self, request: SimilarItemsRequest) -> SimilarItemsResponse:
        """The items whose vectors are nearest to one item's, exactly."""
        filters = request.filters or Filters()
        index = self.catalogue.index.get(request.item_id)
        near: list[tuple[int, float]] = []
        if index is None:
            notes = [f"There is no item {request.item_id!r} in the model's catalogue."]
        elif not self._placed[index]:
            notes = ["Nobody had this item and nothing that others share is known of it."]
        else:
            allowed = self._encoder.shelves.allowed(filters)
            near = self._nearest(index, request.num_items, allowed)
            notes = _few(len(near), request.num_items)
        return SimilarItemsResponse(
            items=tuple(
                SimilarItem(**self._described(item), rank=rank, similarity=cosine)
                for rank, (item, cosine) in enumerate(near, start=1)
            ),
            unknown=self._encoder.unknown_names([request.item_id], filters),
            notes=tuple(notes),
            model_version=self.model_version,
        )

    def _nearest(
        self, item: int, count: int, allowed: NDArray[np.bool_] | None
    ) -> list[tuple[int, float]]:
        """Other items and their cosines, nearest first; those without a vector are near nothing."""
        cosines = self.likeness @ self.likeness[item]
        cosines[item] = -np.inf
        cosines[~self._placed] = -np.inf
        items, values = top_k(cosines[None], count, allowed=allowed)
        pairs = zip(items[0].tolist(), values[0].tolist(), strict=True)
        return [(other, min(1.0, max(-1.0, value))) for other, value in pairs if other >= 0]

    def write(self, directory: Path) -> dict[str, Any]:
        """Ids and settings as JSON, arrays as safetensors."""
        write_all(directory, self.catalogue, self.users, self.interactions, self.hybrid)
        return self.description.model_dump(mode="json")

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        """See :meth:`Predictor.read`; the runtime is ``numpy``."""
        check_runtime(runtime, "numpy")
        return cls(
            *read_all(directory),
            study=manifest["study"],
            trained_until=manifest["trained_until"],
        )


def _notes(encoded: Encoded, found: int, wanted: int) -> tuple[str, ...]:
    """Notes on an answer that is unusual."""
    notes = []
    if encoded.unknown.user_id is not None:
        notes.append("The model does not know this user.")
    if encoded.basis == "popularity":
        notes.append("Nothing is known of whom to recommend to: these items are popular.")
    return (*notes, *_few(found, wanted))


def _few(found: int, wanted: int) -> list[str]:
    if found == 0:
        return ["No item fits the context."]
    return [f"Only {found} of {wanted} items fit the context."] if found < wanted else []
