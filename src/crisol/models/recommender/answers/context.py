"""A request's context as arrays: the items it allows, and the scores it raises.

Legend: I items.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.recommender.contract import Filters, PriceRange, PurchaseIntent
from crisol.models.recommender.data.catalogue import Catalogue

INTENT_DEVIATIONS = 2.0
"""How far an intent of strength 1 raises an item that matches it whole, in standard deviations."""


@dataclass(frozen=True)
class Groups:
    """Items by a name they share, such as a category; capitals make no difference.

    Attributes:
        members: the lower-case name to the indices of its items, ascending.
    """

    members: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Groups from one name per item; an empty name is none.

        >>> {k: v.tolist() for k, v in Groups.of(["Lips", "", "lips"]).members.items()}
        {'lips': [0, 2]}
        """
        found: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            if name:
                found.setdefault(name.casefold(), []).append(index)
        return cls({name: np.array(items, dtype=np.int64) for name, items in found.items()})

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that no item has, once each, in order."""
        return [name for name in dict.fromkeys(names) if name.casefold() not in self.members]

    def items(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The items of any of ``names``; an item may occur more than once."""
        parts = [self.members[n.casefold()] for n in names if n.casefold() in self.members]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


class Shelves:
    """The catalogue as the context asks for it: by id, category, brand and price."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.categories = Groups.of(catalogue.categories)
        self.brands = Groups.of(catalogue.brands)

    def known(self, ids: Iterable[str]) -> list[int]:
        """The indices of the ids there are, in order."""
        index = self.catalogue.index
        return [index[item] for item in ids if item in index]

    def unknown(self, ids: Iterable[str]) -> list[str]:
        """The ids there are not, once each, in order."""
        return [item for item in dict.fromkeys(ids) if item not in self.catalogue.index]

    def allowed(self, filters: Filters | None) -> NDArray[np.bool_] | None:
        """[I] which items pass every filter; nothing when there is no filter."""
        if filters is None or not _filters_anything(filters):
            return None
        size = len(self.catalogue)
        allowed = np.ones(size, dtype=bool)
        if filters.allowed_items is not None:
            allowed &= _mask(size, self.known(filters.allowed_items))
        if filters.allowed_categories is not None:
            allowed &= _mask(size, self.categories.items(filters.allowed_categories))
        if filters.price_range is not None:
            allowed &= _in_range(self.catalogue.prices, filters.price_range)
        allowed[self.known(filters.excluded_items)] = False
        allowed[self.categories.items(filters.excluded_categories)] = False
        return allowed

    def boost(self, intent: PurchaseIntent | None) -> Floats | None:
        """[I] what an intent adds to the scores, in standard deviations of the candidates'.

        An item that has one of the categories *and* one of the brands matches whole; when the
        intent names both and an item has one, half. What the catalogue does not know is as if it
        had not been named.
        """
        if intent is None or intent.strength == 0:
            return None
        named = (self.categories.items(intent.categories), self.brands.items(intent.brands))
        known = [np.unique(items) for items in named if len(items)]
        boost = np.zeros(len(self.catalogue), dtype=np.float32)
        for items in known:
            boost[items] += INTENT_DEVIATIONS * intent.strength / len(known)
        return boost if known else None


def _filters_anything(filters: Filters) -> bool:
    return (
        filters.price_range is not None
        or filters.allowed_items is not None
        or filters.allowed_categories is not None
        or bool(filters.excluded_items)
        or bool(filters.excluded_categories)
    )


def _mask(size: int, items: NDArray[np.int64] | list[int]) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[items] = True
    return mask


def _in_range(prices: NDArray[np.float32], limits: PriceRange) -> NDArray[np.bool_]:
    """[I] whether a price is known and within the limits."""
    inside = ~np.isnan(prices)
    if limits.min is not None:
        inside &= prices >= np.float32(limits.min)
    if limits.max is not None:
        inside &= prices <= np.float32(limits.max)
    return inside
