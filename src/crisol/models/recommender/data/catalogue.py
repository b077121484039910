"""The items: their ids, and what is known of each beside who had it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Catalogue:
    """I items in the order of their indices.

    Attributes:
        ids: I item ids.
        titles: I titles; empty where there is none.
        categories: I category names; empty where there is none.
        brands: I brand names; empty where there is none.
        prices: [I] float32; NaN where there is none.
        tags: [I, T] float32 of 0 and 1: the attributes, category and brand included.
        tag_names: T names such as ``category:lipstick``, ``brand:acme``, ``attribute:17``,
            ``word:matte``.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    brands: tuple[str, ...]
    prices: NDArray[np.float32]
    tags: csr_matrix
    tag_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> dict[str, int]:
        """Item id to index."""
        return {item: position for position, item in enumerate(self.ids)}
