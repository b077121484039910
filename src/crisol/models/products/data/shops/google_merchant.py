"""Google Merchant Center's feeds: one item a product or variant, which ``item_group_id`` joins."""

import re
from collections.abc import Iterable

import pandas as pd

from crisol.models.products.data.shops.export_table import (
    Export,
    attributes_json,
    filled,
    framed,
    grouped,
    lowest,
)

TELLING = frozenset(
    {
        "link", "image_link", "availability", "google_product_category", "product_type", "gtin",
        "mpn", "item_group_id", "condition",
    }
)  # fmt: skip
"""Columns that a feed has and other tables have not; two of them tell that it is one."""
_ATTRIBUTES = (
    "color", "size", "material", "pattern", "gender", "age_group", "condition", "size_type",
    "size_system", "energy_efficiency_class",
)  # fmt: skip


def plain(columns: Iterable[str]) -> list[str]:
    """The names of attributes as Google's specification writes them.

    >>> plain(["g:image_link", "Google product category"])
    ['image_link', 'google_product_category']
    """
    return [re.sub(r"[\s-]+", "_", str(n).lower().strip()).removeprefix("g:") for n in columns]


def products_of(export: Export) -> pd.DataFrame:
    """One product an item, or a group of variants, in the order of the file.

    The price is the regular one, the lowest of the variants.

    Raises:
        ProductsError: there is no column ``id`` or ``title``.
    """
    renamed = export.rows.set_axis(plain(export.rows.columns), axis=1)
    feed = Export(renamed.loc[:, ~renamed.columns.duplicated()], export.file, export.notes)
    ids, title = feed.need("a Merchant feed", "id"), feed.need("a Merchant feed", "title")
    category = _category(feed)
    price, image = feed.column("price"), feed.column("image_link")
    texts, brand = feed.column("description"), feed.column("brand")
    described = [(name.replace("_", " "), feed.column(name)) for name in _ATTRIBUTES]
    detail = feed.column("product_detail")
    group = feed.column("item_group_id")
    keys = [of or f"\0{own}" for of, own in zip(group, ids, strict=True)]
    products, ranges = [], 0
    for at in grouped(keys).values():
        first = at[0]
        if not (ids[first] or title[first]):
            continue
        cheapest, differ = lowest([price[row] for row in at])
        ranges += differ
        pairs = [(name, column[row]) for name, column in described for row in at]
        pairs += [pair for row in at for pair in _details(detail[row])]
        products.append(
            {
                "id": group[first] or ids[first],
                "title": title[first],
                "description": texts[first],
                "brand": brand[first],
                "category": category[first],
                "attributes": attributes_json(pairs),
                "price": cheapest,
                "image": image[first],
                "place": feed.place(first, f"item {ids[first]}"),
            }
        )
    joined = len(feed.rows) - len(products)
    if joined:
        feed.notes.append(
            f"{len(feed.rows):,} items are {len(products):,} products, one an item_group_id; "
            f"{ranges:,} have variants of different prices, and the lowest is taken"
        )
    if reduced := filled(feed.column("sale_price")):
        feed.notes.append(f"price: the regular one; {reduced:,} items have a sale_price, too")
    return framed(products)


def _category(feed: Export) -> list[str]:
    """The shop's own ``product_type``, or Google's category where that is given more often."""
    own, standard = feed.column("product_type"), feed.column("google_product_category")
    own_wins = filled(own) >= filled(standard)
    chosen = own if own_wins else standard
    name = "product_type" if own_wins else "google_product_category"
    if any(own) and any(standard):
        feed.notes.append(f"category: taken from {name}, which is given most often")
    if sum(cell.isdigit() for cell in chosen) > 0.5 * len(chosen):
        feed.notes.append(
            f"category: {name} holds numbers of Google's list, which are taken as names"
        )
    # Google's list writes "166 - Apparel & Accessories > Clothing" with its number before it.
    return [re.sub(r"^\d+\s+-\s+", "", cell) for cell in chosen]


def _details(cell: str) -> list[tuple[str, str]]:
    """The attributes of ``General:Type:LED, General:Colour:Red``."""
    found = []
    for part in cell.split(","):
        names = [name.strip() for name in part.split(":")]
        if len(names) == 3:
            found.append((names[1], names[2]))
    return found
