"""What the rules of quality look at: a product, and what the model says of it."""

import math
import re
from dataclasses import dataclass

import numpy as np

from crisol.core.data.pictures import Image
from crisol.models.products.data.records import PARTS, Part, ProductRecord

BRAND = "brand"
"""An attribute of that name is the brand, wherever it is stated."""

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; numbers are words."""
    return _WORD.findall(text.lower())


def has(record: ProductRecord, part: Part) -> bool:
    """Whether a part of the product is there."""
    value = getattr(record, part)
    if part == "price":
        return not math.isnan(value)
    return value is not None if part == "image" else bool(value)


def contrast(image: Image) -> float:
    """Standard deviation of the colours, 0 to 127.5, without what was added to make it square.

    Args:
        image: the picture, which lies whole in the middle of its square.
    """
    side = image.pixels.shape[0]
    longest = max(image.width, image.height)
    rows = max(1, round(side * image.height / longest))
    columns = max(1, round(side * image.width / longest))
    top, left = (side - rows) // 2, (side - columns) // 2
    inside = image.pixels[top : top + rows, left : left + columns].astype(np.float64)
    return float(np.sqrt(inside.reshape(-1, 3).var(axis=0).mean()))


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A product, and what the model says of it.

    Attributes:
        record: the product.
        parts: parts that the catalogue has; a rule about another one is left out.
        usual_attributes: names of the attributes that most products of the category state; ``None``
            where it is not known.
        usual_prices: between which almost all prices of such products lie, in the product's
            currency; ``None`` where the model cannot say.
        usual_share: how many that are at least.
        agreement: share of the training products whose text and picture agree less than this one's,
            0 to 1; ``None`` without a picture, or where the model has learned of none.
        category: the answered one, ``main > sub``; empty where the model answers none.
        category_probability: of the answered one.
        category_agrees: whether the given category is the answered one; ``None``: none was given,
            or it is none that the model knows.
    """

    record: ProductRecord
    parts: frozenset[Part] = frozenset(PARTS)
    usual_attributes: tuple[str, ...] | None = None
    usual_prices: tuple[float, float] | None = None
    usual_share: float = 0.98
    agreement: float | None = None
    category: str = ""
    category_probability: float = 0.0
    category_agrees: bool | None = None

    @property
    def words(self) -> list[str]:
        """Of the title, in lower case."""
        return words_of(self.record.title)
