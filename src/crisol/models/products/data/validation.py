"""Validates tables of raw products and pairs before anything is computed from them.

An error names the file, the row, the rule and the remedy. Every cell is text as it stands in the
file: ``007`` and ``7`` are two products, and a price may be written ``₹1,299``. Each column is read
by one convention, and whatever is assumed is noted.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from crisol.models.products.contract import MAX_ATTRIBUTES, MAX_DESCRIPTION, MAX_TITLE
from crisol.models.products.data.catalogue_table import (
    CatalogueTable,
    ProductsError,
    cells_of,
    text_of,
)
from crisol.models.products.data.cells.amounts import DecimalMark
from crisol.models.products.data.cells.category_paths import category_column
from crisol.models.products.data.cells.prices import NOTHING
from crisol.models.products.data.cells.ratings import NumberColumn, rating_column, votes_column
from crisol.models.products.data.price_columns import price_numbers, prices_and_currencies
from crisol.models.products.data.text import clean as clean_text
from crisol.models.products.params import DataParams

COLUMNS = (
    "id", "source", "title", "description", "brand", "category", "subcategory", "attributes",
    "price", "currency", "rating", "votes", "image", "part",
)  # fmt: skip
SIDES = ("left", "right")
SIDE_COLUMNS = ("title", "description", "brand", "category", "price")
PAIR_COLUMNS = (
    "source", "part", "match", *(f"{side}_{name}" for side in SIDES for name in SIDE_COLUMNS),
)  # fmt: skip
DEFAULT_SOURCE = "shop"
MAX_ID = 200
MAX_NAME = 200


def validate_products(
    raw: pd.DataFrame, params: DataParams, notes: list[str] | None = None
) -> pd.DataFrame:
    """The products with all columns, cleaned and typed.

    Args:
        raw: as read; ``raw.attrs["file"]`` is its name in error messages.
        params: the section ``products.data``.
        notes: to which the sentences about what was assumed are added.

    Returns:
        :data:`COLUMNS` in the order of the file; text ``""`` and numbers NaN where nothing
        is given. Texts are cleaned, and cut to the longest that a request may have.

    Raises:
        ProductsError: a missing column, or one mapped to a missing column; an empty title; an id
            that is empty, too long or used twice in its source; invalid attributes, prices,
            currencies, ratings, votes or parts.
    """
    table = _raw_products(raw, params.columns, [] if notes is None else notes)
    texts = {name: text_of(table, name) for name in ("title", "description", "brand", "part")}
    table.refuse(texts["title"] == "", "title is empty; every product needs one")
    main, sub = _categories(table, params, str(raw.attrs.get("category_list", "")))
    price, currency = prices_and_currencies(table, params)
    products = pd.DataFrame(
        {
            "id": _ids(table),
            "source": text_of(table, "source").replace("", DEFAULT_SOURCE),
            "title": _cut(table, texts["title"], MAX_TITLE, "title"),
            "description": _cut(table, texts["description"], MAX_DESCRIPTION, "description"),
            "brand": _cut(table, texts["brand"], MAX_NAME, "brand"),
            "category": main,
            "subcategory": sub,
            "attributes": _attributes(table),
            "price": price,
            "currency": currency,
            "rating": _counted(table, "rating", rating_column, params),
            "votes": _counted(table, "votes", votes_column, params),
            "image": cells_of(table, "image"),
            "part": texts["part"],
        }
    )
    _check_values(table, products)
    return products[list(COLUMNS)]


def validate_pairs(
    raw: pd.DataFrame, params: DataParams | None = None, notes: list[str] | None = None
) -> pd.DataFrame:
    """The pairs with all columns, cleaned and typed; the table may be empty.

    Args:
        raw: as read.
        params: the section ``products.data``; only ``read`` and ``currency`` are used.
        notes: to which the sentences about what was assumed are added.

    Returns:
        :data:`PAIR_COLUMNS`: text, ``match`` int64, prices float64.

    Raises:
        ProductsError: a missing column; a match other than 0 and 1; a part other than train, valid
            and test; an empty title; a price that is no number.
    """
    params = DataParams.model_validate({}) if params is None else params
    table = CatalogueTable(
        raw.reset_index(drop=True),
        raw.attrs.get("file", "pairs"),
        ProductsError,
        [] if notes is None else notes,
        numeric=tuple(raw.attrs.get("numeric", ())),
    )
    needed = ("source", "part", "match", "left_title", "right_title")
    table.refuse_columns(needed, [*PAIR_COLUMNS])
    match, part = cells_of(table, "match"), cells_of(table, "part")
    table.refuse(~match.isin(("0", "1")), "match is neither 0 nor 1", "match")
    known = part.isin(("train", "valid", "test"))
    table.refuse(~known, "part is none of train, valid and test", "part")
    pairs = {"source": text_of(table, "source"), "part": part, "match": match.astype("int64")}
    table.refuse(pairs["source"] == "", "source is empty")
    shown: Counter[str] = Counter()
    for side in SIDES:
        for name in SIDE_COLUMNS:
            column = f"{side}_{name}"
            if name == "price":
                pairs[column], read = price_numbers(table, column, params)
                shown.update(code for codes in read.codes.values() for code in codes[:1])
            else:
                pairs[column] = text_of(table, column)
        table.refuse(pairs[f"{side}_title"] == "", f"{side}_title is empty")
    if len(shown) > 1:
        raise ProductsError(
            f"{table.file}: prices are in several currencies ({', '.join(sorted(shown))}), and "
            "those of a pair are compared: convert them to one, or leave one side empty"
        )
    return pd.DataFrame(pairs)[list(PAIR_COLUMNS)]


def _raw_products(
    raw: pd.DataFrame, columns: Mapping[str, str], notes: list[str]
) -> CatalogueTable:
    """The known columns under their canonical names; the others are logged and left out."""
    file = raw.attrs.get("file", "products")
    theirs = [str(name) for name in raw.columns]
    for ours, name in columns.items():
        if ours not in COLUMNS:
            raise ProductsError(
                f"products.data.columns: {ours!r} is no column of ours; there are: "
                + ", ".join(COLUMNS)
            )
        if name not in theirs:
            raise ProductsError(
                f"{file}: column {name!r}, which products.data.columns takes for {ours!r}, is "
                f"missing; there are: {', '.join(theirs)}"
            )
    taken = {ours: columns.get(ours) or _same_name(ours, theirs) for ours in COLUMNS}
    taken = {ours: name for ours, name in taken.items() if name in theirs}
    if "title" not in taken:
        raise ProductsError(
            f"{file}: column 'title' is missing; there are: {', '.join(theirs)}. Say which of them "
            "it is: --params products.data.columns.title=…"
        )
    if raw.empty:
        raise ProductsError(f"{file}: there are no products")
    other = [
        f"{name} is {ours}" for ours, name in taken.items() if columns.get(ours) != name != ours
    ]
    if other:
        notes.append(f"{', '.join(other)}; products.data.columns says otherwise")
    left = [name for name in theirs if name not in taken.values()]
    if left:
        notes.append(f"not used: {', '.join(left)}; products.data.columns says what a column is")
    table = raw.reset_index(drop=True)
    # A mapped column replaces a column of the file that has the canonical name.
    rows = pd.DataFrame({ours: table[name] for ours, name in taken.items()})
    rows.attrs.update(raw.attrs)
    numeric = [ours for ours, name in taken.items() if name in raw.attrs.get("numeric", ())]
    return CatalogueTable(
        rows, file, ProductsError, notes, tuple(raw.attrs.get("places", ())), tuple(numeric), taken
    )


def _same_name(ours: str, theirs: Sequence[str]) -> str:
    """The file's column of our name, else the only one that differs from it in case and blanks."""
    alike = [name for name in theirs if name.strip().casefold() == ours]
    return ours if ours in theirs or len(alike) != 1 else alike[0]


def _cut(table: CatalogueTable, texts: pd.Series, length: int, name: str) -> pd.Series:
    long = int((texts.str.len() > length).sum())
    if long:
        table.notes.append(
            f"{long:,} of column {name} are longer than {length:,} characters and are cut, as a "
            "request's would have to be"
        )
    return texts.str.slice(0, length).str.strip()


def _ids(table: CatalogueTable) -> pd.Series:
    if "id" not in table.rows:
        return pd.Series([str(row + 1) for row in range(len(table.rows))], dtype="str")
    ids = cells_of(table, "id")
    table.refuse(ids == "", "id is empty; give every product one, or leave the column out")
    table.refuse(ids.str.len() > MAX_ID, f"id is longer than {MAX_ID} characters", "id")
    control = ids.str.contains(r"[\x00-\x1f\x7f]", regex=True)
    table.refuse(control, "id holds a control character", "id")
    twice = pd.DataFrame({"id": ids, "source": text_of(table, "source")}).duplicated()
    table.refuse(twice, "id occurs already; each product of a source needs its own", "id")
    return ids


def _categories(
    table: CatalogueTable, params: DataParams, listed: str
) -> tuple[pd.Series, pd.Series]:
    cells = cells_of(table, "category")
    column = category_column(
        cells.tolist(), params.category_separator, params.category_list or listed
    )
    table.notes.extend(column.notes)
    main = cells.map({cell: both[0] for cell, both in column.levels.items()}).astype("str")
    sub = cells.map({cell: both[1] for cell, both in column.levels.items()}).astype("str")
    second = text_of(table, "subcategory")
    orphan = (second != "") & (main == "")
    table.refuse(orphan, "subcategory without a category", "subcategory")
    sub = sub.where(sub != "", second)
    for name, levels in (("category", main), ("subcategory", sub)):
        table.refuse(levels.str.len() > MAX_NAME, f"{name} is longer than {MAX_NAME} characters")
    return main, sub


def _attributes(table: CatalogueTable) -> pd.Series:
    cells = cells_of(table, "attributes")
    parsed = {cell: _attributes_of(cell) for cell in cells.unique()}
    bad = cells.map({cell: pairs is None for cell, pairs in parsed.items()}).astype(bool)
    table.refuse(
        bad,
        "attributes are neither a JSON object nor name=value; name=value",
        "attributes",
    )
    many = cells.map({cell: len(pairs or ()) > MAX_ATTRIBUTES for cell, pairs in parsed.items()})
    table.refuse(many.astype(bool), f"has more than {MAX_ATTRIBUTES} attributes")
    plain = {cell: json.dumps(pairs, ensure_ascii=False) for cell, pairs in parsed.items()}
    return cells.map(plain).astype("str")


def _attributes_of(cell: str) -> dict[str, str] | None:
    """The attributes of a cell, name to value; ``None`` if it has neither of the two forms."""
    if cell.casefold() in NOTHING:
        return {}
    if cell.startswith("{"):
        try:
            found = json.loads(cell)
        except (json.JSONDecodeError, RecursionError):
            return None
        pairs = [(str(name), _plain(value)) for name, value in found.items()]
    else:
        parts = [part.partition("=") for part in cell.split(";") if part.strip()]
        if any(not name.strip() or not sign for name, sign, _ in parts):
            return None
        pairs = [(name, value) for name, _, value in parts]
    cleaned = {clean_text(name)[:MAX_NAME]: clean_text(value)[:1000] for name, value in pairs}
    return {name: value for name, value in cleaned.items() if name and value}


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counted(
    table: CatalogueTable,
    name: str,
    read: Callable[[Sequence[str], str, DecimalMark | None], NumberColumn],
    params: DataParams,
) -> pd.Series:
    """Ratings or votes."""
    cells = cells_of(table, name)
    column = read(cells.tolist(), name, table.decimal(name, params))
    hint = "; leave it empty where it is not known"
    table.refuse_faults({cell: fault + hint for cell, fault in column.faults.items()}, name)
    table.notes.extend(column.notes)
    return cells.map(column.numbers).astype("float64")


def _check_values(table: CatalogueTable, products: pd.DataFrame) -> None:
    votes = products["votes"]
    table.refuse((votes < 0) | (votes % 1 > 0), "votes is no count", "votes")
    unknown = ~products["part"].isin(("", "train", "test"))
    table.refuse(unknown, "part is neither train nor test", "part")
    address = products["image"].str.match(r"(?i)[a-z][a-z0-9+.-]*://|data:")
    table.refuse(
        address,
        "image is an address; nothing is fetched: put the file in the folder of pictures",
        "image",
    )
