"""The canonical tables of the files that a run is given, with notes about what was read."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crisol.core.data.tables.table_file import shown_name
from crisol.models.products.data.catalogue_file import (
    read_pairs,
    read_products,
    refuse_other_file,
)
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.data.prepare import clean, clean_pairs
from crisol.models.products.data.validation import PAIR_COLUMNS
from crisol.models.products.params import DataParams

NO_PAIRS = pd.DataFrame({name: [] for name in PAIR_COLUMNS}, dtype="str").astype(
    {"match": "int64", "left_price": "float64", "right_price": "float64"}
)
"""The canonical table of pairs where there are none."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CleanFiles:
    """The canonical tables of a run's files.

    Attributes:
        products: see :func:`crisol.models.products.data.prepare.clean`.
        images: likewise.
        pairs: see :func:`crisol.models.products.data.prepare.clean_pairs`.
        notes: ``file`` and ``note``: a sentence about what was read, assumed or left out, each with
            the option that changes it.
    """

    products: pd.DataFrame
    images: pd.DataFrame
    pairs: pd.DataFrame
    notes: pd.DataFrame


def clean_files(source: Path, pictures: Path, pairs: Path, params: DataParams) -> CleanFiles:
    """The canonical tables of the files that the catalog names.

    With a file of one's own, pictures and pairs are read only where they are named, too: those of
    the catalog belong to the sample.

    Args:
        source: the products, see :func:`crisol.models.products.data.catalogue_file.read_products`.
        pictures: the folder that the column ``image`` is relative to.
        pairs: a table of pairs.
        params: the section ``products.data``.

    Raises:
        ProductsError: names the file, the row, the rule and the remedy.
    """
    if not isinstance(source, Path) or not isinstance(pairs, Path):
        raise ProductsError(
            "the catalog's products.products_raw and products.pairs_raw are files that products "
            "reads itself: give them the type crisol.catalog.raw_files.RawFolderDataset, and put "
            "options of the reader into products.data.read"
        )
    refuse_other_file(shown_name(source), params)
    raw = read_products(source, params)
    notes = [*raw.attrs["notes"], *_of_settings(source, params)]
    own_pictures = not params.file or bool(params.images)
    products, images = clean(raw, pictures if own_pictures else None, params, notes)
    told = [(raw.attrs["file"], note) for note in notes]
    table = NO_PAIRS
    if not params.file or params.pairs:
        notes = []
        table = clean_pairs(read_pairs(pairs, params), params, notes)
        told += [(shown_name(pairs), note) for note in notes]
    for file, note in told:
        logger.info("%s: %s", file, note)
    return CleanFiles(
        products, images, table, pd.DataFrame(told, columns=["file", "note"]).astype("str")
    )


def _of_settings(source: Path, params: DataParams) -> list[str]:
    """Notes on settings that may have been made for another file."""
    if params.file and not params.synthetic:
        split = params.study(params.register_study).split.kind.replace("_", " ")
        return [f"the study is {params.register_study!r}, split: {split} (products.data.studies)"]
    if params.synthetic and not source.name.startswith("sample_"):
        logger.warning("products.data.synthetic says that the products of %s are made up", source)
        return ["products.data.synthetic says that the products are made up"]
    return []
