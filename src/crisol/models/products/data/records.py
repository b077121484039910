"""A product as the models see it: cleaned text without prices, numbers, and the picture's pixels.

Requests of the service and rows of the catalogue become the same :class:`Record`, so that nothing
that was trained on one can be asked with the other differently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from crisol.core.data.pictures import Image

Part = Literal["title", "description", "image", "brand", "attributes", "price", "category"]
PARTS: tuple[Part, ...] = (
    "title", "description", "image", "brand", "attributes", "price", "category",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One product.

    Attributes:
        title: cleaned; prices are scrubbed out of every text
            (:mod:`crisol.models.products.data.text`).
        description: likewise; empty where there is none.
        brand: likewise.
        attributes: name to value, cleaned.
        category: what the shop says, as it stands; empty where nothing is said.
        price: in ``currency``; NaN where it is not known.
        currency: ISO 4217; empty where it is not known.
        image: the picture.
        id: its name in the catalogue; empty for what a request brings.
    """

    title: str
    description: str = ""
    brand: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    category: str = ""
    price: float = float("nan")
    currency: str = ""
    image: Image | None = None
    id: str = ""

    def without(self, *parts: Part) -> "Record":
        """The record with some of its parts missing."""
        empty = {
            "title": "", "description": "", "brand": "", "attributes": {}, "category": "",
            "price": float("nan"), "image": None,
        }  # fmt: skip
        return replace(self, **{part: empty[part] for part in parts})
