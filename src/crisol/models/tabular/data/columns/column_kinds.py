"""The kind of a raw column, inferred from its cells, and the facts that a schema holds about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.data.cells.date_columns import FoundDates
from crisol.core.data.cells.numbers import in_percent, infinite, to_numbers
from crisol.core.data.cells.words import (
    MOST_SPELLINGS,
    SEVERAL,
    by_case,
    says_yes,
    yes_word,
    yes_words,
)
from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns import date_facts
from crisol.models.tabular.data.columns.column_types import (
    as_words,
    class_words,
    counted,
    is_text,
    statistics,
    typed_column,
)
from crisol.models.tabular.data.columns.hints import of_column
from crisol.models.tabular.data.source_table import LABEL, PICTURE, PICTURES, SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Kind

if TYPE_CHECKING:
    import pandas as pd

_ID_NAME = re.compile(
    r"(^|[_\s.-])(id|ids|uuid|guid|key|index|idx|rownames?|row_?(id|no|num|number)|unnamed.*)$",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](Id|ID)$")
_CODE_NAME = re.compile(r"(^|[_\s.-])(zip|zip_?code|postal|postal_?code|postcode|plz|code)$", re.I)
_LEADING_ZERO = r"[+-]?0\d+"
_SAMPLE = 2000


@dataclass(frozen=True)
class ColumnFacts:
    """The facts about one column; see :class:`crisol.models.tabular.schema.Column`."""

    name: str
    kind: Kind
    reason: str
    missing: float
    distinct: int
    integer: bool = False
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    true_word: str | None = None
    date_format: str | None = None
    dates: FoundDates | None = None
    """What was found out of a column of dates that are written as text."""
    merged: dict[str, str] = field(default_factory=dict)
    merge_case: bool = False
    unit: str | None = None
    examples: tuple[str, ...] = ()
    id_reason: str = ""
    """The reason why the column is an id; empty if it is none."""
    repeated_id: bool = False
    warnings: tuple[str, ...] = ()


def facts_of(
    cells: "pd.Series[Any]",
    name: str,
    data: DataParams,
    table: SourceTable,
    day_first: bool | None = None,
) -> ColumnFacts:
    """Look at a column.

    Args:
        cells: of the raw table.
        name: the column's.
        data: may set its kind.
        table: whose column it is.
        day_first: whether it is in the table's other dates; it decides where no cell tells.

    Raises:
        MendableError: it cannot be of the kind that was told.
    """
    over = data.columns.get(name)
    told = None if over is None else over.kind
    if told is None and over is not None and over.date_format is not None:
        told = "date"
    merged = {} if over is None else over.merge
    if merged and is_text(cells):
        cells = class_words(cells, merged=merged)
    words = cells.dropna()
    distinct = int(words.nunique())
    missing = float(cells.isna().mean())
    if distinct == 0:
        return ColumnFacts(name, told or "category", "no row has a value", missing, 0)
    if table.found.format == "images" and name in (PICTURE, LABEL):
        kind: Kind = "image" if name == PICTURE else "category"
        reason = "picture files" if kind == "image" else "folders of pictures"
        return _described(ColumnFacts(name, kind, reason, missing, distinct), cells, table)
    dates = None if told not in (None, "date") else date_facts.column_dates(
        words, name, data, day_first
    )  # fmt: skip
    kind, reason, warnings = _kind(words, distinct, name, table, dates)
    form = None
    if kind == "number" and told is None and reason.startswith("whole"):
        form, said = date_facts.digits_as_dates(words, name)
        warnings = (*warnings, *said)
    if form is not None:
        kind, reason, dates = "date", f"dates ({form})", FoundDates({form: len(words)})
    if told is not None and told != kind:
        kind, reason, warnings = told, "overruled", ()
    if kind == "date" and dates is not None:
        reason = f"overruled; {date_facts.reason(dates)}" if told else date_facts.reason(dates)
        warnings = (*warnings, *date_facts.warnings(name, dates))
    fact = ColumnFacts(name, kind, reason, missing, distinct, warnings=warnings, dates=dates,
                       merged=merged)  # fmt: skip
    if kind == "category" and data.merge_case:
        merged = {**merged, **by_case(counted(class_words(words)))}
        fact = replace(fact, merged=merged, merge_case=True)
    fact = _described(fact, cells, table)
    return _with_id(fact, words)


def _kind(
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
        kind, reason, warnings = _number_kind(finite, distinct, name, "numbers")
        return kind, reason, warnings or _told_infinite(name, len(numbers) - len(finite))
    if pd.api.types.is_datetime64_any_dtype(words.dtype):
        return "date", "dates", ()
    texts = words.astype(str)
    if 2 < distinct <= MOST_SPELLINGS and yes_words(counted(texts)) is not None:
        return "boolean", f"yes and no in {distinct} spellings", ()
    if dates is not None and dates.accepted:
        return "date", "dates", ()
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    numeric = pd.to_numeric(sample, errors="coerce").notna().mean()
    begins = sample.str.contains(r"^[+-]?\.?\d|^[+-]?inf", case=False, regex=True).mean()
    if numeric > 0.5 or begins > 0.9:
        found = _written_numbers(texts, distinct, name)
        if found is not None:
            return found
    unique = _some_words(texts)
    yes = yes_word(unique) if distinct == 2 else None
    if yes is not None:
        return "boolean", f"two words, {yes!r} for yes", ()
    if table.files is not None and all(w.lower().endswith(PICTURES) for w in unique):
        return "image", "names of picture files", ()
    kind, reason = _words_kind(texts, unique, distinct)
    refused = () if dates is None else date_facts.refusal(name, dates)
    times = date_facts.told_times(name, texts)
    return kind, reason, (*_told_signs(name, texts), *refused, *times)


def _written_numbers(
    texts: "pd.Series[Any]", distinct: int, name: str
) -> tuple[Kind, str, tuple[str, ...]] | None:
    """Numbers that are written as text; ``None`` where they are none."""
    padded = texts.str.fullmatch(_LEADING_ZERO)
    if padded.any():
        return (
            "category",
            f"digits with leading zeros ({texts[padded].iloc[0]}): a code, no number",
            (f"{name}: digits with leading zeros are taken for codes, not for numbers",),
        )
    numbers, style = to_numbers(texts)
    bad = texts[numbers.isna()]
    endless = infinite(bad)
    bad = bad[~endless]
    if len(bad) > 0.05 * len(texts) or bad.nunique() > 5 or numbers.notna().sum() == 0:
        return None
    reason = f"numbers ({style})" if style else "numbers"
    kind, reason, warnings = _number_kind(numbers.dropna(), distinct, name, reason)
    if kind == "number":
        warnings = (*warnings, *_told_infinite(name, int(endless.sum())))
    if len(bad):
        listed = ", ".join(repr(word) for word in bad.drop_duplicates().head(5))
        said = f"{name}: {len(bad):,} cells are no numbers ({listed}) and count as missing"
        warnings = (*warnings, said)
    return kind, reason, warnings


def _told_infinite(name: str, count: int) -> tuple[str, ...]:
    return (f"{name}: {count:,} cells are infinite and count as missing",) if count else ()


def _number_kind(
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
        if _is_id_name(name):
            said = f"{name}: taken for names of things; {number} overrules"
            return "category", "whole numbers that are called an id", (said,)
    low, high = float(numbers.min()), float(numbers.max())
    return "number", f"{'whole ' if whole else ''}{reason}, {low:g} to {high:g}", ()


def _told_signs(name: str, texts: "pd.Series[Any]") -> tuple[str, ...]:
    """The warning about a column of which most cells, not all, are percentages."""
    signs = texts.str.endswith("%")
    if not 0.5 < signs.mean() < 1 or to_numbers(texts[signs])[0].notna().mean() < 0.95:
        return ()
    other = texts[~signs].iloc[0]
    said = f"{name}: most cells are percentages, but not {other!r}: taken for words, not numbers"
    return (said,)


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


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def _described(fact: ColumnFacts, cells: "pd.Series[Any]", table: SourceTable) -> ColumnFacts:
    """The facts with range, words and examples of a column in its kind's type.

    Raises:
        MendableError: no cell is of that kind.
    """
    words = cells.dropna()
    if fact.kind == "date":
        fact = replace(fact, date_format=None if fact.dates is None else fact.dates.form)
    if fact.kind == "boolean":
        fact = _with_true_word(fact, words)
    if fact.kind == "number" and is_text(words) and in_percent(words):
        said = f"{fact.name}: read without its percent sign; requests send 12.5 for 12.5%"
        fact = replace(fact, unit="%", warnings=(*fact.warnings, said))
    column = Column(
        name=fact.name, kind=fact.kind, true_word=fact.true_word, date_format=fact.date_format,
        merged=fact.merged,
    )  # fmt: skip
    there = typed_column(table, column).dropna()
    if there.empty:
        raise MendableError(
            f"data.columns.{fact.name}.kind: no cell can be read as {fact.kind} (such as "
            f"{', '.join(map(repr, words.astype(str).head(3)))})"
            + (
                f"; {of_column(fact.name, 'date_format', '%d%m%Y')} says how dates are written"
                if fact.kind == "date"
                else ""
            )
        )
    lost = len(words) - len(there)
    if lost and not any("count as missing" in said for said in fact.warnings):
        said = f"{fact.name}: {lost:,} cells cannot be read as {fact.kind} and count as missing"
        fact = replace(fact, warnings=(*fact.warnings, said))
    return replace(fact, missing=1 - len(there) / len(cells), **statistics(there, fact.kind))


def _some_words(cells: "pd.Series[Any]") -> list[str]:
    """Up to 2,000 different cells from all over a column, those of its first rows first."""
    step = max(1, len(cells) // (10 * _SAMPLE))
    some = cells.iloc[:_SAMPLE].tolist() + cells.iloc[::step].tolist()
    return list(dict.fromkeys(str(cell) for cell in some))[:_SAMPLE]


def _with_true_word(fact: ColumnFacts, words: "pd.Series[Any]") -> ColumnFacts:
    """The facts with the words for yes, and those that are read as no.

    Raises:
        MendableError: no word says yes.
    """
    counts = counted(as_words(words))
    yes = yes_word(list(counts)) if len(counts) == 2 else None
    yes = yes or SEVERAL.join(word for word in counts if says_yes(word))
    if not yes and len(counts) > 1:
        merge = of_column(fact.name, "merge", {"word": "yes"})
        raise MendableError(
            f"data.columns.{fact.name}.kind: none of the words (such as "
            f"{', '.join(map(repr, list(counts)[:3]))}) says yes; choose category, or name the "
            f"words for yes: {merge}"
        )
    return replace(fact, true_word=yes or None)


def _with_id(fact: ColumnFacts, words: "pd.Series[Any]") -> ColumnFacts:
    """The facts with the suspicion that the column names rows."""
    if fact.kind in ("date", "image", "boolean"):
        return fact
    unique = fact.distinct == len(words) and len(words) > 5
    named = _is_id_name(fact.name)
    share = fact.distinct / len(words)
    if fact.kind == "number":
        if unique and fact.integer and fact.high is not None and fact.low is not None:
            counter = fact.high - fact.low == len(words) - 1
            if named:
                return replace(fact, id_reason="every row has its own number, called an id")
            if counter and words.index.is_monotonic_increasing and _ascends(words):
                return replace(fact, id_reason="it counts the rows")
        return fact
    if named and share > 0.5:
        return replace(fact, id_reason="called an id, hardly a word twice")
    if unique and fact.kind == "category" and fact.distinct > 20:
        return replace(fact, id_reason="every row has its own word")
    return replace(fact, repeated_id=named and fact.distinct > 20)


def _ascends(words: "pd.Series[Any]") -> bool:
    import pandas as pd

    return bool(pd.to_numeric(words, errors="coerce").is_monotonic_increasing)
