"""The reading options of a table file. Light: importing it loads no library."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from crisol.core.data.text_files import Encoding
from crisol.core.params import Params, Words

Format = Literal["auto", "csv", "json", "jsonl", "parquet", "images"]


def _one_byte(delimiter: str) -> str:
    if not delimiter.isascii() or delimiter in '\0\n\r"':
        raise ValueError(
            "must be one ASCII character, such as ; or a tab, and no quote and no line break"
        )
    return delimiter


Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_one_byte)]
"""The mark between two cells of a text table."""


class ReadParams(Params):
    """The format of the raw file; fields that are ``None`` are detected, and reported."""

    format: Format = "auto"
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    header: bool | None = None
    day_first: bool | None = None
    """Whether 05/06/2024 is in June; it decides where no cell of a column tells. Unset: by other
    columns of dates, the order of the rows, or the mark (with a slash the month is first)."""
    names: Words = ()
    """Names of the columns, in file order, where there is no header or to replace it."""
    missing: Words = ("", "?", "NA", "N/A", "nan", "NaN", "null", "NULL")
    """Cells that say that there is no value."""
