"""Raw cells in the types of their columns' kinds, and the statistics of typed cells."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.data.cells.dates import to_dates
from crisol.core.data.cells.number_styles import NumberStyle
from crisol.core.data.cells.numbers import to_numbers
from crisol.core.data.cells.words import SEVERAL, clean_word, code_word
from crisol.models.tabular.data.source_table import SourceTable
from crisol.models.tabular.schema import Column, Kind

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CATEGORIES = 1000
"""Words that a schema lists at most; the encoder has all of them."""


def typed_column(table: SourceTable, column: Column) -> "pd.Series[Any]":
    """A column of a raw table as :func:`typed_cells` types it; done once and kept."""
    key = (
        column.name, column.kind, column.true_word or "", column.date_format or "",
        column.decimal, column.unit or "", str(column.bare_unit), *column.no_value,
        *(f"{word}={name}" for word, name in column.merged.items()),
    )  # fmt: skip
    if key not in table.read_as:
        table.read_as[key] = typed_cells(table.frame[column.name], column)
    return table.read_as[key]


def typed_cells(cells: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """Raw cells in the type of their column's kind; what cannot be read is missing.

    number float64, boolean ``boolean``, date datetime64[us, UTC], all others str.
    """
    import pandas as pd

    kind = column.kind
    cells = without_words(cells, column.no_value)
    if column.merged and is_text(cells):
        cells = class_words(cells, merged=column.merged)
    if kind == "number":
        if is_text(cells):
            style = NumberStyle(column.decimal, column.unit, column.bare_unit)
            return to_numbers(cells, style)
        if pd.api.types.is_datetime64_any_dtype(cells.dtype):
            seconds: pd.Series[Any] = (cells - pd.Timestamp(0, tz=cells.dt.tz)).dt.total_seconds()
            return seconds
        numbers = cells.astype("Float64").astype("float64")
        return numbers.where(np.isfinite(numbers))
    if kind == "boolean":
        if pd.api.types.is_bool_dtype(cells.dtype):
            return cells.astype("boolean")
        words = as_words(cells)
        yes = (
            () if column.true_word is None else (column.true_word, *column.true_word.split(SEVERAL))
        )
        is_true: pd.Series[Any] = words.isin(yes).astype("boolean")
        return is_true.where(words.notna(), pd.NA)
    if kind == "date":
        if pd.api.types.is_datetime64_any_dtype(cells.dtype):
            zoned = cells.dt.tz_localize("UTC") if cells.dt.tz is None else cells
            moments: pd.Series[Any] = zoned.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
            return moments
        return to_dates(as_words(cells), column.date_format)
    return class_words(cells) if kind == "category" else as_words(cells)


def without_words(cells: "pd.Series[Any]", words: Sequence[str]) -> "pd.Series[Any]":
    """Cells without those that say that there is no value."""
    import pandas as pd

    if not words or pd.api.types.is_bool_dtype(cells.dtype):
        return cells
    if is_text(cells):
        return cells.mask(cells.isin(list(words)))
    if not pd.api.types.is_numeric_dtype(cells.dtype):
        return cells
    numbers = pd.to_numeric(pd.Series(list(words), dtype="str"), errors="coerce").dropna()
    return cells.mask(cells.isin(numbers.tolist()))


def is_text(cells: "pd.Series[Any]") -> bool:
    """Whether cells are neither numbers nor booleans nor dates."""
    import pandas as pd

    return not (
        pd.api.types.is_numeric_dtype(cells.dtype)
        or pd.api.types.is_bool_dtype(cells.dtype)
        or pd.api.types.is_datetime64_any_dtype(cells.dtype)
    )


def plain(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Cells as numbers in Python's notation; NaN where they are none."""
    import pandas as pd

    return to_numbers(cells) if is_text(cells) else pd.to_numeric(cells, errors="coerce")


def as_words(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Cells as text; whole numbers without a point."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(cells.dtype):
        return cells.astype("boolean").map({True: "true", False: "false"}).astype("str")
    if pd.api.types.is_numeric_dtype(cells.dtype):
        numbers = cells.astype("Float64").astype("float64")
        known = {
            n: str(int(n)) if float(n).is_integer() else repr(float(n))
            for n in numbers.dropna().unique()
        }
        return numbers.map(known).astype("str")
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        known = {t: t.isoformat() for t in cells.dropna().unique()}
        return cells.map(known).astype("str")
    return cells.astype("str")


def class_words(
    cells: "pd.Series[Any]",
    strip: str = "",
    merged: Mapping[str, str] | None = None,
    no_value: Sequence[str] = (),
) -> "pd.Series[Any]":
    """The cells of a category or of a class target as words.

    Args:
        cells: as they were read.
        strip: characters that are taken off the ends.
        merged: from other spellings to a word. A spelling is looked up as it stands, then as
            :func:`crisol.core.data.cells.words.clean_word` has it.
        no_value: cells that say that there is no value.

    Returns:
        str; missing where no character is left. 1.0 is 1.
    """
    merged = merged or {}

    def spelled(word: str) -> str | None:
        word = word.strip(strip) if strip else word
        if word in merged:
            return merged[word]
        word = code_word(clean_word(word))
        return merged.get(word, word) or None

    words = as_words(without_words(cells, no_value))
    known = {word: spelled(word) for word in words.dropna().unique()}
    if all(word == name for word, name in known.items()):
        return words
    return words.map(known).astype("str")


def counted(words: "pd.Series[Any]") -> dict[str, int]:
    """How many cells each word has."""
    return {str(word): int(count) for word, count in words.value_counts().items()}


def statistics(there: "pd.Series[Any]", kind: Kind) -> dict[str, Any]:
    """Range, words and examples of typed cells, none of them missing; as fields of a column."""
    found: dict[str, Any] = {"distinct": int(there.nunique())}
    if kind == "number":
        found["low"], found["high"] = float(there.min()), float(there.max())
        found["integer"] = bool((there % 1 == 0).all())
        shown = there.head(1000).drop_duplicates().head(5)
        found["examples"] = tuple(f"{value:g}" for value in shown)
    elif kind == "date":
        seconds = there.astype("int64") / 1e6
        found["low"], found["high"] = float(seconds.min()), float(seconds.max())
        found["examples"] = tuple(t.isoformat() for t in there.head(1000).drop_duplicates().head(3))
    elif kind in ("category", "boolean"):
        counts = there.astype(str).value_counts()
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        found["categories"] = tuple(str(word) for word, _ in order[:SHOWN_CATEGORIES])
        found["examples"] = found["categories"][:5]
    else:
        found["examples"] = tuple(str(t)[:80] for t in there.head(1000).drop_duplicates().head(3))
    return found
