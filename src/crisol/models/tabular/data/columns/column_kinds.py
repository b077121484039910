"""The kind of a raw column, inferred from its cells, and the facts that a schema holds about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crisol.core.data.cells.date_columns import FoundDates
from crisol.core.data.cells.number_styles import Decimal
from crisol.core.data.cells.words import (
    MOST_SPELLINGS,
    SEVERAL,
    by_case,
    says_yes,
    yes_word,
    yes_words,
)
from crisol.core.data.tables.index_columns import is_row_number
from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns import date_facts
from crisol.models.tabular.data.columns.column_types import (
    as_words,
    class_words,
    counted,
    is_text,
    plain,
    statistics,
    typed_column,
    without_words,
)
from crisol.models.tabular.data.columns.hints import of_column
from crisol.models.tabular.data.columns.missing_words import told_marks, without_marks
from crisol.models.tabular.data.columns.number_columns import (
    WrittenNumbers,
    told_sentinels,
    written_numbers,
)
from crisol.models.tabular.data.source_table import LABEL, PART, PICTURE, PICTURES, SourceTable
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
    bare_unit: bool = False
    decimal: Decimal = "."
    no_value: tuple[str, ...] = ()
    unread: str = ""
    """Why its numbers cannot be read, where it holds words for that reason."""
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
    kind: Kind
    over = data.columns.get(name)
    told = None if over is None else over.kind
    cells = without_words(cells, () if over is None else over.missing)
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
        kind = "image" if name == PICTURE else "category"
        reason = "picture files" if kind == "image" else "folders of pictures"
        return _described(ColumnFacts(name, kind, reason, missing, distinct), cells, table)
    dates = None
    if told in (None, "date"):
        dates = date_facts.column_dates(words, name, data, day_first)
    found = ColumnFacts(name, "category", "", missing, distinct, dates=dates, merged=merged)
    fact = _inferred(words, found, data, table)
    if told is None and fact.kind == "number" and fact.reason.startswith("whole"):
        fact = _with_digits_as_dates(fact, words)
    if told is not None and told != fact.kind:
        fact = replace(found, kind=told, reason="overruled", no_value=fact.no_value)
    if over is not None and (over.unit or over.decimal) and fact.kind != "number":
        raise MendableError(
            f"data.columns.{name}.{'unit' if over.unit else 'decimal'}: the column is read as "
            f"{fact.kind} (such as {', '.join(map(repr, words.astype(str).head(3)))}), not as "
            "numbers"
        )
    if fact.kind == "date" and fact.dates is not None:
        reason = date_facts.reason(fact.dates)
        fact = replace(
            fact,
            reason=f"overruled; {reason}" if told else reason,
            no_value=tuple(dict.fromkeys((*fact.no_value, *fact.dates.marks))),
            warnings=(*fact.warnings, *date_facts.warnings(name, fact.dates, data)),
        )
    if over is not None and over.missing:
        fact = replace(fact, no_value=tuple(dict.fromkeys((*over.missing, *fact.no_value))))
    said = told_marks(fact.kind, name, words, table.no_value.get(name, {}), data.read.keep)
    fact = replace(fact, warnings=(*fact.warnings, *said))
    if fact.kind == "category" and data.merge_case:
        bare = without_words(words, fact.no_value)
        merged = {**merged, **by_case(counted(class_words(bare)))}
        fact = replace(fact, merged=merged, merge_case=True)
    fact = _described(fact, cells, table)
    return _with_id(fact, words, table)


def _inferred(
    words: "pd.Series[Any]", fact: ColumnFacts, data: DataParams, table: SourceTable
) -> ColumnFacts:
    """The facts with the kind that the values suggest, and the notation of numbers."""
    name, told = fact.name, None
    if fact.name in data.columns:
        told = data.columns[name].kind
    found = WrittenNumbers()
    if is_text(words):
        if told is None:
            early = _before_numbers(words, fact, data)
            if early is not None:
                return early
        found = written_numbers(words, name, data, table)
    if found.code:
        return replace(fact, reason=found.reason, warnings=found.warnings)
    if found.numbers is None:
        words, marks = without_marks(words, data.read.keep)
        distinct = int(words.nunique()) if marks else fact.distinct
        kind, reason, warnings = _kind(words, distinct, name, table, fact.dates)
        warnings = (*warnings, *found.warnings)
        no_value = marks if kind == "boolean" else ()
        return replace(
            fact, kind=kind, reason=reason, warnings=warnings, no_value=no_value,
            unread=found.unread,
        )  # fmt: skip
    numbers = found.numbers.dropna()
    kind, reason, warnings = _number_kind(numbers, fact.distinct, name, found.reason)
    if kind != "number" and told != "number":
        return replace(fact, kind=kind, reason=reason, warnings=warnings)
    return replace(
        fact, kind="number", reason="overruled" if kind != "number" or found.forced else reason,
        warnings=(*(warnings if kind == "number" else ()), *found.warnings),
        unit=found.style.unit, bare_unit=found.style.bare, decimal=found.style.decimal,
        no_value=found.no_value,
    )  # fmt: skip


def _before_numbers(
    words: "pd.Series[Any]", fact: ColumnFacts, data: DataParams
) -> ColumnFacts | None:
    """The facts of yes and no in several spellings and of dates, which may look like numbers."""
    bare, marks = without_marks(words, data.read.keep)
    distinct = int(bare.nunique()) if marks else fact.distinct
    if 2 < distinct <= MOST_SPELLINGS and yes_words(counted(bare)) is not None:
        reason = f"yes and no in {distinct} spellings"
        return replace(fact, kind="boolean", reason=reason, no_value=marks)
    if fact.dates is not None and fact.dates.accepted:
        return replace(fact, kind="date")
    return None


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
    unique = _some_words(texts)
    yes = yes_word(unique) if distinct == 2 else None
    if yes is not None:
        return "boolean", f"two words, {yes!r} for yes", ()
    if table.files is not None and all(w.lower().endswith(PICTURES) for w in unique):
        return "image", "names of picture files", ()
    kind, reason = _words_kind(texts, unique, distinct)
    refused = () if dates is None else date_facts.refusal(name, dates)
    return kind, reason, (*refused, *date_facts.told_times(name, texts))


def _with_digits_as_dates(fact: ColumnFacts, words: "pd.Series[Any]") -> ColumnFacts:
    """The facts of whole numbers whose column is called a date, or the warning that they may be."""
    numbers = without_words(words, fact.no_value).dropna()
    form, said = date_facts.digits_as_dates(numbers, fact.name)
    fact = replace(fact, warnings=(*fact.warnings, *said))
    if form is None:
        return fact
    return replace(fact, kind="date", dates=FoundDates({form: len(numbers)}))


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
        fact = _with_true_word(fact, without_words(words, fact.no_value).dropna())
    column = Column(
        name=fact.name, kind=fact.kind, true_word=fact.true_word, date_format=fact.date_format,
        unit=fact.unit, bare_unit=fact.bare_unit, decimal=fact.decimal, no_value=fact.no_value,
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
    fact = replace(fact, warnings=(*fact.warnings, *told_sentinels(fact.name, there, words)))
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


def _with_id(fact: ColumnFacts, words: "pd.Series[Any]", table: SourceTable) -> ColumnFacts:
    """The facts with the suspicion that the column names or numbers rows."""
    if fact.name in table.found.index:
        return replace(fact, id_reason="the file's index: it numbers or names the rows")
    if fact.kind in ("date", "image", "boolean"):
        return fact
    unique = fact.distinct == len(words) and len(words) > 5
    named = _is_id_name(fact.name)
    share = fact.distinct / len(words)
    if fact.kind == "number":
        if not fact.integer or len(words) <= 5:
            return fact
        if unique and named:
            return replace(fact, id_reason="every row has its own number, called an id")
        if _numbers_rows(fact, words, table):
            return replace(fact, id_reason="it is the number of the row, or counts the rows")
        return fact
    if named and share > 0.5:
        return replace(fact, id_reason="called an id, hardly a word twice")
    if unique and fact.kind == "category" and fact.distinct > 20:
        return replace(fact, id_reason="every row has its own word")
    return replace(fact, repeated_id=named and fact.distinct > 20)


def _numbers_rows(fact: ColumnFacts, words: "pd.Series[Any]", table: SourceTable) -> bool:
    """Whether a column of whole numbers numbers the rows: all of them, or those of each part."""
    parted = bool(table.frame[PART].notna().any())
    if len(words) < len(table.frame) or (fact.distinct < len(words) and not parted):
        return False
    numbers = plain(words)
    if numbers.isna().any():
        return False
    if is_row_number(numbers.to_numpy()):
        return True
    parts = table.frame[PART]
    return parted and all(is_row_number(some.to_numpy()) for _, some in numbers.groupby(parts))
