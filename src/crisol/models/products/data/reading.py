"""One reading of a product, whether it comes as a request or from the catalogue."""

import json
import re
from collections.abc import Mapping

from crisol.core.data import pictures
from crisol.core.data.pictures import Image
from crisol.models.products.contract import Product
from crisol.models.products.data.records import Record
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.data.text import PRICE_NAME, clean, scrub_prices

_LEVELS = re.compile(r"\s*>+\s*")


def record_of(product: Product, image_size: int) -> Record:
    """A request as the models see it.

    Args:
        product: as it came.
        image_size: S, pixels of each side of the models' pictures.

    Raises:
        FieldError: its picture cannot be used.
    """
    picture = None if product.image is None else pictures.decode_base64(product.image, image_size)
    return record(
        product.title,
        description=product.description or "",
        brand=product.brand or "",
        attributes=product.attributes or {},
        category=SEPARATOR.join(part for part in levels(product.category or "") if part),
        price=float("nan") if product.price is None else product.price,
        currency=product.currency or "",
        image=picture,
    )


def record(
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
) -> Record:
    """A record whose texts are cleaned and hold no price.

    An attribute that names a price (``MRP: 499``) is left out, as its value alone would not tell
    that it is one.
    """
    pairs = {words(name): words(value) for name, value in (attributes or {}).items()
             if not PRICE_NAME.search(clean(name))}  # fmt: skip
    return Record(
        title=words(title),
        description=words(description),
        brand=words(brand),
        attributes={name: value for name, value in pairs.items() if name and value},
        category=category,
        price=price,
        currency=currency,
        image=image,
        id=product_id,
    )


def words(text: str) -> str:
    """A text as every model sees it: cleaned and without prices."""
    return scrub_prices(clean(text))


def levels(category: str) -> tuple[str, str]:
    """The first two levels of a category; empty where there is none.

    >>> levels("Home >> Curtains > Door curtains")
    ('Home', 'Curtains')
    >>> levels("Home")
    ('Home', '')
    """
    parts = [part for part in _LEVELS.split(clean(category)) if part]
    return (*parts, "", "")[0], (*parts, "", "")[1]


def attributes_of(text: str) -> dict[str, str]:
    """Name to value, out of the catalogue's JSON."""
    found: dict[str, str] = json.loads(text) if text else {}
    return found
