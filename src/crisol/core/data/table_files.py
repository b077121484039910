"""A table file with every cell as text.

Ids stay as they are written (``007`` is not 7), ``NA`` is a word, and nothing is guessed from how
a column looks.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.words import as_text
from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.table_file import TableFile, read_table, shown_name
from crisol.core.data.tables.text_columns import NoRowsError

if TYPE_CHECKING:
    import pandas as pd

RAW = ReadParams(missing=("",))
"""Reading options under which only an empty cell is missing."""


def read_raw_table(path: Path, read: ReadParams = RAW) -> "pd.DataFrame":
    """A table file with every cell as text; ``""`` where there is nothing.

    Args:
        path: any file of :func:`crisol.core.data.tables.table_file.read_table`.
        read: the reading options.

    Returns:
        Text columns, without a row where the file holds column names alone. ``attrs["file"]`` names
        the file in errors, ``attrs["notes"]`` holds the sentences about what was detected or
        assumed, ``attrs["delimiter"]`` is the mark between cells, and ``attrs["first_line"]`` and
        ``attrs["gaps"]`` say where rows stand, as in
        :class:`crisol.core.data.tables.table_file.TableFile`. ``attrs["numeric"]`` holds the
        columns that the file has as numbers, which are written with a decimal point.

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: it cannot be read.
    """
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    shown = shown_name(path)
    try:
        file = read_table(path, read, shown)
    except NoRowsError as error:
        file = TableFile(pd.DataFrame(columns=list(error.names), dtype="str"), "csv")
    table = pd.DataFrame(
        {name: _texts(file.frame[name]) for name in file.frame.columns}, dtype="str"
    )
    table.attrs["file"], table.attrs["notes"] = shown, file.notes
    table.attrs["first_line"], table.attrs["gaps"] = file.first_line, file.gaps
    table.attrs["delimiter"] = file.delimiter
    table.attrs["numeric"] = tuple(
        name for name in file.frame.columns if pd.api.types.is_numeric_dtype(file.frame[name])
    )
    return table


def _texts(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """The cells as they would stand in a CSV file."""
    if cells.dtype == "str":
        return cells.fillna("")
    return cells.map(_text, na_action="ignore").astype("str").fillna("")


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return as_text(value) or ""
