"""Evaluates the filters of a search on the columns of an index."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crisol.models.products.contract import Filters
from crisol.models.products.data.taxonomy import SEPARATOR

COMPARED = 8
"""Most names for which comparing codes is faster than a look-up per row."""


def folded(name: str) -> str:
    """The name in the form in which names are compared: case-folded, with single spaces."""
    return " ".join(name.casefold().split())


@dataclass(frozen=True)
class Coded:
    """A column of names, stored as codes.

    Attributes:
        names: the V different names, sorted; with the empty name if it occurs.
        codes: [N] int32, the position in ``names`` of every row.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, values: Sequence[str]) -> "Coded":
        """The column of the names of N rows."""
        names = tuple(sorted(set(values)))
        place = {name: code for code, name in enumerate(names)}
        return cls(names, np.array([place[value] for value in values], np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.names[int(self.codes[row])]

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """The names in the form in which they are compared."""
        return tuple(folded(name) for name in self.names)

    def fitting(self, wanted: Iterable[bool]) -> NDArray[np.bool_]:
        """[N] whether each row's name is wanted, given which of the V names are."""
        chosen = np.fromiter(wanted, np.bool_, len(self.names))
        few = np.flatnonzero(chosen)
        if len(few) > COMPARED:
            return chosen[self.codes]
        fits = np.zeros(len(self.codes), bool)
        for code in few:
            fits |= self.codes == code
        return fits


def fitting(
    filters: Filters,
    categories: Coded,
    brands: Coded,
    prices: NDArray[np.float64],
    has_image: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """[N] whether each row meets all of the filters.

    Names are compared without case. A main category includes its sub-categories. A product without
    a price meets no filter on the price.
    """
    fits = np.ones(len(prices), bool)
    if filters.categories is not None:
        wanted = {folded(name) for name in filters.categories}
        fits &= categories.fitting(_within(name, wanted) for name in categories.folded)
    if filters.brands is not None:
        wanted = {folded(name) for name in filters.brands}
        fits &= brands.fitting(name in wanted for name in brands.folded)
    # Comparisons with NaN are false, as they should be for an unknown price.
    if filters.min_price is not None:
        fits &= prices >= filters.min_price
    if filters.max_price is not None:
        fits &= prices <= filters.max_price
    if filters.with_image is not None:
        fits &= has_image == filters.with_image
    return fits


def _within(name: str, wanted: set[str]) -> bool:
    """Whether a category, or a category above it, is wanted."""
    levels = name.split(SEPARATOR)
    return any(SEPARATOR.join(levels[: depth + 1]) in wanted for depth in range(len(levels)))
