"""The dates of a raw column: whether it holds any, in which form, and the warnings about them."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.data.cells.date_columns import (
    FoundDates,
    find_dates,
    may_be_dates,
    number_dates,
    probed,
)
from crisol.core.data.cells.date_texts import EXCEL
from crisol.core.data.cells.missing import is_mark, listed
from crisol.models.tabular.data.columns.column_types import as_words, counted, is_text, plain
from crisol.models.tabular.data.columns.hints import of_column, of_data
from crisol.models.tabular.params import DataParams

if TYPE_CHECKING:
    import pandas as pd

_DATE_NAME = re.compile(
    r"(^|[\W_])(date|datetime|day|time|timestamp|ts|datum|zeit|fecha|epoch|unix|created|updated|"
    r"at|on)$|^(date|time|timestamp|datum|fecha|epoch|unix|created|updated)([\W_]|$)|"
    r"[a-z](Date|Time|At|Timestamp|Day)$",
    re.IGNORECASE,
)
_RANGES = ((19_900_101, 20_501_231), *((631_152_000 * unit, 2_524_608_000 * unit)
                                       for unit in (1, 10**3, 10**6, 10**9)))  # fmt: skip
"""Of whole numbers that may be dates from 1990 to 2050: digits, and counts since 1970."""
_ENOUGH = 20
"""Different cells that tell whether a column may hold dates."""
_FEWEST = 5
"""Different whole numbers that may be dates; fewer are a coincidence."""
SHOWN_WORDS = 5


def column_dates(
    words: "pd.Series[Any]", name: str, data: DataParams, elsewhere: bool | None
) -> FoundDates | None:
    """The dates of a column, accepted or not; ``None`` where hardly a cell is one.

    Args:
        words: its cells, none missing.
        name: the column's.
        data: may say that it holds dates, and in which form.
        elsewhere: whether the day is first in another column of the table.
    """
    import pandas as pd

    over = data.columns.get(name)
    form = None if over is None else over.date_format
    asked = form is not None or (over is not None and over.kind == "date")
    if pd.api.types.is_datetime64_any_dtype(words.dtype):
        return None
    if not asked and not is_text(words):
        return None
    texts = as_words(words)
    if not asked and name != data.time:  # most columns hold none: a look at some cells is enough
        some = [word for word in probed(texts) if not is_mark(word)]
        if len(some) >= _ENOUGH and not may_be_dates(some):
            return None
    counts = counted(texts)
    marks = {word: n for word, n in counts.items() if is_mark(word) and word not in data.read.keep}
    if marks:
        texts = texts[~texts.isin(list(marks))]
    if texts.empty:
        return None
    found = find_dates(
        texts,
        asked=asked,
        form=form,
        day_first=data.read.day_first,
        elsewhere=elsewhere,
    )
    if found is None:
        return None
    if name == data.time and _gone(found) <= 0.5:
        found = replace(found, accepted=True)  # words would be sorted by their letters
    return replace(found, marks=marks)


def digits_as_dates(words: "pd.Series[Any]", name: str) -> tuple[str | None, tuple[str, ...]]:
    """The form of whole numbers whose column is called a date; else a warning that they look so.

    Args:
        words: the cells, all whole numbers, none missing.
        name: the column's.
    """
    numbers = plain(words).to_numpy(np.float64)
    low, high = numbers.min(), numbers.max()
    if not any(start <= low and high < end for start, end in _RANGES):
        return None, ()
    unique = as_words(words).unique().tolist()
    form = number_dates(unique) if len(unique) >= _FEWEST else None
    if form is None:
        return None, ()
    if _DATE_NAME.search(name):
        back = of_column(name, "kind", "number")
        said = f"{name}: whole numbers are read as dates ({form}), as the column is called; {back}"
        return form, (f"{said} keeps the numbers",)
    dated = of_column(name, "kind", "date")
    return None, (f"{name}: whole numbers that may be dates ({form}); {dated} reads them so",)


def reason(found: FoundDates) -> str:
    """The reason for the kind: the forms, and the evidence for the order of day and month."""
    said = f"dates ({found.form}"
    if found.day_first is not None:
        first = "day" if found.day_first else "month"
        evidence = {"cells": "as its cells tell", "assumed": "assumed", "option": "as was said"}
        said += f", {first} first, {evidence.get(found.order, f'by {found.order}')}"
    if found.naive:
        said += "; times without a zone are UTC"
    return said + ")"


def warnings(name: str, found: FoundDates, data: DataParams) -> tuple[str, ...]:
    """The warnings about a column that is read as dates."""
    said = []
    if found.marks:
        kept = of_data("read", "keep", value=[*data.read.keep, next(iter(found.marks))])
        said.append(f"{name}: {listed(found.marks)} count as missing; {kept} keeps it as a word")
    said += [*_lost(name, found), *_order(name, found)]
    if len(found.forms) > 1:
        forms = ", ".join(f"{form} ({cells:,} cells)" for form, cells in found.forms.items())
        said.append(
            f"{name}: dates in {len(found.forms)} forms, each cell read by its own: {forms}"
        )
    if found.two_digits:
        said.append(
            f"{name}: years have two digits; 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 "
            "to 2068"
        )
    if found.far:
        said.append(
            f"{name}: {found.far:,} dates are before 1900 or after 2150; if they say that there is "
            "no date, name them in tabular.data.read.missing"
        )
    if found.zones and found.naive:
        zoned = sum(found.zones.values())
        said.append(
            f"{name}: {zoned:,} times have a zone and {found.naive:,} have none; these are taken "
            "for UTC"
        )
    elif len(found.zones) > 1:
        said.append(f"{name}: times of {len(found.zones)} offsets from UTC; all are read in UTC")
    if EXCEL in found.forms:
        said.append(f"{name}: numbers are read as a spreadsheet's days since 30 December 1899")
    return tuple(said)


def refusal(name: str, found: FoundDates) -> tuple[str, ...]:
    """The warning about a column most of whose cells are dates, which is read as words."""
    gone = sum(found.lost.values())
    total = sum(found.forms.values()) + gone
    if found.accepted:
        return ()
    dated = of_column(name, "kind", "date")
    stated = of_column(name, "date_format", "%Y-%d-%m")
    why = "they may as well be version numbers"
    if gone:
        why = f"{gone:,} of {total:,} cells are no such dates ({_listed(found)})"
    said = f"looks like dates ({found.form}), but {why}: taken for words"
    return (f"{name}: {said}; {dated} reads it as dates all the same, {stated} says their form",)


def told_times(name: str, words: "pd.Series[Any]") -> tuple[str, ...]:
    """The warning about times of day without a date."""
    some = words.head(200).astype(str)
    if some.str.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?(\s*[AaPp]\.?[Mm]\.?)?").mean() < 0.95:
        return ()
    return (
        (
            f"{name}: times of day without a date, such as {some.iloc[0]!r}, are taken for words; "
            "give them as numbers, such as minutes since midnight, to learn from their order"
        ),
    )


def _gone(found: FoundDates) -> float:
    """The share of cells that are no dates."""
    gone = sum(found.lost.values())
    return gone / max(1, sum(found.forms.values()) + gone)


def _lost(name: str, found: FoundDates) -> list[str]:
    gone = sum(found.lost.values())
    if not gone:
        return []
    kept = of_column(name, "kind", "category")
    said = [
        (
            f"{name}: {gone:,} cells are no dates ({_listed(found)}) and count as missing; {kept} "
            "keeps all cells as words"
        )
    ]
    if found.against:
        other = "month" if found.day_first else "day"
        said.append(
            f"{name}: {found.against:,} of them are dates only if the {other} is first, against "
            "the other cells, of which some may be misread, too; mend them in the file"
        )
    return said


def _order(name: str, found: FoundDates) -> list[str]:
    """The warning about an order that no cell tells."""
    if found.order in ("", "cells", "option"):
        return []
    if found.day_first is None:
        form = of_column(name, "date_format", "%d-%m-%y")
        return [f"{name}: dates may begin with year or day; read as {found.form}; {form} overrules"]
    read = "day/month" if found.day_first else "month/day"
    why = "no cell tells" if found.order == "assumed" else f"{found.order} tells"
    other = of_data("read", "day_first", value=not found.day_first)
    form = next(form for form in found.forms if form[:2] in ("%d", "%m"))
    swapped = form.replace("%d", "%D").replace("%m", "%d").replace("%D", "%m")
    return [
        (
            f"{name}: dates may be month/day or day/month; read as {read} ({why}); {other}, or "
            f"{of_column(name, 'date_format', swapped)}, overrules"
        )
    ]


def _listed(found: FoundDates) -> str:
    words = list(found.lost.items())[:SHOWN_WORDS]
    more = len(found.lost) - len(words)
    shown = ", ".join(f"{word!r} in {cells:,}" for word, cells in words)
    return shown + (f" and {more:,} other words" if more > 0 else "")
