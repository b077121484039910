"""The kind of a raw column, inferred from its cells, and the facts about it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.date_columns import FoundDates
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
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_types import (
    as_words,
    class_words,
    counted,
    is_text,
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
from crisol.models.tabular.data.columns.row_ids import with_id
from crisol.models.tabular.data.columns.value_kinds import number_kind, value_kind
from crisol.models.tabular.data.source_table import LABEL, PICTURE, SourceTable
from crisol.models.tabular.params import ColumnParams, DataParams
from crisol.models.tabular.schema import Column, Kind

if TYPE_CHECKING:
    import pandas as pd

_PICTURE_COLUMNS: dict[str, tuple[Kind, str]] = {
    PICTURE: ("image", "picture files"),
    LABEL: ("category", "folders of pictures"),
}


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
    over = data.columns.get(name) or ColumnParams()
    cells = _as_told(cells, over)
    words = cells.dropna()
    distinct, missing = int(words.nunique()), float(cells.isna().mean())
    told = _told_kind(over)
    if distinct == 0:
        return ColumnFacts(name, told or "category", "no row has a value", missing, 0)
    if table.found.format == "images" and name in (PICTURE, LABEL):
        kind, reason = _PICTURE_COLUMNS[name]
        return _described(ColumnFacts(name, kind, reason, missing, distinct), cells, table)
    fact = ColumnFacts(name, "category", "", missing, distinct, merged=over.merge)
    if told in (None, "date"):
        fact = replace(fact, dates=date_facts.column_dates(words, name, data, day_first))
    fact = _of_kind(fact, told, words, data, table)
    _check_notation(fact, over, words)
    if fact.kind == "date" and fact.dates is not None:
        fact = _with_dates(fact, fact.dates, told, data)
    fact = _with_marks(fact, over.missing, words, data, table)
    if fact.kind == "category" and data.merge_case:
        fact = _with_merged_case(fact, words)
    return with_id(_described(fact, cells, table), words, table)


def _told_kind(over: ColumnParams) -> Kind | None:
    """The kind that a person told, by its name or by the way dates are written."""
    return "date" if over.kind is None and over.date_format is not None else over.kind


def _as_told(cells: "pd.Series[Any]", over: ColumnParams) -> "pd.Series[Any]":
    """The cells without the words for no value, and with the words merged that a person named."""
    cells = without_words(cells, over.missing)
    if over.merge and is_text(cells):
        return class_words(cells, merged=over.merge)
    return cells


def _of_kind(
    found: ColumnFacts,
    told: Kind | None,
    words: "pd.Series[Any]",
    data: DataParams,
    table: SourceTable,
) -> ColumnFacts:
    """The facts with the kind that was told, or else with the one that the values suggest."""
    fact = _inferred(words, found, data, table)
    if told is None and fact.kind == "number" and fact.reason.startswith("whole"):
        return _with_digits_as_dates(fact, words)
    if told is not None and told != fact.kind:
        return replace(found, kind=told, reason="overruled", no_value=fact.no_value)
    return fact


def _check_notation(fact: ColumnFacts, over: ColumnParams, words: "pd.Series[Any]") -> None:
    """Refuse a unit or a decimal mark of a column that holds no numbers."""
    if (over.unit or over.decimal) and fact.kind != "number":
        raise MendableError(
            f"data.columns.{fact.name}.{'unit' if over.unit else 'decimal'}: the column is read as "
            f"{fact.kind} (such as {', '.join(map(repr, words.astype(str).head(3)))}), not as "
            "numbers"
        )


def _with_dates(
    fact: ColumnFacts, dates: FoundDates, told: Kind | None, data: DataParams
) -> ColumnFacts:
    """The facts with the way in which dates are written, and what to look at."""
    reason = date_facts.reason(dates)
    return replace(
        fact,
        reason=f"overruled; {reason}" if told else reason,
        no_value=tuple(dict.fromkeys((*fact.no_value, *dates.marks))),
        warnings=(*fact.warnings, *date_facts.warnings(fact.name, dates, data)),
    )


def _with_marks(
    fact: ColumnFacts,
    missing: Sequence[str],
    words: "pd.Series[Any]",
    data: DataParams,
    table: SourceTable,
) -> ColumnFacts:
    """The facts with the words for no value, those that a person named first, and warnings."""
    if missing:
        fact = replace(fact, no_value=tuple(dict.fromkeys((*missing, *fact.no_value))))
    marks = table.no_value.get(fact.name, {})
    said = told_marks(fact.kind, fact.name, words, marks, data.read.keep)
    return replace(fact, warnings=(*fact.warnings, *said))


def _with_merged_case(fact: ColumnFacts, words: "pd.Series[Any]") -> ColumnFacts:
    """The facts with the words merged that differ by case alone."""
    bare = without_words(words, fact.no_value)
    merged = {**fact.merged, **by_case(counted(class_words(bare)))}
    return replace(fact, merged=merged, merge_case=True)


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
        kind, reason, warnings = value_kind(words, distinct, name, table, fact.dates)
        warnings = (*warnings, *found.warnings)
        no_value = marks if kind == "boolean" else ()
        return replace(
            fact, kind=kind, reason=reason, warnings=warnings, no_value=no_value,
            unread=found.unread,
        )  # fmt: skip
    numbers = found.numbers.dropna()
    kind, reason, warnings = number_kind(numbers, fact.distinct, name, found.reason)
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


def _with_digits_as_dates(fact: ColumnFacts, words: "pd.Series[Any]") -> ColumnFacts:
    """The facts of whole numbers whose column is called a date, or the warning that they may be."""
    numbers = without_words(words, fact.no_value).dropna()
    form, said = date_facts.digits_as_dates(numbers, fact.name)
    fact = replace(fact, warnings=(*fact.warnings, *said))
    if form is None:
        return fact
    return replace(fact, kind="date", dates=FoundDates({form: len(numbers)}))


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
