"""Which column of a person's table is which of ours, told in sentences.

Names are compared without case, blanks and marks: ``userId``, ``USER_ID`` and ``user id`` are the
same. Columns that are none of ours are left out and told; one that looks like a misspelt name of
ours is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import pandas as pd

from crisol.core.errors import MendableError

Table = Literal["events", "items", "users"]

_USERS = (
    "userid customerid customer clientid client visitorid memberid accountid reviewerid buyerid "
    "shopperid personid uid sessionid playerid listenerid readerid customernumber customerno "
    "householdid householdkey fullvisitorid username visitor buyer reviewer member player"
)
_ITEMS = (
    "itemid productid product movieid sku asin articleid bookid isbn trackid songid videoid newsid "
    "contentid gameid businessid recipeid stockcode iid artistid filmid showid animeid placeid "
    "venueid locationid courseid jobid"
)
_NAMED_ITEMS = "itemname productname movie film game book song track artist recipe show course"
"""Of events alone: in a file of items these are facts about them."""
USUAL_NAMES: Mapping[Table, Mapping[str, str]] = {
    "events": {
        "user": _USERS,
        "item": f"{_ITEMS} {_NAMED_ITEMS}",
        "time": "timestamp ts datetime eventtime unixtime createdat unixreviewtime purchasedate "
        "orderdate invoicedate transactiondate purchasetime checkintime eventtimestamp "
        "reviewtime date",
        "sequence": "ordernumber sequencenumber seq eventnumber",
        "weight": "rating overall stars score quantity qty plays playcount listens "
        "listencount count",
        "type": "eventtype event action behaviour behavior interaction",
        "source": "",
        "part": "",
    },
    "items": {
        "item": _ITEMS,
        "source": "",
        "title": "name itemname productname movietitle producttitle",
        "category": "maincategory productcategory",
        "brand": "manufacturer",
        "price": "",
        "attributes": "genres tags",
        "text": "description",
    },
    "users": {"user": _USERS, "source": "", "attributes": ""},
}
"""Our columns, each with other names it usually has, the likeliest first."""
OPTIONS: Mapping[Table, str] = {
    "events": "columns",
    "items": "item_columns",
    "users": "user_columns",
}
"""The parameter of ``recommender.data`` that names each table's columns."""
RATINGS = frozenset({"rating", "overall", "stars", "score"})
_ALIKE = 0.75


@dataclass(frozen=True)
class NamedColumns:
    """A table whose columns have our names.

    Attributes:
        rows: the table.
        theirs: our names to those of the file.
        notes: what was assumed, a sentence each.
    """

    rows: pd.DataFrame
    theirs: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def name_columns(
    table: pd.DataFrame,
    kind: Table,
    file: str,
    named: Mapping[str, str],
    error: type[MendableError],
) -> NamedColumns:
    """Give the columns of a raw table our names.

    Args:
        table: as it was read.
        kind: which of the three tables.
        file: its name in errors and notes.
        named: our names to columns of the file; an empty one says that there is none.
        error: the type of the errors.

    Raises:
        MendableError: of that type; a column that ``named`` names is not there, or one looks like
            a misspelt name.
    """
    found = _found(table, kind, file, named, error)
    left = [str(name) for name in table.columns if str(name) not in found.values()]
    _refuse_misspelt(left, found, kind, file, named, error)
    rows = table[list(found.values())].set_axis(list(found), axis=1)
    notes = [
        f"{file}: column {theirs!r} is taken as {ours}."
        for ours, theirs in found.items()
        if ours != theirs and ours not in named and ours != "weight"
    ]
    if kind == "users" and "attributes" not in found and left:
        rows = rows.assign(attributes=_joined(table, left))
        notes.append(f"{file}: the columns {', '.join(left)} are taken as the users' attributes.")
    elif left:
        notes.append(
            f"{file}: these columns are not read: {', '.join(left)}. "
            f"recommender.data.{OPTIONS[kind]} says which column is which."
        )
    weight = found.get("weight", "weight")
    if weight != "weight":
        low = ": a low rating is a weak sign of interest, no dislike"
        notes.append(
            f"{file}: column {weight!r} is taken as the weight of an event"
            f"{low if _plain(weight) in RATINGS else ''}. "
            f"recommender.data.{OPTIONS[kind]}.weight='' leaves it out."
        )
    return NamedColumns(rows, found, notes)


def _found(
    table: pd.DataFrame,
    kind: Table,
    file: str,
    named: Mapping[str, str],
    error: type[MendableError],
) -> dict[str, str]:
    """Our names to columns of the table: as they are named, else by the likeliest usual name."""
    columns = [str(name) for name in table.columns]
    found: dict[str, str] = {}
    for ours, usual in USUAL_NAMES[kind].items():
        if ours not in named:
            wanted = (ours, *usual.split())
            chosen = next((c for w in wanted for c in columns if _plain(c) == w), "")
        elif named[ours] and named[ours] not in columns:
            raise error(
                f"recommender.data.{OPTIONS[kind]}.{ours}: {file} has no column {named[ours]!r}; "
                f"there are: {', '.join(columns)}"
            )
        else:
            chosen = named[ours]
        if chosen:
            found[ours] = chosen
    return found


def _refuse_misspelt(
    left: list[str],
    found: Mapping[str, str],
    kind: Table,
    file: str,
    named: Mapping[str, str],
    error: type[MendableError],
) -> None:
    """Refuse a column without a meaning whose name is nearly one of ours."""
    missing = [ours for ours in USUAL_NAMES[kind] if ours not in found and ours not in named]
    for name in left:
        for near in get_close_matches(_plain(name), missing, 1, _ALIKE):
            option = f"recommender.data.{OPTIONS[kind]}.{near}"
            raise error(
                f"{file}: column {name!r} looks like {near!r}; name it so, or say that it is with "
                f"{option}={name}, or that there is none with {option}=''"
            )


def _joined(table: pd.DataFrame, columns: list[str]) -> "pd.Series[str]":
    """``age:18|country:es`` from columns of a user's facts; empty cells say nothing."""
    text = table[columns].astype("str").fillna("")
    parts = [
        (f"{name}:" + text[name].str.strip().str.replace("|", "/")).where(
            text[name].str.strip() != "", ""
        )
        for name in columns
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + "|" + part
    return joined.str.replace(r"\|{2,}", "|", regex=True).str.strip("|")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
