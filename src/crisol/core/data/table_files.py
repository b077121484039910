"""Tables as people have them: CSV of any separator, JSON lines or Parquet, every cell as text.

Ids stay as they are written (``007`` is not 7), ``NA`` is a word, and nothing is guessed from how
a column looks.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from crisol.core.data.text_files import (
    HALF_CHARACTER,
    json_problem,
    known_encoding,
    unreadable,
)
from crisol.core.errors import MendableError

ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".parquet")
SEPARATORS = (",", ";", "\t", "|")


def read_raw_table(path: Path, encoding: str = "utf-8-sig") -> pd.DataFrame:
    """A table file with every cell as text; ``""`` where there is nothing.

    Args:
        path: ends in one of :data:`ENDINGS`; a CSV's separator is the one of :data:`SEPARATORS`
            that divides its header into the most columns.
        encoding: of text files.

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: another ending, a column twice or without a name, a row that is longer or
            shorter than the header, another encoding, or a file that is broken.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise MendableError(f"{path}: cannot be read; its name must end in {', '.join(ENDINGS)}")
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    try:
        known_encoding(encoding)
    except MendableError as error:
        raise MendableError(f"{path}: encoding: {error}") from None
    try:
        if ending == ".parquet":
            table = _parquet(path)
        elif ending == ".jsonl":
            table = _json_lines(path, encoding)
        else:
            table = _separated(path, encoding, "\t" if ending == ".tsv" else None)
    except UnicodeError as error:
        raise MendableError(
            f"{path}: is not {encoding} text ({unreadable(error)}); save it as "
            "UTF-8, or name its encoding in the catalog entry (encoding: cp1252)"
        ) from error
    # As it was named in the catalog, which Kedro makes absolute.
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    table.attrs["file"] = shown.as_posix()
    return table


def _separated(path: Path, encoding: str, separator: str | None) -> pd.DataFrame:
    # Line breaks stay as they are: those within quotes belong to their cells.
    with path.open(encoding=encoding, newline="") as stream:
        text = stream.read()
    head = text.lstrip().partition("\n")[0]
    counts = {mark: len(next(csv.reader([head], delimiter=mark), [])) for mark in SEPARATORS}
    separator = separator or max(SEPARATORS, key=lambda mark: counts[mark])
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: list[str] = []
    rows: list[list[str]] = []
    try:
        for cells in lines:
            if not names:
                names = [name.strip() for name in cells]
            elif len(cells) == len(names):
                rows.append(cells)
            elif cells:
                raise MendableError(
                    f"{path}, row {len(rows) + 1} (line {lines.line_num}): has {len(cells)} cells, "
                    f"the header {len(names)}; a cell that holds {separator!r} or a line break "
                    "stands between double quotes"
                )
    except csv.Error as error:
        raise MendableError(f"{path}, line {lines.line_num}: {error}") from error
    _check_names(path, names)
    return pd.DataFrame(rows, columns=names, dtype="str")


def _json_lines(path: Path, encoding: str) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_text(encoding=encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MendableError(f"{path}, line {number}: {json_problem(error)}") from error
        if not isinstance(row, dict):
            raise MendableError(f"{path}, line {number}: is no JSON object")
        rows.append({name: _as_text(value) for name, value in row.items()})
    try:
        table = pd.DataFrame(rows, dtype="str").fillna("")
    except UnicodeEncodeError as error:
        raise MendableError(f"{path}: {HALF_CHARACTER}") from error
    _check_names(path, list(table.columns))
    return table


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow
    import pyarrow.parquet

    try:
        columns = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise MendableError(f"{path}: is no Parquet file that can be read: {error}") from error
    _check_names(path, columns.column_names)
    return pd.DataFrame(
        {
            name: pd.Series([_as_text(value) for value in columns[name].to_pylist()], dtype="str")
            for name in columns.column_names
        }
    )


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse a table without columns, or with two columns of one name."""
    if not names:
        raise MendableError(f"{path}: holds no columns")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise MendableError(f"{path}: column {twice[0]!r} is there twice; rename one of them")


def _as_text(value: Any) -> str:
    """The text of a cell as in a CSV file."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
