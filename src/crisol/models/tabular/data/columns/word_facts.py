"""The spellings of a column's words: those that are merged, and the warnings about them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.words import SEVERAL, by_case, yes_words
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_types import class_words, counted, is_text
from crisol.models.tabular.data.columns.hints import of_column, of_data
from crisol.models.tabular.params import DataParams

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


def target_words(
    cells: "pd.Series[Any]", name: str, data: DataParams, no_value: Sequence[str] = ()
) -> "pd.Series[Any]":
    """The cells of a class target as words, with the spellings merged that the options say.

    Args:
        cells: as they were read.
        name: the column's.
        data: the options.
        no_value: cells that say that there is no value.
    """
    over = data.columns.get(name)
    merged = {} if over is None else dict(over.merge)
    words = class_words(cells, data.label_strip, merged, no_value)
    if not data.merge_case:
        return words
    return class_words(words, merged=by_case(counted(words)))


def spelling_warnings(
    cells: "pd.Series[Any]", fact: ColumnFacts, data: DataParams, *, target: bool
) -> list[str]:
    """The warnings about words that are one word, and about those that may be.

    Args:
        cells: as they were read.
        fact: about their column.
        data: the options.
        target: whether the words are classes.
    """
    if target:
        words = target_words(cells, fact.name, data, fact.no_value)
    else:
        words = class_words(cells, merged=fact.merged, no_value=fact.no_value)
    said = []
    if is_text(cells):
        there = words[words.notna() & ~cells.duplicated()]
        said += _merged(fact.name, dict(zip(cells[there.index].astype(str), there, strict=True)))
    return said + _unmerged(fact.name, counted(words), classes=target)


def boolean_warnings(cells: "pd.Series[Any]", fact: ColumnFacts) -> list[str]:
    """The warning about a yes-or-no column of more than two words."""
    if not is_text(cells):
        return []
    words = counted(class_words(cells, merged=fact.merged, no_value=fact.no_value))
    if len(words) <= 2 or fact.true_word is None:
        return []
    yes = [word for word in words if word in fact.true_word.split(SEVERAL)]
    no = [word for word in words if word not in yes]
    kept = of_column(fact.name, "kind", "category")
    read = f"{_listed(yes, words)} are read as yes, {_listed(no, words)} as no"
    return [f"{fact.name}: {read}; {kept} keeps them apart"]


def _listed(some: list[str], counts: dict[str, int]) -> str:
    return ", ".join(f"{word!r} ({counts[word]:,})" for word in some[:_SHOWN])


def _merged(name: str, pairs: dict[str, str]) -> list[str]:
    """The warning about spellings that count as one word."""
    by_word: dict[str, list[str]] = {}
    for spelling, word in pairs.items():
        by_word.setdefault(word, []).append(spelling)
    several = {word: found for word, found in by_word.items() if len(found) > 1}
    if not several:
        return []
    shown = "; ".join(
        f"{', '.join(map(repr, found[:_SHOWN]))} as {word!r}"
        for word, found in list(several.items())[:_SHOWN]
    )
    return [f"{name}: spellings that count as one word: {shown}"]


def _unmerged(name: str, counts: dict[str, int], *, classes: bool) -> list[str]:
    """The warning about words that differ in case alone, or that all say yes or no."""
    what = "classes" if classes else "words"
    sides = yes_words(counts) if classes else None
    if sides is not None and len(counts) > 2:
        other: dict[str, str] = {}
        for side in sides:
            kept = next((word for word in side if word.isalpha()), side[0])
            other |= {word: kept for word in side if word != kept}
        listed = ", ".join(repr(word) for word in counts)
        merge = of_column(name, "merge", other)
        said = f"the {what} {listed} look like yes and no in several spellings"
        return [f"{name}: {said}; {merge} merges them"]
    case = by_case(counts)
    if not case:
        return []
    shown = ", ".join(
        f"{word!r} ({counts[word]:,}) and {kept!r} ({counts[kept]:,})"
        for word, kept in list(case.items())[:_SHOWN]
    )
    named = dict(list(case.items())[:_SHOWN])
    every, some = of_data("merge_case", value=True), of_column(name, "merge", named)
    said = f"{what} that differ in case alone: {shown}"
    return [f"{name}: {said}; {every} merges such words in every column, {some} those named"]
