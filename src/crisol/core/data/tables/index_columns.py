"""Columns that number the rows, as pandas writes its index."""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

_NAMES = re.compile(r"unnamed: ?\d+(\.\d+)*|index|level_\d+|__index_level_\d+__", re.IGNORECASE)
_MOST_YEARS = 300
"""More rows in a row of years count something else."""
_WRITTEN = re.compile(r"__index_level_\d+__")


def text_index(
    table: "pa.Table", unnamed: Sequence[str], known: Sequence[str], notes: list[str]
) -> tuple[str, ...]:
    """The columns of a text table that are an index.

    Args:
        table: text columns with their names.
        unnamed: the columns that had none in the file.
        known: columns that are row names by the file's layout.
        notes: sentences; one is added.
    """
    found = list(known)
    for name in table.column_names:
        if name not in unnamed and not _NAMES.fullmatch(name):
            continue
        numbers = _whole_cells(table.column(name))
        if numbers is not None and (
            is_unique(numbers) or (name in unnamed and _numbers_some_twice(numbers))
        ):
            found.append(name)
    _tell(found, notes)
    return tuple(dict.fromkeys(found))


def frame_index(frame: "pd.DataFrame", notes: list[str]) -> tuple[str, ...]:
    """The columns of JSON rows that are an index by their names."""
    import numpy as np

    found = []
    for name in map(str, frame.columns):
        cells = frame[name]
        if not _NAMES.fullmatch(name) or cells.dtype.kind not in "if" or cells.isna().any():
            continue
        numbers = cells.to_numpy(dtype=np.float64)
        if (numbers % 1 == 0).all() and is_unique(numbers):
            found.append(name)
    _tell(found, notes)
    return tuple(found)


def typed_index(table: "pa.Table", notes: list[str]) -> tuple[str, ...]:
    """The columns of a Parquet or Feather file that are an index, by pandas' own metadata."""
    found = []
    names = [str(name) for name in table.column_names]
    written = _index_names(table)
    for name in names:
        if name not in written and not _NAMES.fullmatch(name):
            continue
        numbers = _whole_numbers(table.column(name))
        if numbers is None:
            continue
        if (name in written and _WRITTEN.fullmatch(name)) or (
            is_unique(numbers) and (_NAMES.fullmatch(name) or is_row_number(numbers))
        ):
            found.append(name)
    notes += [
        f"{name} is pandas' index; it numbers no rows and stays a column"
        for name in written
        if name in names and name not in found and _WRITTEN.fullmatch(name)
    ]
    _tell(found, notes)
    return tuple(found)


def _index_names(table: "pa.Table") -> list[str]:
    metadata = (table.schema.metadata or {}).get(b"pandas")
    if metadata is None:
        return []
    try:
        named = json.loads(metadata).get("index_columns", [])
    except (ValueError, AttributeError):
        return []
    return [name for name in named if isinstance(name, str)]


def _tell(found: Sequence[str], notes: list[str]) -> None:
    if found:
        notes.append(
            f"{', '.join(found)}: numbers or names the rows (an index) and is no value of them"
        )


def _whole_cells(column: "pa.ChunkedArray") -> "NDArray[np.int64] | None":
    """Text cells as whole numbers; ``None`` where one is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.match_substring_regex(column, r"^-?\d{1,15}(\.0)?$")
    if len(column) == 0 or not pc.all(whole).as_py():
        return None
    found: NDArray[np.int64] = (
        pc.cast(pc.cast(column, pa.float64()), pa.int64()).combine_chunks().to_numpy()
    )
    return found


def _whole_numbers(column: "pa.ChunkedArray") -> "NDArray[np.int64] | None":
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(column.type) or column.null_count or len(column) == 0:
        return None
    try:
        found: NDArray[np.int64] = pc.cast(column, pa.int64()).combine_chunks().to_numpy()
    except pa.ArrowInvalid:
        return None
    return found


def is_unique(numbers: "NDArray[Any]") -> bool:
    """Whether no number is there twice."""
    import numpy as np

    return len(np.unique(numbers)) == len(numbers)


def _numbers_some_twice(numbers: "NDArray[np.int64]") -> bool:
    """Whether numbers without a name are an index of rows drawn, or put together, anew."""
    import numpy as np

    distinct = len(np.unique(numbers))
    return bool(numbers.min() >= 0 and distinct >= 10 and distinct > 0.4 * len(numbers))


def is_row_number(numbers: "NDArray[Any]") -> bool:
    """Whether numbers are those of the rows: 0 or 1 to their count, in any order, or a counter.

    A counter rises by one from row to row. Years are none, and neither are larger steps: doses of
    0, 10 and 20 are measured values.

    >>> import numpy as np
    >>> is_row_number(np.array([2, 0, 1])), is_row_number(np.array([10, 11, 12]))
    (True, True)
    >>> is_row_number(np.array([2001, 2002, 2003])), is_row_number(np.array([10, 20, 30]))
    (False, False)
    """
    import numpy as np

    if len(numbers) < 2 or not is_unique(numbers):
        return False
    low, high = float(numbers.min()), float(numbers.max())
    if low in (0.0, 1.0) and high - low == len(numbers) - 1:
        return True
    if low >= 1500 and high <= 2200 and len(numbers) <= _MOST_YEARS:
        return False
    return bool((np.diff(numbers) == 1).all())
