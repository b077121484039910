"""Recognises the exports of shops by their headers, and turns them into our columns."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from crisol.models.products.data.shops import google_merchant, shopify, woocommerce
from crisol.models.products.data.shops.export_table import Export, plain_names

_READERS: Mapping[str, Callable[[Export], pd.DataFrame]] = {
    "shopify": shopify.products_of,
    "woocommerce": woocommerce.products_of,
    "google_merchant": google_merchant.products_of,
}
_LISTED: Mapping[str, str] = {"woocommerce": ","}
"""The mark between several categories of a product, where the format tells it."""


def export_format(columns: Sequence[str]) -> str:
    """The format whose export has such columns; empty where it is none.

    >>> export_format(["Handle", "Title", "Body (HTML)", "Vendor", "Variant Price"])
    'shopify'
    >>> export_format(["ID", "Type", "SKU", "Name", "Published", "Regular price"])
    'woocommerce'
    >>> export_format(["title", "price", "image"])
    ''
    """
    names = set(plain_names(columns))
    if {"handle", "title"} <= names and names & {"body (html)", "variant price", "variant sku"}:
        return "shopify"
    if {"url handle", "title"} <= names and names & {"price", "option1 name", "sku"}:
        return "shopify"
    if {"type", "name", "published"} <= names and names & {"regular price", "parent", "sku"}:
        return "woocommerce"
    feed = set(google_merchant.plain(columns))
    if {"id", "title", "price"} <= feed and len(feed & google_merchant.TELLING) >= 2:
        return "google_merchant"
    return ""


def products_of_export(form: str, raw: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The products of an export under our column names, each once.

    Args:
        form: a name of :data:`crisol.models.products.read_params.SHOP_FORMATS`.
        raw: the rows of the file as text; ``attrs["file"]`` names it.
        notes: to which the sentences about what was joined and left out are added.

    Raises:
        ProductsError: a column is missing that every such export has.
    """
    export = Export(raw.reset_index(drop=True), raw.attrs["file"], notes)
    products = _READERS[form](export)
    places = tuple(products.pop("place"))
    products = products.astype("str").reset_index(drop=True)
    products.attrs.update(
        file=export.file, places=places, category_list=_LISTED.get(form, ""), numeric=()
    )
    return products
