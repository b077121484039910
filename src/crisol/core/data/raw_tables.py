"""Validation of raw tables: errors name the file, the row, the rule and how many rows break it.

A row is counted as a person sees it in the file: the first is row 1 and stands in line 2 of a CSV.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pandera.pandas as pa

from crisol.core.data.tables.table_file import TABLES, table_ending
from crisol.core.errors import MendableError


@dataclass(frozen=True)
class RawTableValidator:
    """Checks of a raw table.

    Attributes:
        rows: the table as it was read, numbered from 0. Its ``attrs["first_line"]`` and
            ``attrs["gaps"]``, if there are any, say in which lines its rows stand.
        file: the name of the table in errors.
        error: the type of the errors.
    """

    rows: pd.DataFrame
    file: str
    error: type[MendableError]

    def refuse(self, bad: "pd.Series[bool]", rule: str, column: str | None = None) -> None:
        """Raise where ``bad`` is true, naming the first such row.

        Args:
            bad: by row; may hold some of the rows only.
            rule: the problem, such as ``price is not a number``.
            column: the column whose value the error shows.

        Raises:
            MendableError: of the table's own type.
        """
        if not bad.any():
            return
        index = bad[bad].index[0]
        value = f" ({column} {self.rows.loc[index, column]})" if column else ""
        more = int(bad.sum()) - 1
        raise self.error(
            f"{self.file}, {self.place(index)}: {rule}{value}"
            + (f"; {more} more rows like it" if more else "")
        )

    def refuse_columns(self, needed: Sequence[str], allowed: Sequence[str]) -> None:
        """Raise where a needed column is missing or another than the allowed ones is there.

        Raises:
            MendableError: of the table's own type.
        """
        for name in needed:
            if name not in self.rows.columns:
                raise self.error(
                    f"{self.file}: column {name!r} is missing; needed: {', '.join(needed)}"
                )
        for name in self.rows.columns:
            if name not in allowed:
                raise self.error(
                    f"{self.file}: column {str(name)!r} is unknown; only: {', '.join(allowed)}"
                )

    def conform(self, table: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
        """``table``, made of this one's rows, validated by a pandera schema.

        Raises:
            MendableError: of the table's own type.
        """
        try:
            return schema.validate(table)
        except pa.errors.SchemaError as error:
            raise self.error(f"{self.file}{self._locate(error)}") from error

    def place(self, index: Any) -> str:
        """The place of a row in the file; cells above it may hold several lines of a CSV."""
        row, form = int(index) + 1, TABLES.get(table_ending(self.file))
        if form == "parquet":
            return f"row {row}"
        if form == "jsonl":
            return f"row {row} (line {row})"
        above = self.rows.iloc[: int(index)].select_dtypes(include=["object", "string"])
        breaks = sum(int(above[name].astype("str").str.count("\n").sum()) for name in above)
        first = self.rows.attrs.get("first_line") or 2
        gaps = self.rows.attrs.get("gaps", ())
        breaks += sum(lines for at, lines in gaps if at <= int(index))
        return f"row {row} (line {first + int(index) + breaks})"

    def _locate(self, error: pa.errors.SchemaError) -> str:
        column = getattr(error.schema, "name", None)
        rule = getattr(error.check, "error", None) or str(error.check)
        cases = error.failure_cases
        if isinstance(cases, pd.DataFrame) and len(cases) and pd.notna(cases["index"].iloc[0]):
            index, value = cases["index"].iloc[0], cases["failure_case"].iloc[0]
            return f", {self.place(index)}: {column} {value!s} {rule}"
        return f": {column}: {error}"
