"""ARFF, Weka's format: attributes with their kinds, then rows of cells."""

import re
from pathlib import Path

import pyarrow as pa

from crisol.core.data.outline.layout import Layout
from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.delimited_format import text_encoding
from crisol.core.data.tables.text_columns import TextTable, finished
from crisol.core.errors import MendableError

_ATTRIBUTE = re.compile(
    r"@attribute\s+('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)\s*(.*)", re.IGNORECASE
)
_CELL = re.compile(
    r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,\t'\"][^,\t]*|))\s*([,\t]|$)"
)


def read_arff(path: Path, params: ReadParams, shown: str) -> TextTable:
    """Read an ARFF file: its names, ``?`` as missing, and its rows as text cells.

    Raises:
        MendableError: a row does not fit the attributes, or rows are sparse.
    """
    notes: list[str] = []
    encoding = text_encoding(path, params.encoding, shown, notes)
    names: list[str] = []
    listed: list[str] = []
    columns: list[list[str]] = []
    begin = 0
    with path.open(encoding=encoding) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.strip()
            if not text or text.startswith("%"):
                continue
            if begin:
                _add(text, columns, f"{shown}, line {number}")
            elif text.lower().startswith("@attribute"):
                name, kind = _attribute(text, f"{shown}, line {number}")
                names.append(name)
                if kind.startswith("{"):
                    listed.append(name)
            elif text.lower().startswith("@data"):
                begin = number
                columns = [[] for _ in names]
    if not names or not begin or not columns[0]:
        raise MendableError(f"{shown}: is ARFF without attributes or without rows below @data")
    notes.append("ARFF: names are those of its attributes (read.names)")
    if listed:
        shown_names = ", ".join(listed[:8]) + ("…" if len(listed) > 8 else "")
        notes.append(
            f"nominal attributes: {shown_names}; one of digits is read as numbers unless "
            f"data.columns.{listed[0]}.kind=category says otherwise"
        )
    layout = Layout(begin + 1, tuple(names), len(names))
    table = pa.table(
        [pa.array(column, pa.string()) for column in columns],
        names=[str(i) for i in range(len(names))],
    )
    given = params.model_copy(update={"missing": (*params.missing, "?"), "totals": "keep"})
    return finished(
        table, layout, given, shown, notes, place=lambda row: f"row {row + 1}", encoding=encoding
    )


def _attribute(text: str, where: str) -> tuple[str, str]:
    found = _ATTRIBUTE.fullmatch(text)
    if found is None:
        raise MendableError(f"{where}: is no attribute with a name and a kind")
    name, kind = found[1], found[2].strip()
    if name[:1] in "'\"":
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    if kind.lower().startswith("relational"):
        raise MendableError(f"{where}: relational attributes are not read")
    return name, kind


def _add(text: str, columns: list[list[str]], where: str) -> None:
    """Add a row's cells to the columns."""
    if text.startswith("{"):
        raise MendableError(f"{where}: sparse rows of ARFF are not read; save it as CSV")
    cells, at = [], 0
    while True:
        found = _CELL.match(text, at)
        if found is None:
            raise MendableError(f"{where}: a quote is not closed, or text stands after one")
        quoted = found[1] if found[1] is not None else found[2]
        plain = (found[3] or "").strip()
        cells.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
        if not found[4]:
            break
    if len(cells) != len(columns):
        raise MendableError(
            f"{where}: has {len(cells)} cells where the file has {len(columns)} attributes"
        )
    for column, cell in zip(columns, cells, strict=True):
        column.append(cell)
