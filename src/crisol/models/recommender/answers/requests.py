"""A request as arrays: its events, the items it allows, the names that are not known.

Legend: B requests, N events of one, I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.answers.context import Shelves
from crisol.models.recommender.answers.explanation import Events
from crisol.models.recommender.contract import (
    MAX_RECOMMENDATIONS,
    Basis,
    Context,
    Filters,
    RecommendationRequest,
    Unknown,
)
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import VISITOR, Histories, Interactions

LOOKED_WEIGHT = 0.3
"""Weight of an item that was looked at; an item that somebody had weighs 1."""
CANDIDATES = 100
"""Best items that diversity chooses from; see :func:`candidate_count`."""


def candidate_count(num_recs: int) -> int:
    """From how many of the best items a list is chosen: one of two, so that requests share a batch.

    >>> [candidate_count(length) for length in (10, 33, 34)]
    [100, 100, 300]
    """
    return CANDIDATES if 3 * num_recs <= CANDIDATES else 3 * MAX_RECOMMENDATIONS


@dataclass(frozen=True, slots=True)
class Encoded:
    """One request as arrays.

    Attributes:
        events: the known items of user, history and browsing, oldest first.
        weights: [N] how much each counts.
        user: index of a known user, or ``VISITOR``.
        basis: what the answer rests on.
        count: how many candidates are wanted.
        allowed: [I] what may be answered; nothing: everything.
        boost: [I] what the purchase intent adds; nothing: nothing.
        unknown: what was named and is not known.
    """

    events: Events
    weights: Floats
    user: int
    basis: Basis
    count: int
    allowed: NDArray[np.bool_] | None
    boost: Floats | None
    unknown: Unknown


class Encoder:
    """Knows the ids.

    Args:
        catalogue: the items.
        users: the known users' ids.
        interactions: what they had.
    """

    def __init__(
        self, catalogue: Catalogue, users: Sequence[str], interactions: Interactions
    ) -> None:
        self.shelves = Shelves(catalogue)
        self._index = {user: position for position, user in enumerate(users)}
        self._histories = interactions.histories

    def encode(self, request: RecommendationRequest) -> Encoded:
        """Ids to indices, context to masks; unknown names are kept apart."""
        context = request.context or Context()
        user = VISITOR if request.user_id is None else self._index.get(request.user_id, VISITOR)
        stored, stored_weights = self._stored(user)
        given = self.shelves.known(request.history or ())
        looked = self.shelves.known(context.browsing_history)
        items = np.concatenate([stored, np.array(given + looked, dtype=np.int32)])
        had = len(items) - len(looked)
        weights = np.ones(len(items), dtype=np.float32)
        weights[: len(stored)] = stored_weights
        weights[had:] = LOOKED_WEIGHT
        return Encoded(
            Events(items, np.arange(len(items)) >= had),
            weights,
            user,
            _basis(len(items), user),
            candidate_count(request.num_recs),
            self.shelves.allowed(context),
            self.shelves.boost(context.purchase_intent),
            self._unknown(request, context, user),
        )

    def learned(self, user_id: str) -> frozenset[str]:
        """The items that training knew of a user; none of somebody it did not know."""
        items, _ = self._stored(self._index.get(user_id, VISITOR))
        return frozenset(self.shelves.catalogue.ids[item] for item in items)

    def unknown_names(self, items: Sequence[str], filters: Filters) -> Unknown:
        """Which of these items, and of the items and categories of filters, there are not."""
        named = [*items, *(filters.allowed_items or ()), *filters.excluded_items]
        categories = [*(filters.allowed_categories or ()), *filters.excluded_categories]
        return Unknown(
            items=tuple(self.shelves.unknown(named)),
            categories=tuple(self.shelves.categories.unknown(categories)),
        )

    def _unknown(self, request: RecommendationRequest, context: Context, user: int) -> Unknown:
        found = self.unknown_names([*(request.history or ()), *context.browsing_history], context)
        changes: dict[str, Any] = {}
        if user == VISITOR and request.user_id is not None:
            changes["user_id"] = request.user_id
        if context.purchase_intent is not None:
            wanted = self.shelves.categories.unknown(context.purchase_intent.categories)
            changes["categories"] = tuple(dict.fromkeys([*found.categories, *wanted]))
            changes["brands"] = tuple(self.shelves.brands.unknown(context.purchase_intent.brands))
        return found.model_copy(update=changes) if changes else found

    def _stored(self, user: int) -> tuple[NDArray[np.int32], Floats]:
        """Items and weights [N] of what training knew of a user; nothing of a visitor."""
        if user == VISITOR:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        part = slice(self._histories.starts[user], self._histories.starts[user + 1])
        return self._histories.items[part], self._histories.weights[part]


def _basis(events: int, user: int) -> Basis:
    if not events:
        return "popularity"
    return "history" if user == VISITOR else "user"


def together(encoded: Sequence[Encoded]) -> Histories:
    """The histories [B] of several requests."""
    starts = np.concatenate([[0], np.cumsum([len(one.weights) for one in encoded])])
    return Histories(
        starts.astype(np.int64),
        np.concatenate([one.events.items for one in encoded]),
        np.concatenate([one.weights for one in encoded]),
        np.array([one.user for one in encoded], dtype=np.int64),
    )


def stacked(
    rows: Sequence[NDArray[Any] | None], item_count: int, default: Any
) -> NDArray[Any] | None:
    """[B, I] from rows [I], ``default`` where there is none; nothing when there are none at all."""
    if all(row is None for row in rows):
        return None
    plain = np.full(item_count, default)
    return np.stack([plain if row is None else row for row in rows])
