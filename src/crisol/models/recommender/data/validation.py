"""The checks of raw events, items and users, before anything is computed from them.

The rules are pandera checks and relations of our own; the error names the file, the row, the rule,
and what to do. Ids are text: ``007`` and ``7`` are two users, so a column of ids that was read as
numbers is refused.
"""

from collections.abc import Mapping
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
from crisol.models.recommender.data.cells import (
    as_text,
    moments,
    with_decimal_points,
    without_point_zero,
)
from crisol.models.recommender.data.column_names import OPTIONS, RATINGS, Table, name_columns

EVENT_COLUMNS = ("user", "item", "time", "weight", "type", "source", "part")
ITEM_COLUMNS = ("item", "source", "title", "category", "brand", "price", "attributes", "text")
USER_COLUMNS = ("user", "source", "attributes")
DEFAULT_SOURCE = "shop"
ATTRIBUTE_SEPARATOR = "|"
MAX_WEIGHT = 1e6
MIN_PRICE = 1e-6
NOTES = "notes"
"""In ``attrs`` of a validated table: what was assumed of the file, a sentence each."""
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


def validate_events(
    events: pd.DataFrame, file: str = "events", columns: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The same events with every column there and typed, or an error.

    The same user, item and time may occur again: people buy things twice.

    Args:
        events: the raw table, with our names of columns or usual ones.
        file: its name in errors.
        columns: our names to columns of the file, where they are neither.

    Returns:
        In the order of the file: user, item, type, source, part (text; ``""`` where not given),
        time (UTC, NaT where not given), weight (float64; 1 where not given). ``attrs["notes"]``
        says what was assumed.

    Raises:
        TableError: a missing column, or one that looks misspelt; ids that are empty, padded with
            white space, too long or read as numbers; a time that cannot be read, lies in the future
            or before 1900,
            or is given for some events of a source only; a weight outside 0.000001 to 1,000,000; a
            part other than train and test, or given for some events of a source only.
    """
    raw, notes = _raw_table(events, file, "events", ("user", "item"), columns)
    if raw.rows.empty:
        raise TableError(f"{file}: there are no events")
    source = _source(raw)
    checked = pd.DataFrame(
        {
            "source": source,
            "user": _ids(raw, "user", notes),
            "item": _ids(raw, "item", notes),
            "time": _times(raw, notes),
            "weight": _numbers(raw, "weight", notes).fillna(1.0),
            "type": _optional_text(raw, "type"),
            "part": _optional_text(raw, "part"),
        }
    )
    _all_or_none(raw, source, checked["time"].notna(), "time")
    _all_or_none(raw, source, checked["part"] != "", "part")
    return _told(raw.conform(checked, EVENT_SCHEMA), notes)


def validate_items(
    items: pd.DataFrame, file: str = "items", columns: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The same items with every column there and typed, or an error. No item at all is allowed.

    Returns:
        In the order of the file: source, item, title, category, brand, attributes (``a|b|c``),
        text (``""`` where not given) and price (float64, NaN where not given).

    Raises:
        TableError: a missing or unknown column; ids that are empty, padded with white space, too
            long or read as numbers; an item that occurs twice in a source; a price outside
            0.000001 to 10^12; an attribute that is empty.
    """
    raw, notes = _raw_table(items, file, "items", ("item",), columns)
    checked = pd.DataFrame(
        {
            "source": _source(raw),
            "item": _ids(raw, "item", notes),
            **{name: _optional_text(raw, name) for name in ("title", "category", "brand")},
            "price": _numbers(raw, "price", notes),
            "attributes": _attributes(raw),
            "text": _optional_text(raw, "text"),
        }
    )
    raw.refuse(checked.duplicated(["source", "item"]), "item occurs already", "item")
    return _told(raw.conform(checked, ITEM_SCHEMA), notes)


def validate_users(
    users: pd.DataFrame, file: str = "users", columns: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The same users with every column there and typed, or an error. No user at all is allowed.

    Users without events are allowed, and so are users of events that are not here.

    Returns:
        In the order of the file: source, user, attributes (``a|b|c``; ``""`` where not given).

    Raises:
        TableError: a missing or unknown column; ids that are empty, padded with white space, too
            long or read as numbers; a user that occurs twice in a source; an attribute that is
            empty.
    """
    raw, notes = _raw_table(users, file, "users", ("user", "attributes"), columns)
    checked = pd.DataFrame(
        {"source": _source(raw), "user": _ids(raw, "user", notes), "attributes": _attributes(raw)}
    )
    raw.refuse(checked.duplicated(["source", "user"]), "user occurs already", "user")
    return _told(checked, notes)


def notes_of(table: pd.DataFrame) -> list[str]:
    """What was assumed when a table was validated."""
    return list(table.attrs.get(NOTES, []))


def _told(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    table.attrs[NOTES] = notes
    return table


def _raw_table(
    table: pd.DataFrame,
    file: str,
    kind: Table,
    needed: tuple[str, ...],
    columns: Mapping[str, str] | None,
) -> tuple[RawTableValidator, list[str]]:
    """The table with our names of columns, and what was assumed of it so far."""
    if len(table.columns) and str(table.columns[0]).startswith("\ufeff"):
        raise TableError(f"{file}: starts with a byte-order mark; read it with {READ_AS_TEXT}")
    found = name_columns(table.reset_index(drop=True), kind, file, columns or {}, TableError)
    raw = RawTableValidator(found.rows, file, TableError)
    for name in needed:
        if name not in found.rows:
            there = ", ".join(map(str, table.columns))
            raise TableError(
                f"{file}: column {name!r} is missing; there are: {there}. "
                f"recommender.data.{OPTIONS[kind]}.{name}=… says which one it is"
            )
    given = found.theirs.get("weight", "weight")
    if given.lower() in RATINGS:
        low = pd.to_numeric(found.rows["weight"], errors="coerce") <= 0
        raw.refuse(
            low,
            f"column {given!r} is taken as the weight of an event, which is above 0; leave out the "
            "rows without interest, or the column: recommender.data.columns.weight=''",
            "weight",
        )
    return raw, [*notes_of(table), *found.notes]


def _source(raw: RawTableValidator) -> pd.Series:
    if "source" not in raw.rows:
        return pd.Series(DEFAULT_SOURCE, index=raw.rows.index, dtype="str")
    return _ids(raw, "source", [])


def _ids(raw: RawTableValidator, name: str, notes: list[str]) -> pd.Series:
    """A column of ids as text; checked once per distinct id, as tables have millions of rows."""
    column = raw.rows[name]
    if pd.api.types.is_numeric_dtype(column) and len(column):
        raise TableError(
            f"{raw.file}: {name} was read as numbers, which turns 007 into 7; read it as text: "
            + READ_AS_TEXT
        )
    codes, distinct = pd.factorize(column)
    names = pd.Series(distinct, dtype="str")
    if (whole := without_point_zero(names)) is not None:
        names = whole
        notes.append(f"{raw.file}: every {name} ends in .0, which is taken off (7.0 is 7).")
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


def _numbers(raw: RawTableValidator, name: str, notes: list[str]) -> pd.Series:
    """float64, NaN where the cell is empty."""
    if name not in raw.rows:
        return pd.Series(float("nan"), index=raw.rows.index, dtype="float64")
    cells = raw.rows[name]
    if not pd.api.types.is_numeric_dtype(cells):
        cells = as_text(cells)
        if (points := with_decimal_points(cells)) is not None:
            cells = points
            notes.append(f"{raw.file}: {name} has decimal commas (4,5 is 4.5).")
    given = cells.notna() & (cells.astype("str") != "")
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    raw.refuse(given & numbers.isna(), f"{name} is not a number", name)
    return numbers


def _times(raw: RawTableValidator, notes: list[str]) -> pd.Series:
    if "time" not in raw.rows:
        return pd.Series(pd.NaT, index=raw.rows.index, dtype="datetime64[ns, UTC]")
    cells = raw.rows["time"]
    times, form = moments(cells)
    if form:
        notes.append(f"{raw.file}: time is read as {form}.")
    given = cells.notna() & (cells.astype("str").str.strip() != "")
    raw.refuse(
        given & times.isna(),
        "time is not ISO 8601 (2024-01-31T10:00:00Z), seconds since 1970, or a day whose form all "
        "rows agree on; convert it, or leave it out (recommender.data.columns.time='') if the rows "
        "are in order",
        "time",
    )
    ahead = times > datetime.now(UTC) + CLOCK_TOLERANCE
    raw.refuse(ahead, "time lies in the future", "time")
    raw.refuse(times < EARLIEST, f"time lies before {EARLIEST:%Y}", "time")
    return times.dt.as_unit("ns")


def _all_or_none(raw: RawTableValidator, source: pd.Series, given: pd.Series, name: str) -> None:
    """A source that has some times, or some official parts, must have all."""
    some = given.groupby(source, sort=False).transform("any")
    raw.refuse(some & ~given, f"{name} is empty, but other events of this source have one")
