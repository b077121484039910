"""Shopify's product CSV: one row a variant or picture, which ``Handle`` joins to products."""

import re

import pandas as pd

from crisol.models.products.data.shops.export_table import (
    Export,
    attributes_json,
    filled,
    framed,
    grouped,
    lowest,
    truthy,
)

_METAFIELD = re.compile(r"(.+?) \(product\.metafields\..+\)")
_DRAFTS = ("draft", "archived")


def products_of(export: Export) -> pd.DataFrame:
    """One product a handle, in the order of the file.

    The price is the lowest of the variants; the options of all of them, tags and metafields are
    attributes; rows with a picture alone are no products. Drafts and archived products are left
    out.

    Raises:
        ProductsError: there is no column ``Handle`` or ``Title``.
    """
    handle = export.need("Shopify", "handle", "url handle")
    title = export.need("Shopify", "title")
    kind = _category(export)
    columns = {
        "description": export.column("body (html)", "description"),
        "brand": export.column("vendor"),
        "price": export.column("variant price", "price"),
        "image": export.column("image src", "product image url"),
        "status": [cell.lower() for cell in export.column("status")],
        "published": export.column("published", "published on online store"),
    }
    options = [
        (export.column(name), export.column(name.replace("name", "value")))
        for name in export.numbered(r"option\d name")
    ]
    known = export.numbered(_METAFIELD.pattern)
    more = [(export.names[name].split(" (")[0], export.column(name)) for name in known]
    more.append(("Tags", export.column("tags")))
    position = [int(n) if n.isdigit() else 10**9 for n in export.column("image position")]

    products, drafts, ranges = [], 0, 0
    for name, at in grouped(handle).items():
        if not name and not any(title[row] for row in at):
            continue  # blank lines
        if columns["status"][at[0]] in _DRAFTS or truthy(columns["published"][at[0]]) is False:
            drafts += 1
            continue
        price, differ = lowest([columns["price"][row] for row in at])
        ranges += differ
        names = [_first([option[row] for row in at]) for option, _ in options]
        pairs = [
            (option, value[row])
            for option, (_, value) in zip(names, options, strict=True)
            for row in at
            if option.lower() != "title"
        ]
        pairs += [(called, column[row]) for called, column in more for row in at]
        pictures = sorted((position[row], row) for row in at if columns["image"][row])
        products.append(
            {
                "id": name,
                "title": _first([title[row] for row in at]),
                "description": _first([columns["description"][row] for row in at]),
                "brand": _first([columns["brand"][row] for row in at]),
                "category": _first([kind[row] for row in at]),
                "attributes": attributes_json(pairs),
                "price": price,
                "image": ", ".join(dict.fromkeys(columns["image"][row] for _, row in pictures)),
                "place": export.place(at[0], f"handle {name}"),
            }
        )
    export.notes.append(
        f"{len(export.rows):,} rows of variants and pictures are {len(products):,} products, one a "
        f"handle; {ranges:,} have variants of different prices, and the lowest is taken"
    )
    if drafts:
        export.notes.append(f"{drafts:,} products that are drafts or not published are left out")
    return framed(products)


def _category(export: Export) -> list[str]:
    """Shopify's category, or the shop's own type where that is given more often."""
    standard = export.column("product category", "standardized product type")
    own = export.column("type", "custom product type")
    standard_wins = filled(standard) >= filled(own)
    if any(standard) and any(own):
        name = "Product Category" if standard_wins else "Type"
        export.notes.append(f"category: taken from {name}, which is given most often")
    return standard if standard_wins else own


def _first(cells: list[str]) -> str:
    return next((cell for cell in cells if cell), "")
