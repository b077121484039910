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
from crisol.core.data.read_params import ReadParams
from crisol.core.data.table_files import RAW
from crisol.models.recommender.contract import CLOCK_TOLERANCE, EARLIEST, MAX_PRICE, MIN_WEIGHT
from crisol.models.recommender.data.ids import busiest, ids, no_id
from crisol.models.recommender.data.raw_columns import (
    TableError,
    attributes_of,
    needed_ids,
    numbers_of,
    optional_text,
    raw_table,
    rule_of_none,
    sources_of,
    their_name,
    told,
)
from crisol.models.recommender.data.times import read_times

EVENT_COLUMNS = ("user", "item", "time", "weight", "type", "source", "part")
ITEM_COLUMNS = ("item", "source", "title", "category", "brand", "price", "attributes", "text")
USER_COLUMNS = ("user", "source", "attributes")
MAX_WEIGHT = 1e6
MIN_PRICE = 1e-6
_EVENT_ORDER = ("source", "user", "item", "time", "weight", "type", "part")
_MANY_TWICE = 0.01
NO_ID_LEFT_OUT, NOT_POSITIVE_LEFT_OUT = "no_id", "not_positive"
"""The events that :func:`validate_events` may leave out: those without a user or an item, and
those whose weight is 0 or less."""


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
        In the order of the file, or of its column ``sequence`` where it has no times; indexed by
        the row of the file, from 0: user, item, type, source, part (text; ``""`` where not given),
        time (UTC, NaT where not given), weight (float64; 1 where not given). ``attrs["notes"]``
        says what was assumed.

    Raises:
        TableError: a missing column, or one that looks misspelt; ids that are empty, padded with
            white space, too long or read as numbers; a time that cannot be read, lies in the future
            or before 1900, or is given for some events of a source only; a weight outside 0.000001
            to 1,000,000; a part other than train and test, or given for some events of a source
            only.
    """
    raw, notes = raw_table(events, file, "events", ("user", "item"), columns)
    if raw.rows.empty:
        raise TableError(f"{file}: there are no events")
    checked = pd.DataFrame(
        {
            "source": sources_of(raw),
            "user": ids(raw, "user", notes),
            "item": ids(raw, "item", notes),
            "weight": numbers_of(raw, "weight", notes, read).fillna(1.0),
            "type": optional_text(raw, "type"),
            "part": optional_text(raw, "part"),
        }
    )
    checked = _kept(raw, checked, notes, read, leave_out)
    # Only the rows that are kept are read: those left out may be without a time, too.
    checked["time"] = _times(raw, checked, notes, read)
    notes += [*busiest(checked["user"], file), *_twice(checked, file)]
    source = checked["source"]
    _all_or_none(raw, source, checked["time"].notna(), "time")
    _all_or_none(raw, source, checked["part"] != "", "part")
    checked = raw.conform(checked, EVENT_SCHEMA)[list(_EVENT_ORDER)]
    return told(_in_sequence(raw, checked, notes, read), notes)


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
    raw, notes = raw_table(items, file, "items", ("item",), columns)
    checked = pd.DataFrame(
        {
            "source": sources_of(raw),
            "item": needed_ids(raw, "item", notes, read),
            **{name: optional_text(raw, name) for name in ("title", "category", "brand")},
            "price": numbers_of(raw, "price", notes, read),
            "attributes": attributes_of(raw),
            "text": optional_text(raw, "text"),
        }
    )
    raw.refuse(checked.duplicated(["source", "item"]), "item occurs already", "item")
    return told(raw.conform(checked, ITEM_SCHEMA), notes)


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
    raw, notes = raw_table(users, file, "users", ("user", "attributes"), columns)
    checked = pd.DataFrame(
        {
            "source": sources_of(raw),
            "user": needed_ids(raw, "user", notes, read),
            "attributes": attributes_of(raw),
        }
    )
    raw.refuse(checked.duplicated(["source", "user"]), "user occurs already", "user")
    return told(checked, notes)


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
        rule, column = rule_of_none(name, checked[name], read)
        raw.refuse(none, f"{rule}, {option}", column)
    if gone := int((~kept).sum()):
        notes.append(f"{raw.file}: {gone:,} events without a user or an item are left out.")
    low = kept & (checked["weight"] <= 0)
    if NOT_POSITIVE_LEFT_OUT in leave_out and low.any():
        kept &= ~low
        notes.append(
            f"{raw.file}: {int(low.sum()):,} events with a weight of 0 or less are left out."
        )
    theirs = their_name(raw, "weight")
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


def _in_sequence(
    raw: RawTableValidator, checked: pd.DataFrame, notes: list[str], read: ReadParams
) -> pd.DataFrame:
    """The events by a column that numbers them, where no time orders them."""
    if "sequence" not in raw.rows or checked["time"].notna().any():
        return checked
    numbers = numbers_of(raw, "sequence", notes, read)[checked.index]
    raw.refuse(numbers.isna(), "sequence is empty, but other events have one", "sequence")
    theirs = their_name(raw, "sequence")
    notes.append(
        f"{raw.file}: the events are ordered by column {theirs!r}, lowest first. "
        "recommender.data.columns.sequence='' leaves it out."
    )
    return checked.loc[numbers.sort_values(kind="stable").index]


def _twice(checked: pd.DataFrame, file: str) -> list[str]:
    """A sentence on events that occur again with the same time."""
    again = int(checked.duplicated(["source", "user", "item", "type", "time"]).sum())
    if checked["time"].isna().all() or again < _MANY_TWICE * len(checked):
        return []
    return [
        (
            f"{file}: {again:,} events occur again with the same user, item and time; each counts. "
            "Leave them out of the file if it was joined twice."
        )
    ]


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
