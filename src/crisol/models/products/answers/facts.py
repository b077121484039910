"""The facts that the quality rules use: a product, and the model's predictions for it."""

import math
import re
from dataclasses import dataclass

import numpy as np

from crisol.core.data.pictures import Image
from crisol.models.products.data.records import PARTS, Part, ProductRecord

BRAND = "brand"
"""The name of an attribute that states the brand."""

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; numbers are words."""
    return _WORD.findall(text.lower())


def has(record: ProductRecord, part: Part) -> bool:
    """Whether a product has a part."""
    value = getattr(record, part)
    if part == "price":
        return not math.isnan(value)
    return value is not None if part == "image" else bool(value)


def contrast(image: Image) -> float:
    """The standard deviation of the colours, 0 to 127.5, without the square's padding.

    Args:
        image: the picture, centred in its square.
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
    """A product, and the model's predictions for it.

    Attributes:
        record: the product.
        parts: parts that the catalogue has; a rule about another part does not apply.
        usual_attributes: names of the attributes that most products of the category state; ``None``
            where it is not known.
        usual_prices: the bounds of almost all prices of such products, in the product's currency;
            ``None`` where the model does not know them.
        usual_share: least share of the prices within these bounds.
        agreement: share of the training products whose text and picture agree less than this one's,
            0 to 1; ``None`` without a picture, or where the model was trained without pictures.
        category: the predicted one, ``main > sub``; empty where the model predicts none.
        category_probability: of the predicted one.
        category_agrees: whether the given category is the predicted one; ``None``: none was given,
            or the model does not know it.
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
        """The words of the title, in lower case."""
        return words_of(self.record.title)
