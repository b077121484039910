"""Words for no value in columns of words: told, and left out of pairs such as yes and no."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.missing import is_mark, listed, told_words
from crisol.core.data.cells.words import yes_word, yes_words
from crisol.models.tabular.data.columns.column_types import is_text
from crisol.models.tabular.data.columns.hints import keeping, of_column
from crisol.models.tabular.schema import Kind

if TYPE_CHECKING:
    import pandas as pd

MOST_WORDS = 1000
"""Different words of a column beyond which none is looked at."""
_FIRST = 5000
"""Cells of which more than 20 different ones are no yes and no."""
_SHORT = re.compile(r"[^\W\d_]{1,3}")


def without_marks(
    words: "pd.Series[Any]", keep: Sequence[str]
) -> "tuple[pd.Series[Any], tuple[str, ...]]":
    """A column of yes and no without the words that say that there is no value, and these."""
    if not is_text(words):
        return words, ()
    first = words.head(_FIRST).unique()
    found = [str(word) for word in (first if len(first) > 20 else words.unique())[:20]]
    marks = tuple(word for word in found if is_mark(word) and word not in keep)
    rest = [word for word in found if word not in marks]
    if not marks or (yes_word(rest) is None and yes_words(dict.fromkeys(rest, 1)) is None):
        return words, ()
    return words[~words.isin(list(marks))], marks


def told_marks(
    kind: Kind,
    name: str,
    words: "pd.Series[Any]",
    left_out: Mapping[str, int],
    keep: Sequence[str],
) -> tuple[str, ...]:
    """Warnings about words for no value in a column of words.

    Args:
        kind: the column's.
        name: likewise.
        words: its cells without missing ones.
        left_out: words that the reader took for no value, with their counts.
        keep: words that a person says are values.
    """
    if kind not in ("category", "boolean", "text") or not is_text(words):
        return ()
    said = list(told_words(name, left_out, lambda word: keeping(word, keep)))
    counts = words.value_counts()
    if len(counts) > MOST_WORDS:
        return tuple(said)
    marks = {
        str(word): int(count)
        for word, count in counts.items()
        if is_mark(str(word)) and word not in keep and _plainly(str(word))
    }
    if marks and kind == "boolean":
        said.append(
            f"{name}: {listed(marks)} count as missing; {keeping(next(iter(marks)), keep)} keeps "
            "it as a word"
        )
    elif marks:
        option = of_column(name, "missing", next(iter(marks)))
        said.append(f"{name}: {listed(marks)} taken for words; {option} makes it missing")
    return tuple(said)


def _plainly(word: str) -> bool:
    """Whether a word says so in a column of words, too: NC and ND are states."""
    return _SHORT.fullmatch(word) is None or word.casefold() in ("na", "nan", "nil")
