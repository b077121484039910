"""Cells as text: numbers, dates, yes and no."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO 8601"
DATE_FORMATS = (
    ISO, "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%m-%d-%Y",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%Y%m%d",
)  # fmt: skip
"""Tried in this order; ``%Y%m%d`` only where a person says that a column holds dates."""
YES_NO = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("si", "no"),
    ("sí", "no"), ("ja", "nein"), ("oui", "non"), ("wahr", "falsch"),
)  # fmt: skip
"""Pairs of words, lower case, the one for yes first."""
_INFINITE = r"[+-]?inf(inity)?"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|" + _INFINITE, re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?")
_ISO_SHAPE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?)?"
)
_MICROSECONDS = 1_000_000
_WHOLE = re.compile(r"([+-]?\d+)\.0*")


def code_word(cell: str | float) -> str:
    """A cell of a category as its word: whole numbers have no point, and yes is ``true``.

    >>> code_word("7.0"), code_word(7), code_word(7.0), code_word("7.5"), code_word(True)
    ('7', '7', '7', '7.5', 'true')
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        whole = _WHOLE.fullmatch(cell)
        return whole[1] if whole else cell
    if isinstance(cell, int) or cell.is_integer():
        return str(int(cell))
    return repr(float(cell))


def same_words(cell: str | float) -> tuple[str, ...]:
    """The spellings of a category's cell that a file may have, without the blanks around it.

    >>> same_words(" 7.0 "), same_words(True)
    (('7.0', '7'), ('true', 'True', 'TRUE'))
    """
    if isinstance(cell, str):
        cell = cell.strip()
        return (cell, code_word(cell))
    word = code_word(cell)
    return (word, word.capitalize(), word.upper()) if isinstance(cell, bool) else (word,)


def as_text(value: Any) -> str | None:
    """A value as it would stand in a text table."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number.

    >>> looks_like_number("-1.5e3"), looks_like_number("1,234.5"), looks_like_number("12b")
    (True, True, False)
    """
    return bool(_NUMBER.fullmatch(cell) or _THOUSANDS.fullmatch(cell))


def to_numbers(cells: "pd.Series[Any]") -> "tuple[pd.Series[Any], str]":
    """Text cells as float64, NaN where they are none, and how they are written.

    Returns:
        The numbers (infinities count as missing), and ``""``, ``"thousands"`` (1,234.5) or
        ``"decimal comma"`` (1.234,5). Where every cell ends with a percent sign, those before it.
    """
    if in_percent(cells):
        cells = cells.str.removesuffix("%").str.rstrip()
    plain = _parsed(cells)
    left = cells[plain.isna() & cells.notna()]
    if left.empty or not left.str.contains(",", regex=False).any():
        return plain, ""
    words = cells.dropna().astype(str)
    commas = words[words.str.contains(",", regex=False)]
    if commas.str.fullmatch(_THOUSANDS.pattern).mean() > 0.95:
        return _parsed(cells.str.replace(",", "", regex=False)), "thousands"
    if commas.str.fullmatch(_DECIMAL_COMMA.pattern).mean() > 0.95:
        dotless = cells.str.replace(".", "", regex=False).where(
            cells.str.contains(",", regex=False), cells
        )
        return _parsed(dotless.str.replace(",", ".", regex=False)), "decimal comma"
    return plain, ""


def in_percent(cells: "pd.Series[Any]") -> bool:
    """Whether every text cell, of those that are not missing, ends with a percent sign."""
    there = cells.dropna()
    return len(there) > 0 and bool(there.str.endswith("%").all())


def infinite(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whether each text cell is an infinity."""
    return cells.str.fullmatch(_INFINITE, case=False).fillna(False).astype(bool)


def _parsed(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """Text as float64; NaN where it is no finite number."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    try:  # ten times as fast, where every cell is a number
        column = pc.cast(pa.array(texts, pa.string()), pa.float64())
        numbers = pd.Series(column.to_numpy(zero_copy_only=False), texts.index, name=texts.name)
    except pa.ArrowInvalid:
        numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def date_format(cells: Sequence[str], compact: bool = False) -> str | None:
    """The format in which every one of some cells is a date, or ``None``.

    Args:
        cells: a sample without missing ones.
        compact: whether 20240131 is a date, too.

    >>> date_format(["2024-01-31", "2024-02-01"]), date_format(["31/01/2024"])
    ('ISO 8601', '%d/%m/%Y')
    """
    if not cells:
        return None
    for form in DATE_FORMATS:
        if form == "%Y%m%d" and not compact:
            continue
        if all(microseconds(cell, form) is not None for cell in cells):
            return form
    return None


def microseconds(cell: str, form: str | None) -> int | None:
    """Microseconds since 1970 (UTC) of a written date; ``None`` where it is none.

    A date without a zone is taken as UTC.

    >>> microseconds("1970-01-02", None), microseconds("1970-01-01T01:00+01:00", ISO)
    (86400000000, 0)
    """
    try:
        if form in (None, ISO):
            if not _ISO_SHAPE.fullmatch(cell):
                return None
            moment = datetime.fromisoformat(cell.replace(",", "."))
        else:
            moment = datetime.strptime(cell, form)  # noqa: DTZ007 - UTC below
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * _MICROSECONDS + past.microseconds


def to_dates(cells: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Text cells as datetime64[us, UTC]; NaT where they are no dates of that format."""
    import pandas as pd

    words = cells.dropna().astype(str).unique()
    known = {word: microseconds(word, form) for word in words}
    found = cells.map(known)
    moments = pd.to_datetime(pd.to_numeric(found, errors="coerce").astype("Int64"), unit="us")
    return moments.astype("datetime64[us]").dt.tz_localize("UTC")


def yes_word(words: Sequence[str]) -> str | None:
    """The one of two words that stands for yes; ``None`` where they are no such pair.

    >>> yes_word(["No", "Yes"]), yes_word(["red", "blue"])
    ('Yes', None)
    """
    if len(words) != 2:
        return None
    lower = {word.lower(): word for word in words}
    for yes, no in YES_NO:
        if set(lower) == {yes, no}:
            return lower[yes]
    return None


def date_parts(moments: NDArray[np.int64], missing: NDArray[np.bool_]) -> Floats:
    """Year, month, day, weekday (0 is Monday), hour and seconds since 1970 [N, 6] of moments.

    Args:
        moments: microseconds since 1970 [N], UTC.
        missing: where there is none [N]; NaN there.
    """
    stamps = moments.astype("datetime64[us]")
    days = stamps.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    parts = np.stack(
        [
            years.astype(np.int64) + 1970,
            (months - years.astype("datetime64[M]")).astype(np.int64) + 1,
            (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days.astype(np.int64) + 3) % 7,
            (stamps - days.astype("datetime64[us]")).astype(np.int64) // (3600 * _MICROSECONDS),
            moments / _MICROSECONDS,
        ],
        axis=1,
    ).astype(np.float64)
    parts[missing] = np.nan
    return parts


DATE_PARTS = ("year", "month", "day", "weekday", "hour", "seconds")
