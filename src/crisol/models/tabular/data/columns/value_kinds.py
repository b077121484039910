"""The kind that the values of a column suggest, with the reason and warnings."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.data.cells.date_columns import FoundDates
from crisol.core.data.cells.words import yes_word
from crisol.models.tabular.data.columns import date_facts
from crisol.models.tabular.data.columns.hints import of_column
from crisol.models.tabular.data.columns.number_columns import told_infinite
from crisol.models.tabular.data.columns.row_ids import is_id_name
from crisol.models.tabular.data.source_table import PICTURES, SourceTable
from crisol.models.tabular.schema import Kind

if TYPE_CHECKING:
    import pandas as pd

_CODE_NAME = re.compile(r"(^|[_\s.-])(zip|zip_?code|postal|postal_?code|postcode|plz|code)$", re.I)
_SAMPLE = 2000


def value_kind(
    words: "pd.Series[Any]",
    distinct: int,
    name: str,
    table: SourceTable,
    dates: FoundDates | None,
) -> tuple[Kind, str, tuple[str, ...]]:
    """The kind that the values suggest, the reason, and warnings."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(words.dtype):
        return "boolean", "true and false", ()
    if pd.api.types.is_numeric_dtype(words.dtype):
        numbers = words.astype("float64")
        finite = numbers[np.isfinite(numbers)]
        kind, reason, warnings = number_kind(finite, distinct, name, "numbers")
        return kind, reason, warnings or told_infinite(name, len(numbers) - len(finite))
    if pd.api.types.is_datetime64_any_dtype(words.dtype):
        return "date", "dates", ()
    texts = words.astype(str)
    unique = _some_words(texts)
    yes = yes_word(unique) if distinct == 2 else None
    if yes is not None:
        return "boolean", f"two words, {yes!r} for yes", ()
    if table.files is not None and all(w.lower().endswith(PICTURES) for w in unique):
        return "image", "names of picture files", ()
    kind, reason = _words_kind(texts, unique, distinct)
    refused = () if dates is None else date_facts.refusal(name, dates)
    return kind, reason, (*refused, *date_facts.told_times(name, texts))


def number_kind(
    numbers: "pd.Series[Any]", distinct: int, name: str, reason: str
) -> tuple[Kind, str, tuple[str, ...]]:
    """Numbers, unless the column's name is that of a code or an id."""
    whole = bool((numbers % 1 == 0).all())
    share = distinct / max(1, len(numbers))
    if whole and share < 0.5 and distinct > 2:
        number = of_column(name, "kind", "number")
        if _CODE_NAME.search(name):
            said = f"{name}: taken for codes by its name; {number} overrules"
            return "category", "whole numbers that are called a code", (said,)
        if is_id_name(name):
            said = f"{name}: taken for names of things; {number} overrules"
            return "category", "whole numbers that are called an id", (said,)
    low, high = float(numbers.min()), float(numbers.max())
    return "number", f"{'whole ' if whole else ''}{reason}, {low:g} to {high:g}", ()


def _words_kind(texts: "pd.Series[Any]", unique: Sequence[str], distinct: int) -> tuple[Kind, str]:
    """Words out of a list, or free text."""
    lengths = np.array([len(word) for word in unique])
    tokens = np.array([len(word.split()) for word in unique])
    share = distinct / max(1, len(texts))
    many = distinct > 20
    free = (many and share >= 0.3 and np.median(tokens) >= 3) or (many and lengths.mean() >= 50)
    if not free and share > 0.5 and distinct > 5 and np.median(tokens) >= 4:
        free = True
    if free:
        return "text", f"{distinct:,} different texts of {np.median(tokens):.0f} words"
    return "category", f"{distinct:,} different words in {len(texts):,} rows"


def _some_words(cells: "pd.Series[Any]") -> list[str]:
    """Up to 2,000 different cells from all over a column, those of its first rows first."""
    step = max(1, len(cells) // (10 * _SAMPLE))
    some = cells.iloc[:_SAMPLE].tolist() + cells.iloc[::step].tolist()
    return list(dict.fromkeys(str(cell) for cell in some))[:_SAMPLE]
