"""A product as the models see it: cleaned text without prices, numbers, and the picture's pixels.

Requests of the service and rows of the catalogue become the same :class:`ProductRecord`, so that a
model sees a product in the same form in training and in service.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crisol.core.data import pictures
from crisol.core.data.pictures import Image
from crisol.models.products.contract import Product
from crisol.models.products.data.cells.category_paths import WEAK_MARKS, Levels, category_levels
from crisol.models.products.data.taxonomy import SEPARATOR, Taxonomy
from crisol.models.products.data.text import PRICE_NAME, clean, scrub_prices

Part = Literal["title", "description", "image", "brand", "attributes", "price", "category"]
PARTS: tuple[Part, ...] = (
    "title", "description", "image", "brand", "attributes", "price", "category",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One product.

    Attributes:
        title: cleaned; prices are scrubbed out of every text
            (:mod:`crisol.models.products.data.text`).
        description: likewise; empty where there is none.
        brand: likewise.
        attributes: name to value, cleaned.
        category: the shop's category, as it stands; empty where none is given.
        price: in ``currency``; NaN where it is not known.
        currency: ISO 4217; empty where it is not known.
        image: the picture.
        id: its name in the catalogue; empty for the product of a request.
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

    def without(self, *parts: Part) -> "ProductRecord":
        """The record with some of its parts missing."""
        empty: dict[str, Any] = {
            "title": "", "description": "", "brand": "", "attributes": {}, "category": "",
            "price": float("nan"), "image": None,
        }  # fmt: skip
        return replace(self, **{part: empty[part] for part in parts})


def record_from_request(
    product: Product, image_size: int, taxonomy: Taxonomy | None = None
) -> ProductRecord:
    """The record of a request.

    Args:
        product: the product as it was sent.
        image_size: S, pixels of each side of the models' pictures.
        taxonomy: the categories that the model knows; they tell whether ``Home/Rugs`` is one name.

    Raises:
        FieldError: its picture cannot be used.
    """
    picture = None if product.image is None else pictures.decode_base64(product.image, image_size)
    return clean_record(
        product.title,
        description=product.description or "",
        brand=product.brand or "",
        attributes=product.attributes or {},
        category=SEPARATOR.join(part for part in _levels(product.category or "", taxonomy) if part),
        price=float("nan") if product.price is None else product.price,
        currency=product.currency or "",
        image=picture,
    )


def clean_record(
    title: str,
    *,
    description: str = "",
    brand: str = "",
    attributes: Mapping[str, str] | None = None,
    category: str = "",
    price: float = float("nan"),
    currency: str = "",
    image: Image | None = None,
    product_id: str = "",
) -> ProductRecord:
    """A record whose texts are cleaned and hold no price.

    An attribute whose name is that of a price (``MRP: 499``) is left out: its value alone does not
    tell that it is a price.
    """
    pairs = {model_text(name): model_text(value) for name, value in (attributes or {}).items()
             if not PRICE_NAME.search(clean(name))}  # fmt: skip
    return ProductRecord(
        title=model_text(title),
        description=model_text(description),
        brand=model_text(brand),
        attributes={name: value for name, value in pairs.items() if name and value},
        category=category,
        price=price,
        currency=currency,
        image=image,
        id=product_id,
    )


def model_text(text: str) -> str:
    """The text as every model sees it: cleaned and without prices."""
    return scrub_prices(clean(text))


def _levels(category: str, taxonomy: Taxonomy | None) -> Levels:
    """The levels of a request's category; those that the model knows, where it does."""
    levels = category_levels(category)
    if taxonomy is None or levels[1] or levels[0] in taxonomy.mains:
        return levels
    for mark in WEAK_MARKS:
        main, cut, rest = levels[0].partition(mark)
        other = main.strip(), rest.partition(mark)[0].strip()
        if cut and (other in taxonomy.leaves or (other[0], "") in taxonomy.leaves):
            return other
    return levels


def attributes_from_json(text: str) -> dict[str, str]:
    """The attributes in a JSON cell of the catalogue: name to value."""
    found: dict[str, str] = json.loads(text) if text else {}
    return found
