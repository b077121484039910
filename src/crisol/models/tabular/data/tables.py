"""The tables between the nodes of tabular: the schema as a table, and rows of a part.

rows: ``__row__``, ``__part__`` and the source's columns, typed by the schema; images: one row a
picture; parts: one row a row. Their columns are told in :mod:`crisol.models.tabular.data.prepare`.
"""

import json
from typing import TYPE_CHECKING

from crisol.models.tabular.data.source_table import ROW
from crisol.models.tabular.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

_LISTS = ("categories", "no_value", "examples", "merged")


def schema_table(schema: Schema) -> "pd.DataFrame":
    """One row a column; the task, the number of rows and the warnings stand in each."""
    import pandas as pd

    rows = []
    for column in schema.columns:
        cells = column.model_dump(mode="json")
        for name in _LISTS:
            cells[name] = json.dumps(cells[name], ensure_ascii=False)
        cells["task"], cells["rows"] = schema.task, schema.rows
        cells["warnings"] = json.dumps(schema.warnings, ensure_ascii=False)
        rows.append(cells)
    table = pd.DataFrame(rows)
    for name in ("true_word", "date_format", "unit"):
        table[name] = table[name].astype("str")
    for name in ("low", "high"):
        table[name] = table[name].astype("float64")
    return table


def schema_of(table: "pd.DataFrame") -> Schema:
    """The schema that :func:`schema_table` made a table of."""
    columns = []
    for cells in table.to_dict("records"):
        known = {str(n): v for n, v in cells.items() if n not in ("task", "rows", "warnings")}
        known = {n: None if isinstance(v, float) and v != v else v for n, v in known.items()}
        for name in _LISTS:
            if name in known:  # tables of before have fewer columns
                known[name] = json.loads(known[name])
        columns.append(Column.model_validate(known))
    first = table.iloc[0]
    return Schema(
        task=first["task"],
        columns=tuple(columns),
        rows=int(first["rows"]),
        warnings=tuple(json.loads(first["warnings"])),
    )


def select(rows: "pd.DataFrame", parts: "pd.DataFrame", part: str) -> "pd.DataFrame":
    """The rows of a part, in order, numbered from 0.

    Args:
        rows: the table of rows.
        parts: what :func:`crisol.models.tabular.data.parts.split` made of them.
        part: train, test or left_out.
    """
    chosen = parts.loc[parts["part"] == part, "row"]
    return rows[rows[ROW].isin(chosen)].reset_index(drop=True)
