"""The heads of the members on sparse columns, and the blocks that each head may use."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.products.methods.linear_features import Block, SparseRow

LinearHead = Literal["leaf", "log_price", "log_price_alone", "rating", "rating_alone"]
_CONTENT: tuple[Block, ...] = (
    "words", "characters", "names", "attributes", "topics", "quantities", "picture",
    "title_meaning", "text_meaning", "picture_meaning",
)  # fmt: skip
VISIBLE_BLOCKS: Mapping[LinearHead, tuple[Block, ...]] = MappingProxyType(
    {
        "leaf": (*_CONTENT, "price"),
        "log_price": (*_CONTENT, "category"),
        "log_price_alone": _CONTENT,
        "rating": (*_CONTENT, "category", "price"),
        "rating_alone": (*_CONTENT, "price"),
    }
)
"""The leaf never uses the category, the price never the price. The heads ``…_alone`` serve products
without a known category."""
HEADS_OF: Mapping[str, tuple[LinearHead, LinearHead]] = MappingProxyType(
    {"log_price": ("log_price", "log_price_alone"), "rating": ("rating", "rating_alone")}
)


def regressed(
    predicted: Mapping[LinearHead, Floats], target: str, rows: Sequence[SparseRow]
) -> Floats | None:
    """[N] predictions: of the head with the category where it is known, else of the other head.

    Args:
        predicted: [N, 1] of the heads that were learned.
        target: ``log_price`` or ``rating``.
        rows: the columns of the N records.
    """
    within, without = (predicted.get(head) for head in HEADS_OF[target])
    if without is None or within is None:
        return None if without is None else without[:, 0]
    placed = np.array([len(row["category"][0]) > 0 for row in rows], bool)
    return np.where(placed, within[:, 0], without[:, 0])
