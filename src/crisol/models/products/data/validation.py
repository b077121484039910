"""Validates tables of raw products and pairs before anything is computed from them.

An error names the file, the row, the rule and the remedy. Every cell is text as it stands in the
file: ``007`` and ``7`` are two products, and a price may be written ``₹1,299``.
"""

import json
import logging
import re
import unicodedata
from collections.abc import Mapping

import pandas as pd

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import MendableError
from crisol.models.products.contract import (
    MAX_ATTRIBUTES,
    MAX_DESCRIPTION,
    MAX_PRICE,
    MAX_TITLE,
)
from crisol.models.products.data.records import category_levels
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
MAX_RATING = 5.0
_NOTHING = ("", "-", "nan", "none", "null", "n/a", "na")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
_POINT_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+,\d{1,2}")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")
_SIGNS = re.compile(r"(?i)^(?:rs\.?|inr|usd|eur|gbp|[^\w\s.,+-])\s*|\s*(?:[^\w\s.,]|/-)+$")

logger = logging.getLogger(__name__)


class ProductsError(MendableError):
    """Raw products or pairs that cannot be used; the message names file, row and rule."""


def validate_products(raw: pd.DataFrame, params: DataParams) -> pd.DataFrame:
    """The products with all columns, cleaned and typed.

    Args:
        raw: as read; ``raw.attrs["file"]`` is its name in error messages.
        params: ``columns`` and ``currency``.

    Returns:
        :data:`COLUMNS` in the order of the file; text ``""`` and numbers NaN where nothing
        is given. Texts are cleaned, and cut to the longest that a request may have.

    Raises:
        ProductsError: a missing column, or one mapped to a missing column; an empty title; an id
            that is empty, too long or used twice in its source; invalid attributes, prices,
            currencies, ratings, votes or parts.
    """
    table = _raw_products(raw, params.columns)
    texts = {name: _text(table, name) for name in ("title", "description", "brand", "part")}
    table.refuse(texts["title"] == "", "title is empty; every product needs one")
    main, sub = _categories(table)
    products = pd.DataFrame(
        {
            "id": _ids(table),
            "source": _text(table, "source").replace("", DEFAULT_SOURCE),
            "title": _cut(table, texts["title"], MAX_TITLE, "title"),
            "description": _cut(table, texts["description"], MAX_DESCRIPTION, "description"),
            "brand": _cut(table, texts["brand"], MAX_NAME, "brand"),
            "category": main,
            "subcategory": sub,
            "attributes": _attributes(table),
            "price": _prices(table),
            "rating": _numbers(table, "rating"),
            "votes": _numbers(table, "votes"),
            "image": _cells(table, "image"),
            "part": texts["part"],
        }
    )
    products["currency"] = _currencies(table, products["price"], params.currency)
    _check_values(table, products)
    return products[list(COLUMNS)]


def validate_pairs(raw: pd.DataFrame) -> pd.DataFrame:
    """The pairs with all columns, cleaned and typed; the table may be empty.

    Returns:
        :data:`PAIR_COLUMNS`: text, ``match`` int64, prices float64.

    Raises:
        ProductsError: a missing column; a match other than 0 and 1; a part other than train, valid
            and test; an empty title; a price that is no number.
    """
    table = RawTableValidator(
        raw.reset_index(drop=True), raw.attrs.get("file", "pairs"), ProductsError
    )
    needed = ("source", "part", "match", "left_title", "right_title")
    table.refuse_columns(needed, [*PAIR_COLUMNS])
    match, part = _cells(table, "match"), _cells(table, "part")
    table.refuse(~match.isin(("0", "1")), "match is neither 0 nor 1", "match")
    known = part.isin(("train", "valid", "test"))
    table.refuse(~known, "part is none of train, valid and test", "part")
    pairs = {"source": _text(table, "source"), "part": part, "match": match.astype("int64")}
    table.refuse(pairs["source"] == "", "source is empty")
    for side in SIDES:
        for name in SIDE_COLUMNS:
            column = f"{side}_{name}"
            pairs[column] = (_prices if name == "price" else _text)(table, column)
        table.refuse(pairs[f"{side}_title"] == "", f"{side}_title is empty")
    return pd.DataFrame(pairs)[list(PAIR_COLUMNS)]


def number_of(text: str) -> float | None:
    """The number in a cell; NaN for an empty cell, ``None`` for text that is not a number.

    A currency around the number is ignored. Separators of thousands are recognised where they are
    unambiguous; ``1.299`` is a little more than one.

    >>> [number_of(text) for text in ("₹1,299", "1.299,00 €", "12,5", "1,45,000.50", "", "a few")]
    [1299.0, 1299.0, 12.5, 145000.5, nan, None]
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if plain.casefold() in _NOTHING:
        return float("nan")
    plain = _SIGNS.sub("", plain).strip()
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _POINT_THOUSANDS.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    return float(plain) if _PLAIN.fullmatch(plain) else None


def _raw_products(raw: pd.DataFrame, columns: Mapping[str, str]) -> RawTableValidator:
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
    taken = {ours: columns.get(ours, ours) for ours in COLUMNS}
    taken = {ours: name for ours, name in taken.items() if name in theirs}
    if "title" not in taken:
        raise ProductsError(
            f"{file}: column 'title' is missing; there are: {', '.join(theirs)}. Say which of them "
            "it is: --params products.data.columns.title=…"
        )
    if raw.empty:
        raise ProductsError(f"{file}: there are no products")
    left = [name for name in theirs if name not in taken.values()]
    if left:
        logger.info("%s: not used: %s", file, ", ".join(left))
    table = raw.reset_index(drop=True)
    # A mapped column replaces a column of the file that has the canonical name.
    rows = pd.DataFrame({ours: table[name] for ours, name in taken.items()})
    rows.attrs.update(raw.attrs)
    return RawTableValidator(rows, file, ProductsError)


def _cells(table: RawTableValidator, name: str) -> pd.Series:
    """A column of the file, without white space around its cells."""
    if name not in table.rows:
        return pd.Series("", index=table.rows.index, dtype="str")
    return table.rows[name].astype("str").fillna("").str.strip()


def _text(table: RawTableValidator, name: str) -> pd.Series:
    """A column of cleaned texts; each different text is cleaned once."""
    cells = _cells(table, name)
    cleaned = {cell: clean_text(cell) for cell in cells.unique()}
    return cells.map(cleaned).astype("str")


def _cut(table: RawTableValidator, texts: pd.Series, length: int, name: str) -> pd.Series:
    long = int((texts.str.len() > length).sum())
    if long:
        logger.warning(
            "%s: %d of column %s are longer than %d characters and are cut, as a request's would "
            "have to be", table.file, long, name, length,
        )  # fmt: skip
    return texts.str.slice(0, length).str.strip()


def _ids(table: RawTableValidator) -> pd.Series:
    if "id" not in table.rows:
        return pd.Series([str(row + 1) for row in range(len(table.rows))], dtype="str")
    ids = _cells(table, "id")
    table.refuse(ids == "", "id is empty; give every product one, or leave the column out")
    table.refuse(ids.str.len() > MAX_ID, f"id is longer than {MAX_ID} characters", "id")
    control = ids.str.contains(r"[\x00-\x1f\x7f]", regex=True)
    table.refuse(control, "id holds a control character", "id")
    twice = pd.DataFrame({"id": ids, "source": _text(table, "source")}).duplicated()
    table.refuse(twice, "id occurs already; each product of a source needs its own", "id")
    return ids


def _categories(table: RawTableValidator) -> tuple[pd.Series, pd.Series]:
    cells = _cells(table, "category")
    parsed = {cell: category_levels(cell) for cell in cells.unique()}
    main = cells.map({cell: both[0] for cell, both in parsed.items()}).astype("str")
    sub = cells.map({cell: both[1] for cell, both in parsed.items()}).astype("str")
    second = _text(table, "subcategory")
    orphan = (second != "") & (main == "")
    table.refuse(orphan, "subcategory without a category", "subcategory")
    sub = sub.where(sub != "", second)
    for name, column in (("category", main), ("subcategory", sub)):
        table.refuse(column.str.len() > MAX_NAME, f"{name} is longer than {MAX_NAME} characters")
    return main, sub


def _attributes(table: RawTableValidator) -> pd.Series:
    cells = _cells(table, "attributes")
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
    if cell.casefold() in _NOTHING:
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


def _numbers(table: RawTableValidator, name: str) -> pd.Series:
    cells = _cells(table, name)
    parsed = {cell: number_of(cell) for cell in cells.unique()}
    bad = cells.map({cell: number is None for cell, number in parsed.items()}).astype(bool)
    table.refuse(bad, f"{name} is not a number; leave it empty where it is not known", name)
    return cells.map(parsed).astype("float64")


def _prices(table: RawTableValidator, name: str = "price") -> pd.Series:
    prices = _numbers(table, name)
    table.refuse(prices <= 0, f"{name} must be above 0; leave it empty where it is not known", name)
    table.refuse(prices > MAX_PRICE, f"{name} is above {MAX_PRICE:g}", name)
    return prices


def _currencies(table: RawTableValidator, prices: pd.Series, usual: str) -> pd.Series:
    given = _cells(table, "currency")
    wrong = (given != "") & ~given.str.fullmatch(r"[A-Z]{3}")
    table.refuse(wrong, "currency is not three capitals, such as INR or EUR", "currency")
    return given.where((given != "") | prices.isna(), usual)


def _check_values(table: RawTableValidator, products: pd.DataFrame) -> None:
    rating, votes = products["rating"], products["votes"]
    outside = (rating < 0) | (rating > MAX_RATING)
    table.refuse(
        outside, f"rating is outside 0 to {MAX_RATING:g}; bring other scales to it", "rating"
    )
    table.refuse((votes < 0) | (votes % 1 > 0), "votes is no count", "votes")
    unknown = ~products["part"].isin(("", "train", "test"))
    table.refuse(unknown, "part is neither train nor test", "part")
    address = products["image"].str.match(r"(?i)[a-z][a-z0-9+.-]*://|data:")
    table.refuse(
        address,
        "image is an address; nothing is fetched: put the file in the folder of pictures",
        "image",
    )
