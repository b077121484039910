"""The reading options of a table file. Light: importing it loads no library."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from crisol.core.data.text_files import Encoding
from crisol.core.params import Params, Words

Format = Literal["auto", "csv", "json", "jsonl", "parquet", "feather", "sheet", "arff", "images"]


def _one_byte(delimiter: str) -> str:
    if not delimiter.isascii() or delimiter in '\0\n\r"':
        raise ValueError(
            "must be one ASCII character, such as ; or a tab, and no quote and no line break"
        )
    return delimiter


Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_one_byte)]
"""The mark between two cells of a text table."""


def _cell_words(cells: Any) -> Any:
    several = cells if isinstance(cells, list | tuple) else [cells]
    return tuple(
        f"{cell:.15g}" if isinstance(cell, int | float) and not isinstance(cell, bool) else cell
        for cell in several
    )


CellWords = Annotated[Words, BeforeValidator(_cell_words)]
"""Cells as they stand in a text table; one alone is taken, and numbers (-999) are."""


def _mark(word: Any) -> Any:
    return {"point": ".", "comma": ","}.get(word, word) if isinstance(word, str) else word


DecimalMark = Annotated[Literal[".", ","], BeforeValidator(_mark)]
"""The mark before a fraction; ``point`` and ``comma`` are taken, too, for command lines."""


class ReadParams(Params):
    """The format of the raw file; fields that are ``None`` are detected, and reported."""

    format: Format = "auto"
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    quote: Literal['"', "'"] | None = None
    """The quote around cells that hold the delimiter or a line break."""
    escape: bool | None = None
    """Whether a backslash takes the meaning of the character that follows it."""
    skip: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """The number of lines (rows of a sheet) before the header, or before the first row."""
    comment: Annotated[str, Field(max_length=4)] | None = None
    """The mark that lines of comments begin with; ``""`` if there are none."""
    header: bool | None = None
    units: bool | None = None
    """Whether the row below the header holds units, which are no values."""
    totals: Literal["auto", "keep", "drop"] = "auto"
    """Rows at the end that are called total or mean: ``auto`` leaves out those that agree with the
    rows above them."""
    day_first: bool | None = None
    """Whether 05/06/2024 is in June; it decides where no cell of a column tells. Unset: by other
    columns of dates, the order of the rows, or the mark (with a slash the month is first)."""
    names: Words = ()
    """Names of the columns, in file order, where there is no header or to replace it."""
    missing: CellWords = ("", "?", "NA", "N/A", "nan", "NaN", "null", "NULL")
    """Cells that say that there is no value. In a column of numbers or dates, further words do
    (:mod:`crisol.core.data.cells.missing`)."""
    keep: CellWords = ()
    """Words that are values, in every column: never missing (``NA`` for Namibia)."""
    decimal: DecimalMark | None = None
    """The decimal mark of numbers in text cells, ``point`` or ``comma``; unset: by the
    cells of each column, and where none of them tells, by the other columns and the separator."""
    sheet: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The name of the sheet, of a spreadsheet that has several."""

    @property
    def no_value(self) -> tuple[str, ...]:
        """The cells that say that there is no value, without those that are kept."""
        return tuple(word for word in self.missing if word not in self.keep)
