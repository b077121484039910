"""WooCommerce's product CSV: one row a product or variation; variations join their parent."""

import pandas as pd

from crisol.models.products.data.shops.export_table import (
    Export,
    attributes_json,
    filled,
    framed,
    lowest,
    truthy,
)


def products_of(export: Export) -> pd.DataFrame:
    """One product a row that is no variation, in the order of the file.

    The price is the regular one, the lowest of the variations. Products that are not published are
    left out.

    Raises:
        ProductsError: there is no column ``Name``.
    """
    title = export.need("WooCommerce", "name")
    kind = [cell.lower() for cell in export.column("type")]
    ids, sku = export.column("id"), export.column("sku")
    columns = {
        "description": export.column("description"),
        "short": export.column("short description"),
        "brand": export.column("brands", "brand"),
        "category": export.column("categories"),
        "price": export.column("regular price"),
        "sale": export.column("sale price"),
        "image": export.column("images"),
        "published": export.column("published"),
        "tags": export.column("tags"),
    }
    options = [
        (export.column(name), export.column(name.replace("name", "value(s)")))
        for name in export.numbered(r"attribute \d+ name")
    ]
    parents = _parents(export.column("parent"), kind, ids, sku)
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    products, hidden, ranges, alone = [], 0, 0, 0
    for row in range(len(title)):
        if parents.get(row, -1) >= 0 or not (title[row] or ids[row] or sku[row]):
            continue
        alone += row in parents
        if truthy(columns["published"][row]) is False:
            hidden += 1
            continue
        family = [row, *children.get(row, ())]
        price, differ = lowest([columns["price"][each] for each in family])
        ranges += differ
        pairs = [
            (name[each], value.strip())
            for name, values in options
            for each in family
            for value in values[each].split(",")
        ]
        pairs += [("Tags", tag.strip()) for tag in columns["tags"][row].split(",")]
        texts = [columns["short"][row], columns["description"][row]]
        products.append(
            {
                "id": ids[row] or sku[row] or str(row + 1),
                "title": title[row],
                "description": "<br>".join(text.replace("\\n", " ") for text in texts if text),
                "brand": columns["brand"][row],
                "category": columns["category"][row],
                "attributes": attributes_json(pairs),
                "price": price,
                "image": columns["image"][row],
                "place": export.place(row, title[row] or "a product without a name"),
            }
        )
    joined = len(parents) - alone
    export.notes.append(
        f"{len(export.rows):,} rows are {len(products):,} products; {joined:,} variations are "
        f"joined to theirs, and of {ranges:,} products with several prices the lowest is taken"
    )
    if hidden:
        export.notes.append(f"{hidden:,} products that are not published are left out")
    if alone:
        export.notes.append(f"{alone:,} variations without their product are products themselves")
    if reduced := filled(columns["sale"]):
        export.notes.append(f"price: the regular one; {reduced:,} rows have a sale price, too")
    return framed(products)


def _parents(parent: list[str], kind: list[str], ids: list[str], sku: list[str]) -> dict[int, int]:
    """The row of each variation's product, by the row of the variation; -1 where it is not there.

    ``Parent`` holds the product's SKU, or its id as ``id:12``.
    """
    by_id = {f"id:{cell}": row for row, cell in enumerate(ids) if cell}
    by_sku = {cell: row for row, cell in enumerate(sku) if cell}
    found = {}
    for row, cell in enumerate(parent):
        if "variation" in kind[row]:
            found[row] = by_id.get(cell.replace(" ", ""), by_sku.get(cell, -1))
    return found
