"""Columns that name or number the rows, which nothing is learned from."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crisol.core.data.tables.index_columns import is_row_number
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_types import plain
from crisol.models.tabular.data.source_table import PART, SourceTable

if TYPE_CHECKING:
    import pandas as pd

_ID_NAME = re.compile(
    r"(^|[_\s.-])(id|ids|uuid|guid|key|index|idx|rownames?|row_?(id|no|num|number)|unnamed.*)$",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](Id|ID)$")


def is_id_name(name: str) -> bool:
    """Whether a column is called an id, such as ``customer_id``, ``orderId`` and ``index``."""
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def with_id(fact: ColumnFacts, words: "pd.Series[Any]", table: SourceTable) -> ColumnFacts:
    """The facts with the suspicion that the column names or numbers rows."""
    if fact.name in table.found.index:
        return replace(fact, id_reason="the file's index: it numbers or names the rows")
    if fact.kind in ("date", "image", "boolean"):
        return fact
    unique = fact.distinct == len(words) and len(words) > 5
    named = is_id_name(fact.name)
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
