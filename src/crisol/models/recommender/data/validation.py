"""The checks of raw events, items and users, before anything is computed from them.

The rules are pandera checks and relations of our own; the error names the file, the row, the rule,
and what to do. Ids are text: ``007`` and ``7`` are two users, so a column of ids that was read as
numbers is refused.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pandas as pd
import pandera.pandas as pa

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.data.table_files import RAW
from crisol.core.data.tables.read_params import ReadParams
from crisol.core.errors import MendableError
from crisol.models.recommender.contract import CLOCK_TOLERANCE, EARLIEST, MAX_PRICE, MIN_WEIGHT
from crisol.models.recommender.data.amounts import read_numbers
from crisol.models.recommender.data.column_names import OPTIONS, Table, name_columns
from crisol.models.recommender.data.ids import READ_AS_TEXT, busiest, ids, no_id
from crisol.models.recommender.data.times import read_times

EVENT_COLUMNS = ("user", "item", "time", "weight", "type", "source", "part")
ITEM_COLUMNS = ("item", "source", "title", "category", "brand", "price", "attributes", "text")
USER_COLUMNS = ("user", "source", "attributes")
DEFAULT_SOURCE = "shop"
ATTRIBUTE_SEPARATOR = "|"
MAX_WEIGHT = 1e6
MIN_PRICE = 1e-6
_EVENT_ORDER = ("source", "user", "item", "time", "weight", "type", "part")
_THEIRS = "theirs"
NOTES = "notes"
"""In ``attrs`` of a validated table: what was assumed of the file, a sentence each."""
NO_ID_LEFT_OUT, NOT_POSITIVE_LEFT_OUT = "no_id", "not_positive"
"""What :func:`validate_events` may leave out: events without a user or an item, and those whose
weight is 0 or less."""


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


def validate_events(
    events: pd.DataFrame,
    file: str = "events",
    columns: Mapping[str, str] | None = None,
    read: ReadParams = RAW,
    leave_out: Collection[str] = (),
) -> pd.DataFrame:
    """The same events with every column there and typed, or an error.

    The same user, item and time may occur again: people buy things twice.

    Args:
        events: the raw table, with our names of columns or usual ones.
        file: its name in errors.
        columns: our names to columns of the file, where they are neither.
        read: ``decimal``, ``day_first`` and ``keep`` are used.
        leave_out: ``no_id`` and ``not_positive``; such events are refused otherwise.

    Returns:
        In the order of the file: user, item, type, source, part (text; ``""`` where not given),
        time (UTC, NaT where not given), weight (float64; 1 where not given). ``attrs["notes"]``
        says what was assumed.

    Raises:
        TableError: a missing column, or one that looks misspelt; ids that are empty, padded with
            white space, too long or read as numbers; a time that cannot be read, lies in the future
            or before 1900, or is given for some events of a source only; a weight outside 0.000001
            to 1,000,000; a part other than train and test, or given for some events of a source
            only.
    """
    raw, notes = _raw_table(events, file, "events", ("user", "item"), columns)
    if raw.rows.empty:
        raise TableError(f"{file}: there are no events")
    checked = pd.DataFrame(
        {
            "source": _source(raw),
            "user": ids(raw, "user", notes),
            "item": ids(raw, "item", notes),
            "weight": _numbers(raw, "weight", notes, read).fillna(1.0),
            "type": _optional_text(raw, "type"),
            "part": _optional_text(raw, "part"),
        }
    )
    checked = _kept(raw, checked, notes, read, leave_out)
    # Only the rows that are kept are read: those left out may be without a time, too.
    checked["time"] = _times(raw, checked, notes, read)
    notes += busiest(checked["user"], file)
    source = checked["source"]
    _all_or_none(raw, source, checked["time"].notna(), "time")
    _all_or_none(raw, source, checked["part"] != "", "part")
    checked = raw.conform(checked, EVENT_SCHEMA)[list(_EVENT_ORDER)].reset_index(drop=True)
    return _told(checked, notes)


def validate_items(
    items: pd.DataFrame,
    file: str = "items",
    columns: Mapping[str, str] | None = None,
    read: ReadParams = RAW,
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
            "item": _needed_ids(raw, "item", notes, read),
            **{name: _optional_text(raw, name) for name in ("title", "category", "brand")},
            "price": _numbers(raw, "price", notes, read),
            "attributes": _attributes(raw),
            "text": _optional_text(raw, "text"),
        }
    )
    raw.refuse(checked.duplicated(["source", "item"]), "item occurs already", "item")
    return _told(raw.conform(checked, ITEM_SCHEMA), notes)


def validate_users(
    users: pd.DataFrame,
    file: str = "users",
    columns: Mapping[str, str] | None = None,
    read: ReadParams = RAW,
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
        {
            "source": _source(raw),
            "user": _needed_ids(raw, "user", notes, read),
            "attributes": _attributes(raw),
        }
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
    found.rows.attrs = {**table.attrs, _THEIRS: dict(found.theirs)}
    raw = RawTableValidator(found.rows, file, TableError)
    for name in needed:
        if name not in found.rows:
            there = ", ".join(map(str, table.columns))
            raise TableError(
                f"{file}: column {name!r} is missing; there are: {there}. "
                f"recommender.data.{OPTIONS[kind]}.{name}=… says which one it is"
            )
    return raw, [*notes_of(table), *found.notes]


def _source(raw: RawTableValidator) -> pd.Series:
    if "source" not in raw.rows:
        return pd.Series(DEFAULT_SOURCE, index=raw.rows.index, dtype="str")
    return _needed_ids(raw, "source", [], RAW)


def _needed_ids(raw: RawTableValidator, name: str, notes: list[str], read: ReadParams) -> pd.Series:
    """Ids of which none may be missing."""
    found = ids(raw, name, notes)
    raw.refuse(found == "", f"{name} is empty")
    if name != "source":
        raw.refuse(no_id(found, read.keep), *_none(name, found, read))
    return found


def _none(name: str, found: pd.Series, read: ReadParams) -> tuple[str, str]:
    """The rule that an id breaks which says that there is none, and the column."""
    word = found[no_id(found, read.keep)]
    kept = f"recommender.data.read.keep={word.iloc[0]}" if len(word) else ""
    return f"{name} says that there is none; {kept} keeps it as an id", name


def _kept(
    raw: RawTableValidator,
    checked: pd.DataFrame,
    notes: list[str],
    read: ReadParams,
    leave_out: Collection[str],
) -> pd.DataFrame:
    """The events without those that may be left out, which are refused unless a person says so."""
    kept = pd.Series(True, index=checked.index)
    for name in ("user", "item"):
        none = no_id(checked[name], read.keep)
        if NO_ID_LEFT_OUT in leave_out:
            kept &= ~none
            continue
        option = f"recommender.data.leave_out={NO_ID_LEFT_OUT} leaves such events out"
        raw.refuse(checked[name] == "", f"{name} is empty; {option}")
        rule, column = _none(name, checked[name], read)
        raw.refuse(none, f"{rule}, {option}", column)
    if gone := int((~kept).sum()):
        notes.append(f"{raw.file}: {gone:,} events without a user or an item are left out.")
    low = kept & (checked["weight"] <= 0)
    if NOT_POSITIVE_LEFT_OUT in leave_out and low.any():
        kept &= ~low
        notes.append(
            f"{raw.file}: {int(low.sum()):,} events with a weight of 0 or less are left out."
        )
    theirs = raw.rows.attrs[_THEIRS].get("weight", "weight")
    if theirs != "weight" and NOT_POSITIVE_LEFT_OUT not in leave_out:
        raw.refuse(
            low,
            f"column {theirs!r} is taken as the weight of an event, which is above 0; "
            f"recommender.data.leave_out={NOT_POSITIVE_LEFT_OUT} leaves such events out, "
            "recommender.data.columns.weight='' the column",
            "weight",
        )
    if not kept.any():
        raise TableError(f"{raw.file}: no event is left (recommender.data.leave_out)")
    return checked[kept].copy()


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


def _numbers(raw: RawTableValidator, name: str, notes: list[str], read: ReadParams) -> pd.Series:
    """float64, NaN where the cell is empty."""
    if name not in raw.rows:
        return pd.Series(float("nan"), index=raw.rows.index, dtype="float64")
    cells = raw.rows[name]
    typed = raw.rows.attrs[_THEIRS].get(name, name) in raw.rows.attrs.get("numeric", ())
    found = read_numbers(cells, name, read, typed=typed)
    given = cells.notna() & (cells.astype("str").str.strip() != "")
    raw.refuse(given & found.numbers.isna(), found.fault, name)
    notes += [f"{raw.file}: {note}" for note in found.notes]
    return found.numbers


def _times(
    raw: RawTableValidator, checked: pd.DataFrame, notes: list[str], read: ReadParams
) -> pd.Series:
    if "time" not in raw.rows:
        return pd.Series(pd.NaT, index=checked.index, dtype="datetime64[ns, UTC]")
    cells = raw.rows.loc[checked.index, "time"]
    found = read_times(cells, checked["user"], read.day_first)
    given = cells.notna() & (cells.astype("str").str.strip() != "")
    raw.refuse(
        given & found.times.isna(),
        f"{found.fault}; mend it, or leave the column out (recommender.data.columns.time='') if "
        "the rows are in order",
        "time",
    )
    notes += [f"{raw.file}: {note}" for note in found.notes]
    ahead = found.times > datetime.now(UTC) + CLOCK_TOLERANCE
    raw.refuse(ahead, "time lies in the future", "time")
    raw.refuse(found.times < EARLIEST, f"time lies before {EARLIEST:%Y}", "time")
    times: pd.Series = found.times.dt.as_unit("ns")
    return times


def _all_or_none(raw: RawTableValidator, source: pd.Series, given: pd.Series, name: str) -> None:
    """A source that has some times, or some official parts, must have all."""
    some = given.groupby(source, sort=False).transform("any")
    raw.refuse(some & ~given, f"{name} is empty, but other events of this source have one")
