"""Numbers written as text, read in the style of their column.

:func:`to_numbers` reads cells in a style of
:func:`crisol.core.data.cells.number_styles.number_style`.
"""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crisol.core.arrays import Floats
from crisol.core.data.cells.number_styles import PLAIN, NumberCells, NumberStyle
from crisol.core.data.cells.number_texts import (
    COMMA,
    FIRST_DIGITS,
    INFINITE,
    NO_CENTS,
    POINT,
    NumberFrame,
    arrow_words,
    plain_characters,
)

if TYPE_CHECKING:
    import pandas as pd

_ENDLESS = re.compile(INFINITE, re.IGNORECASE)
_EITHER = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"


@lru_cache(maxsize=65_536)
def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number, under one convention or another, with or without a unit.

    >>> [looks_like_number(cell) for cell in ("-1.5e3", "1.234,5", "$5", "12b", "10:30", "inf")]
    [True, True, True, False, False, True]
    """
    word = re.sub(NO_CENTS, r"\g<1>0\2", plain_characters(cell.strip()))
    digits = FIRST_DIGITS.search(word)
    if digits is None:
        return _ENDLESS.fullmatch(word) is not None
    frame = NumberFrame.of(f"{word[: digits.start()]}\0{word[digits.end() :]}")
    if frame is None or frame.unit is None:
        return False
    body = word[frame.start : len(word) - frame.stop]
    return any(re.match(pattern, body) for pattern in (POINT, COMMA))


def to_numbers(cells: "pd.Series[Any]", style: NumberStyle = PLAIN) -> "pd.Series[Any]":
    """Text cells as float64; NaN where they are no finite number of that style.

    Args:
        cells: text, missing ones included.
        style: the column's, of :func:`~crisol.core.data.cells.number_styles.number_style`.
    """
    import pandas as pd

    words = arrow_words(cells)
    if style == PLAIN:
        numbers = _cast(words)
        if numbers is not None:
            return pd.Series(numbers, cells.index, name=cells.name)
    coded = words.dictionary_encode()
    parsed = NumberCells.of(coded.dictionary)
    values = np.append(parsed.values(style), np.nan)  # the last is of missing cells
    places = coded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
    return pd.Series(values[places], cells.index, name=cells.name)


def plain_numbers(cells: "pd.Series[Any]") -> "pd.Series[Any] | None":
    """Text cells as float64 where Python's notation writes all of them; else ``None``.

    Also ``None`` where all fractions may be groups of thousands (``1.234``): those need
    :func:`~crisol.core.data.cells.number_styles.number_style`.
    """
    import pandas as pd

    words = arrow_words(cells)
    numbers = _cast(words)
    if numbers is None:
        return None
    for some in (words[:2000], words):
        pointed = some.filter(pc.match_substring(some, "."))
        if len(pointed) == 0:
            continue
        if not pc.all(pc.match_substring_regex(pointed, _EITHER)).as_py():
            break
    else:
        if pc.any(pc.match_substring(words, ".")).as_py():
            return None
    return pd.Series(numbers, cells.index, name=cells.name)


def like_numbers(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whether each text cell is a number, under one convention or another, with or without unit."""
    import pandas as pd

    coded = arrow_words(cells).dictionary_encode()
    parsed = NumberCells.of(coded.dictionary)
    fits = np.append((parsed.fits(".") | parsed.fits(",")) & parsed.known, False)
    places = coded.indices.fill_null(len(fits) - 1).to_numpy(zero_copy_only=False)
    return pd.Series(fits[places], cells.index, name=cells.name)


def infinite(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whether each text cell is an infinity."""
    return cells.str.fullmatch(INFINITE, case=False).fillna(False).astype(bool)


def _cast(words: pa.Array) -> Floats | None:
    """Python's notation as float64 [N], NaN where missing or infinite; ``None`` if one is none."""
    try:  # ten times as fast as anything else, where every cell is a number
        numbers = pc.cast(words, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return np.where(np.isfinite(numbers), numbers, np.nan)
