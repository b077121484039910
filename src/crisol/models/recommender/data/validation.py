"""The checks of raw events, items and users, before anything is computed from them.

The rules are pandera checks and relations of our own; the error names the file, the row, the rule,
and what to do. Ids are text: ``007`` and ``7`` are two users, so a column of ids that was read as
numbers is refused.
"""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import MendableError
from crisol.models.recommender.contract import (
    CLOCK_TOLERANCE,
    EARLIEST,
    MAX_ID_CHARACTERS,
    MAX_PRICE,
    MIN_WEIGHT,
)

EVENT_COLUMNS = ("user", "item", "time", "weight", "type", "source", "part")
ITEM_COLUMNS = ("item", "source", "title", "category", "brand", "price", "attributes", "text")
USER_COLUMNS = ("user", "source", "attributes")
DEFAULT_SOURCE = "shop"
ATTRIBUTE_SEPARATOR = "|"
MAX_WEIGHT = 1e6
MIN_PRICE = 1e-6
READ_AS_TEXT = "load_args: {dtype: str, keep_default_na: false, encoding: utf-8-sig}"
"""Arguments that a CSV's catalog entry needs: ids and ``NA`` stay as written, a BOM is skipped."""


class TableError(MendableError):
    """Raw events, items or users that cannot be used; the message names file, row and rule."""


def _positive(least: float, most: float) -> list[pa.Check]:
    """Checks that keep a number finite and above 0 in single precision, which models use."""
    return [
        pa.Check.gt(0, error="must be above 0"),
        pa.Check.lt(float("inf"), error="is infinite"),
        pa.Check.in_range(least, most, error=f"is outside {least:g} to {most:g}"),
    ]


EVENT_SCHEMA = pa.DataFrameSchema(
    {
        "weight": pa.Column(float, _positive(MIN_WEIGHT, MAX_WEIGHT)),
        "part": pa.Column(
            str, pa.Check.isin(("", "train", "test"), error="is neither train nor test")
        ),
    }
)
ITEM_SCHEMA = pa.DataFrameSchema(
    {"price": pa.Column(float, _positive(MIN_PRICE, MAX_PRICE), nullable=True)},
)


class EventsValidator:
    """The validator a catalog entry names, with the file it reads so that errors can say so."""

    def __init__(self, file: str = "events") -> None:
        self.file = file

    def validate(self, data: pd.DataFrame) -> pd.DataFrame:
        """See :func:`validate_events`."""
        return validate_events(data, file=self.file)


class ItemsValidator:
    """The validator a catalog entry names, with the file it reads so that errors can say so."""

    def __init__(self, file: str = "items") -> None:
        self.file = file

    def validate(self, data: pd.DataFrame) -> pd.DataFrame:
        """See :func:`validate_items`."""
        return validate_items(data, file=self.file)


class UsersValidator:
    """The validator a catalog entry names, with the file it reads so that errors can say so."""

    def __init__(self, file: str = "users") -> None:
        self.file = file

    def validate(self, data: pd.DataFrame) -> pd.DataFrame:
        """See :func:`validate_users`."""
        return validate_users(data, file=self.file)


def validate_events(events: pd.DataFrame, file: str = "events") -> pd.DataFrame:
    """The same events with every column there and typed, or an error.

    The same user, item and time may occur again: people buy things twice.

    Returns:
        In the order of the file: user, item, type, source, part (text; ``""`` where not given),
        time (UTC, NaT where not given), weight (float64; 1 where not given).

    Raises:
        TableError: a missing or unknown column; ids that are empty, padded with white space, too
            long or read as numbers; a time that is not ISO 8601, lies in the future or before 1900,
            or is given for some events of a source only; a weight outside 0.000001 to 1,000,000; a
            part other than train and test, or given for some events of a source only.
    """
    raw = _raw_table(events, file, ("user", "item"), EVENT_COLUMNS)
    if raw.rows.empty:
        raise TableError(f"{file}: there are no events")
    source = _source(raw)
    checked = pd.DataFrame(
        {
            "source": source,
            "user": _ids(raw, "user"),
            "item": _ids(raw, "item"),
            "time": _times(raw),
            "weight": _numbers(raw, "weight").fillna(1.0),
            "type": _optional_text(raw, "type"),
            "part": _optional_text(raw, "part"),
        }
    )
    _all_or_none(raw, source, checked["time"].notna(), "time")
    _all_or_none(raw, source, checked["part"] != "", "part")
    return raw.conform(checked, EVENT_SCHEMA)


def validate_items(items: pd.DataFrame, file: str = "items") -> pd.DataFrame:
    """The same items with every column there and typed, or an error. No item at all is allowed.

    Returns:
        In the order of the file: source, item, title, category, brand, attributes (``a|b|c``),
        text (``""`` where not given) and price (float64, NaN where not given).

    Raises:
        TableError: a missing or unknown column; ids that are empty, padded with white space, too
            long or read as numbers; an item that occurs twice in a source; a price outside
            0.000001 to 10^12; an attribute that is empty.
    """
    raw = _raw_table(items, file, ("item",), ITEM_COLUMNS)
    checked = pd.DataFrame(
        {
            "source": _source(raw),
            "item": _ids(raw, "item"),
            **{name: _optional_text(raw, name) for name in ("title", "category", "brand")},
            "price": _numbers(raw, "price"),
            "attributes": _attributes(raw),
            "text": _optional_text(raw, "text"),
        }
    )
    raw.refuse(checked.duplicated(["source", "item"]), "item occurs already", "item")
    return raw.conform(checked, ITEM_SCHEMA)


def validate_users(users: pd.DataFrame, file: str = "users") -> pd.DataFrame:
    """The same users with every column there and typed, or an error. No user at all is allowed.

    Users without events are allowed, and so are users of events that are not here.

    Returns:
        In the order of the file: source, user, attributes (``a|b|c``; ``""`` where not given).

    Raises:
        TableError: a missing or unknown column; ids that are empty, padded with white space, too
            long or read as numbers; a user that occurs twice in a source; an attribute that is
            empty.
    """
    raw = _raw_table(users, file, ("user", "attributes"), USER_COLUMNS)
    checked = pd.DataFrame(
        {"source": _source(raw), "user": _ids(raw, "user"), "attributes": _attributes(raw)}
    )
    raw.refuse(checked.duplicated(["source", "user"]), "user occurs already", "user")
    return checked


def _raw_table(
    table: pd.DataFrame, file: str, needed: tuple[str, ...], allowed: tuple[str, ...]
) -> RawTableValidator:
    if len(table.columns) and str(table.columns[0]).startswith("\ufeff"):
        raise TableError(f"{file}: starts with a byte-order mark; read it with {READ_AS_TEXT}")
    raw = RawTableValidator(table.reset_index(drop=True), file, TableError)
    raw.refuse_columns(needed, allowed)
    return raw


def _source(raw: RawTableValidator) -> pd.Series:
    if "source" not in raw.rows:
        return pd.Series(DEFAULT_SOURCE, index=raw.rows.index, dtype="str")
    return _ids(raw, "source")


def _ids(raw: RawTableValidator, name: str) -> pd.Series:
    """A column of ids as text; checked once per distinct id, as tables have millions of rows."""
    column = raw.rows[name]
    if pd.api.types.is_numeric_dtype(column) and len(column):
        raise TableError(
            f"{raw.file}: {name} was read as numbers, which turns 007 into 7; read it as text: "
            + READ_AS_TEXT
        )
    codes, distinct = pd.factorize(column)
    names = pd.Series(distinct, dtype="str")
    raw.refuse(pd.Series((codes < 0) | _of(codes, names == "")), f"{name} is empty")
    rules = {
        "begins or ends with white space": names != names.str.strip(),
        "holds a control character": names.str.contains(r"[\x00-\x1f\x7f]", regex=True),
        f"is longer than {MAX_ID_CHARACTERS} characters": names.str.len() > MAX_ID_CHARACTERS,
    }
    for rule, bad in rules.items():
        if bad.any():
            first = names[bad].iloc[0]
            raw.refuse(pd.Series(_of(codes, bad)), f"{name} {first[:40]!r} {rule}")
    return names.iloc[codes].reset_index(drop=True)


def _of(codes: NDArray[np.int64], bad: pd.Series) -> NDArray[np.bool_]:
    """By row, whether its distinct value is bad."""
    return bad.to_numpy(bool)[codes] if len(bad) else codes < 0


def _optional_text(raw: RawTableValidator, name: str) -> pd.Series:
    if name not in raw.rows:
        return pd.Series("", index=raw.rows.index, dtype="str")
    return raw.rows[name].astype("str").fillna("").str.strip()


def _attributes(raw: RawTableValidator) -> pd.Series:
    column = _optional_text(raw, "attributes")
    parts = ATTRIBUTE_SEPARATOR + column + ATTRIBUTE_SEPARATOR
    empty = (column != "") & parts.str.contains(r"\|\s*\|", regex=True)
    raw.refuse(empty, "an attribute between | and | is empty", "attributes")
    return column


def _numbers(raw: RawTableValidator, name: str) -> pd.Series:
    """float64, NaN where the cell is empty."""
    if name not in raw.rows:
        return pd.Series(float("nan"), index=raw.rows.index, dtype="float64")
    cells = raw.rows[name]
    given = cells.notna() & (cells.astype("str").str.strip() != "")
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    raw.refuse(given & numbers.isna(), f"{name} is not a number", name)
    return numbers


def _times(raw: RawTableValidator) -> pd.Series:
    if "time" not in raw.rows:
        return pd.Series(pd.NaT, index=raw.rows.index, dtype="datetime64[ns, UTC]")
    cells = raw.rows["time"]
    if pd.api.types.is_numeric_dtype(cells) and cells.notna().any():
        raise TableError(
            f"{raw.file}: time must be ISO 8601 text, such as 2024-01-31T10:00:00Z; for seconds "
            "since 1970 or an order without a clock, convert it or leave it empty (the order of "
            "the file then stands)"
        )
    if not pd.api.types.is_datetime64_any_dtype(cells):
        cells = cells.astype("str").fillna("")
    given = cells.notna() & (cells != "")
    times = pd.to_datetime(cells.where(given), utc=True, errors="coerce", format="ISO8601")
    raw.refuse(given & times.isna(), "time is not ISO 8601", "time")
    ahead = times > datetime.now(UTC) + CLOCK_TOLERANCE
    raw.refuse(ahead, "time lies in the future", "time")
    raw.refuse(times < EARLIEST, f"time lies before {EARLIEST:%Y}", "time")
    return times.dt.as_unit("ns")


def _all_or_none(raw: RawTableValidator, source: pd.Series, given: pd.Series, name: str) -> None:
    """A source that has some times, or some official parts, must have all."""
    some = given.groupby(source, sort=False).transform("any")
    raw.refuse(some & ~given, f"{name} is empty, but other events of this source have one")
