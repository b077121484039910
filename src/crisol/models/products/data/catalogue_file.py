"""Reads a person's catalogue: a table, or the export of a shop as it is."""

import logging
from pathlib import Path

import pandas as pd

from crisol.core.data.named_paths import named_path
from crisol.core.data.table_files import read_raw_table
from crisol.core.data.tables.table_file import shown_name
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.data.shops.exports import export_format, products_of_export
from crisol.models.products.data.shops.feed_file import is_xml, read_feed
from crisol.models.products.params import DataParams
from crisol.models.products.read_params import SHOP_FORMATS

logger = logging.getLogger(__name__)


def read_products(path: Path, params: DataParams) -> pd.DataFrame:
    """The raw products of a file, every cell as text.

    Args:
        path: a table, or an export of a shop.
        params: the section ``products.data``; ``read`` and ``columns`` are used.

    Returns:
        The file's columns; of an export, ours. ``attrs`` as from
        :func:`~crisol.core.data.table_files.read_raw_table`; of an export also ``places``, the
        names of its products in errors.

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: it cannot be read.
    """
    read = params.read
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    if read.format in ("auto", "google_merchant") and is_xml(path):
        raw, form = read_feed(path, shown_name(path)), "google_merchant"
    else:
        raw = read_raw_table(path, read.of_table())
        form = read.format if read.format in SHOP_FORMATS else ""
    notes = list(raw.attrs["notes"])
    if not form and read.format == "auto":
        found = export_format([str(name) for name in raw.columns])
        if found and not params.columns:
            form = found
            notes.append(
                f"its columns are those of an export of {found}, and it is read as one; "
                "products.data.read.format=csv reads each row as a product"
            )
        elif found:
            notes.append(
                f"its columns are those of an export of {found}; without products.data.columns, or "
                f"with products.data.read.format={found}, it is read as one"
            )
    if form:
        raw = products_of_export(form, raw, notes)
    raw.attrs["notes"] = tuple(notes)
    return raw


def read_pairs(path: Path, params: DataParams) -> pd.DataFrame:
    """The raw pairs of a file, every cell as text; the file may hold column names alone.

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: it cannot be read.
    """
    return read_raw_table(path, params.read.of_table())


def refuse_other_file(file: str, params: DataParams) -> None:
    """Refuse a run whose parameters name another file than the catalog gave.

    Raises:
        ProductsError: they do.
    """
    if params.file and Path(file).name != named_path(params.file).name:
        raise ProductsError(
            f"products.data.file is {params.file}, and {file} was read: the catalog of this "
            "environment takes it from the command line alone, and conf/real never does. Say "
            "--params products.data.file=… without --env real, or name the file in "
            "conf/local/catalog.yml and not here"
        )
