"""The forms of a column of dates, decided on all of its cells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from crisol.core.data.cells.date_texts import (
    COMPACT,
    COMPACT_MONTH,
    EPOCHS,
    EXCEL,
    SEVERAL,
    YEAR,
    days,
    parted,
    time_of,
)
from crisol.core.data.cells.dates import microseconds

if TYPE_CHECKING:
    import pandas as pd

MOST_FORMS = 3
MAX_LOST, MAX_LOST_WORDS, FEW_LOST = 0.05, 5, 0.01
"""Share of cells that may be no dates; beyond ``FEW_LOST`` they have few different words."""
Order = Literal["", "cells", "option", "another column", "the order of the rows", "assumed"]
"""The evidence for the order of day and month; empty: the form has one order."""
_NEAR = (-25_567, 66_109)
"""Days since 1970 of 1 January 1900 and of 1 January 2151."""
_PROBED = 300
_FEWEST_DATES = 0.3
"""Share of different cells; where fewer are dates, the column is not looked at again."""
_DIGIT_FORMS = (COMPACT, COMPACT_MONTH, YEAR)
_EPOCH_RANGES = {"epoch s": (1e8, 1e10), "epoch ms": (1e11, 1e13), "epoch us": (1e14, 1e16),
                 "epoch ns": (1e17, 1e19)}  # fmt: skip
_LIKELY_S = (631_152_000, 2_524_608_000)
"""1990 to 2050."""
_EXCEL_RANGE = (10_000, 100_000)


@dataclass(frozen=True)
class FoundDates:
    """The dates of a column.

    Attributes:
        forms: that its cells are read with, and how many cells each has, the most frequent first.
        lost: cells that are no dates in these forms, by word, the most frequent first.
        order: the evidence for day before month or month before day.
        day_first: that order; ``None`` where no form depends on it.
        against: lost cells that are dates in the other order.
        two_digits: whether years have two digits.
        far: cells before 1900 or after 2150.
        naive: cells with a time of day and without a zone.
        zones: cells with a zone, by its minutes east of UTC.
        accepted: whether enough cells are dates.
        marks: words for no value that were left out beforehand, with their counts.
    """

    forms: Mapping[str, int]
    lost: Mapping[str, int] = field(default_factory=dict)
    order: Order = ""
    day_first: bool | None = None
    against: int = 0
    two_digits: bool = False
    far: int = 0
    naive: int = 0
    zones: Mapping[int, int] = field(default_factory=dict)
    accepted: bool = True
    marks: Mapping[str, int] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """The form that :func:`crisol.core.data.cells.dates.to_dates` reads the column with."""
        return SEVERAL.join(self.forms)


@dataclass(frozen=True)
class _Text:
    """The text of a day, its readings by form, and the cells that have it."""

    text: str
    readings: Mapping[str, int]
    cells: int


def find_dates(
    cells: "pd.Series[Any]",
    *,
    asked: bool = False,
    form: str | None = None,
    day_first: bool | None = None,
    elsewhere: bool | None = None,
) -> FoundDates | None:
    """The forms of a column of text.

    Args:
        cells: in the order of the file, none missing.
        asked: a person says that it holds dates: any share may be none, digits may be dates.
        form: the form that a person says.
        day_first: the order that a person says; it decides where no cell tells.
        elsewhere: the order of another column of the same file.

    Returns:
        ``None`` where hardly a cell is a date.

    >>> import pandas as pd
    >>> found = find_dates(pd.Series(["01/02/2024 10:00"] * 30 + ["13/02/2024 11:00"]))
    >>> found.form, found.order
    ('%d/%m/%Y', 'cells')
    """
    if not (asked or form is not None or may_be_dates(probed(cells))):
        return None
    counts = {str(word): int(n) for word, n in cells.value_counts().items()}
    if form is not None:
        return _in_form(counts, form)
    texts, day_of, found = _read(counts, asked)
    if not texts:
        return _counted(counts) if asked else None
    forms, order, first = _chosen(texts, cells, day_first, elsewhere)
    found = replace(found, forms=_ordered(forms), order=order, day_first=first)
    return _result(counts, texts, day_of, found, asked)


def probed(cells: "pd.Series[Any]") -> list[str]:
    """Some different cells from all over a column without missing ones."""
    some = cells.iloc[:: max(1, len(cells) // _PROBED)].astype(str)
    return list(dict.fromkeys(some.tolist()))


def may_be_dates(words: Sequence[str]) -> bool:
    """Whether enough of some cells are dates for a closer look at their column.

    >>> may_be_dates(["2024-01-05", "unknown"]), may_be_dates(["12.5", "7"])
    (True, False)
    """
    return sum(map(_is_dated, words)) >= _FEWEST_DATES * len(words)


def _is_dated(cell: str) -> bool:
    """Whether a cell can be read as a date with a year, month and day that is no plain number.

    >>> [_is_dated(cell) for cell in ("5. März 2024", "31/12/99 7:05", "20240131", "10:30", "5")]
    [True, True, False, False, False]
    """
    day, time = parted(cell.strip())
    readings = days(day)
    if not readings or (time and time_of(time) is None):
        return False
    return bool(time) or not any(form in readings for form in _DIGIT_FORMS)


def _read(counts: Mapping[str, int], asked: bool) -> tuple[list[_Text], dict[str, str], FoundDates]:
    """The texts of days, that of each word which has one, and facts about the times of day."""
    by_day: Counter[str] = Counter()
    zones: Counter[int] = Counter()
    day_of: dict[str, str] = {}
    naive = 0
    for word, count in counts.items():
        day, time = parted(word.strip())
        moment = time_of(time) if time else (0, None)
        readings = days(day)
        if moment is None or not readings:
            continue
        if not (asked or time) and any(form in readings for form in _DIGIT_FORMS):
            continue
        by_day[day] += count
        day_of[word] = day
        if time and moment[1] is None:
            naive += count
        elif moment[1] is not None:
            zones[moment[1]] += count
    texts = [_Text(day, days(day), count) for day, count in by_day.items()]
    return texts, day_of, FoundDates({}, naive=naive, zones=dict(zones))


def _chosen(
    texts: Sequence[_Text],
    cells: "pd.Series[Any]",
    day_first: bool | None,
    elsewhere: bool | None,
) -> tuple[dict[str, int], Order, bool | None]:
    """The forms and their cells, the evidence for their order, and that order."""
    shapes: dict[str, list[_Text]] = {}
    for text in texts:
        shapes.setdefault(_shape(next(iter(text.readings))), []).append(text)
    sizes = {shape: sum(t.cells for t in found) for shape, found in shapes.items()}
    kept = sorted(shapes, key=lambda s: (-sizes[s], s))[:MOST_FORMS]
    told = _told_order([t for shape in kept for t in shapes[shape]])
    order: Order = ""
    first: bool | None = None
    forms: dict[str, int] = {}
    for shape in kept:
        found = shapes[shape]
        options = sorted({form for text in found for form in text.readings})
        if len(options) == 1:
            form = options[0]
        elif (by_year := _year_first(found)) is not None:
            form = by_year
            order = order or ("assumed" if _several_fit(found) else "cells")
        else:
            order, first = _order(told, day_first, elsewhere, cells, options, shape)
            form = _oriented(options, first)
        forms[form] = sum(t.cells for t in found if form in t.readings)
    return {form: n for form, n in forms.items() if n}, order, first


def _shape(form: str) -> str:
    """A form without the order of its parts."""
    if form[:2] not in ("%d", "%m", "%y") or "b" in form or form == "%m/%Y":
        return form
    return form[2] + form[-1].replace("d", "y")


def _told_order(texts: Sequence[_Text]) -> tuple[int, int]:
    """Cells that are dates with the day first alone, and with the month first alone."""
    day = month = 0
    for text in texts:
        orders = {_is_day_first(form) for form in text.readings if _has_order(form)}
        if orders == {True}:
            day += text.cells
        elif orders == {False}:
            month += text.cells
    return day, month


def _has_order(form: str) -> bool:
    return form[:2] in ("%d", "%m") and len(form) == 8 and "b" not in form


def _is_day_first(form: str) -> bool:
    return form.startswith("%d")


def _oriented(options: Sequence[str], day_first: bool) -> str:
    orders = [form for form in options if _has_order(form)]
    return next((form for form in orders if _is_day_first(form) == day_first), orders[0])


def _year_first(texts: Sequence[_Text]) -> str | None:
    """The form 24-01-31, where the last number is the day; ``None``: the year is the last."""
    form = next((f for text in texts for f in text.readings if f.startswith("%y")), None)
    if form is None or any(form not in text.readings for text in texts):
        return None
    ends = [(text.text[:2], text.text[-2:]) for text in texts]
    firsts, lasts = len({a for a, _ in ends}), len({b for _, b in ends})
    return form if not _several_fit(texts) or 2 * firsts <= lasts else None


def _several_fit(texts: Sequence[_Text]) -> bool:
    """Whether more than one form reads all texts."""
    return len(set.intersection(*(set(text.readings) for text in texts))) > 1


def _order(
    told: tuple[int, int],
    day_first: bool | None,
    elsewhere: bool | None,
    cells: "pd.Series[Any]",
    options: Sequence[str],
    shape: str,
) -> tuple[Order, bool]:
    """The evidence for an order, and whether the day is first."""
    if told[0] != told[1]:
        return "cells", told[0] > told[1]
    if day_first is not None:
        return "option", day_first
    if elsewhere is not None:
        return "another column", elsewhere
    by_rows = _order_of_rows(cells, options)
    if by_rows is not None:
        return "the order of the rows", by_rows
    return "assumed", not shape.startswith("/")


def _order_of_rows(cells: "pd.Series[Any]", options: Sequence[str]) -> bool | None:
    """The one order in which the rows ascend or descend; ``None``: both or none."""
    some = cells.iloc[:5000].astype(str).tolist()
    ordered = []
    for first in (True, False):
        form = _oriented(options, first)
        moments = [m for m in (microseconds(cell, form) for cell in some) if m is not None]
        pairs = list(pairwise(moments))
        rises, falls = any(a < b for a, b in pairs), any(a > b for a, b in pairs)
        ordered.append(len(set(moments)) >= 5 and rises != falls)
    return None if ordered[0] == ordered[1] else ordered[0]


def _result(
    counts: Mapping[str, int],
    texts: Sequence[_Text],
    day_of: Mapping[str, str],
    found: FoundDates,
    asked: bool,
) -> FoundDates:
    """The finding with the cells that are lost, and whether it is accepted."""
    read: dict[str, int] = {}
    against = 0
    for text in texts:
        day = next((text.readings[form] for form in found.forms if form in text.readings), None)
        if day is not None:
            read[text.text] = day
        elif any(map(_has_order, text.readings)):
            against += text.cells
    lost = _ordered({w: n for w, n in counts.items() if day_of.get(w) not in read})
    gone, total = sum(lost.values()), sum(counts.values())
    strange = sum(word not in day_of for word in lost)
    few = gone <= FEW_LOST * total or strange <= MAX_LOST_WORDS
    return replace(
        found,
        lost=lost,
        against=against,
        two_digits=any("%y" in form for form in found.forms),
        far=sum(t.cells for t in texts if not _NEAR[0] <= read.get(t.text, 0) < _NEAR[1]),
        accepted=asked or (gone <= MAX_LOST * total and few and not any(map(_loose, read))),
    )


def _loose(text: str) -> bool:
    """Whether a text with a two-digit year may as well be a version number, such as 1.2.10."""
    mark = text[-3:-2]
    return mark in (".", "-") and len(text) < 8 and mark in text[1:3] and (
        text.replace(mark, "").isdecimal()
    )  # fmt: skip


def _ordered(cells: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(cells.items(), key=lambda item: -item[1]))


def _in_form(counts: Mapping[str, int], form: str) -> FoundDates:
    """Dates in a form that a person says."""
    lost = {word: n for word, n in counts.items() if microseconds(word, form) is None}
    total = sum(counts.values())
    return FoundDates({form: total - sum(lost.values())}, _ordered(lost))


def _counted(counts: Mapping[str, int]) -> FoundDates | None:
    """Numbers that a person says are dates: the form that most of them fit."""
    best: FoundDates | None = None
    for form, (low, high) in {**_EPOCH_RANGES, EXCEL: _EXCEL_RANGE}.items():
        fits = {word for word in counts if (n := _number(word)) is not None and low <= n < high}
        cells = sum(counts[word] for word in fits)
        if cells and (best is None or cells > next(iter(best.forms.values()))):
            lost = {word: n for word, n in counts.items() if word not in fits}
            best = FoundDates({form: cells}, _ordered(lost))
    return best


def number_dates(words: Sequence[str]) -> str | None:
    """The form in which whole numbers look like dates from 1990 to 2050; ``None`` where in none.

    >>> number_dates(["20240131", "20231205"]), number_dates(["1704067200", "1704067260"])
    ('%Y%m%d', 'epoch s')
    """
    low, high = _LIKELY_S
    forms = [
        f for f in (COMPACT, *EPOCHS) if words and all(_likely(w, f, low, high) for w in words)
    ]
    return forms[0] if forms else None


def _likely(word: str, form: str, low_s: int, high_s: int) -> bool:
    moment = microseconds(word, form)
    if moment is None or (form == COMPACT) != (len(word) == 8):
        return False
    return low_s <= moment / 1e6 < high_s


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
