"""JSON and JSON lines as tables: each object is a row, each of its keys a column."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.words import as_text
from crisol.core.data.read_params import Format, ReadParams
from crisol.core.data.text_files import HALF_CHARACTER, json_problem, unreadable
from crisol.core.errors import MendableError

if TYPE_CHECKING:
    import pandas as pd


def read_json(path: Path, params: ReadParams, shown: str) -> tuple[Format, "pd.DataFrame"]:
    """Read a list of objects, an object that holds one (``{"data": [...]}``), or JSON lines.

    Raises:
        MendableError: it is none of these; names the item where there is one.
    """
    text = _text(path, params, shown)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):  # more than one document: JSON lines under another name
            return "jsonl", read_json_lines(path, params, shown)
        raise MendableError(f"{shown}: {json_problem(error)}") from error
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise MendableError(
                f"{shown}: is an object that holds {len(lists)} lists; give a list of objects, "
                '{"data": [...]}, or JSON lines'
            )
        document = lists[0]
    if not isinstance(document, list):
        raise MendableError(f"{shown}: is no list of objects")
    return "json", _objects(enumerate(document, start=1), params, shown, "item")


def read_json_lines(path: Path, params: ReadParams, shown: str) -> "pd.DataFrame":
    """Read one object a line.

    Raises:
        MendableError: a line is no JSON object; names the line.
    """

    def parsed() -> Iterable[tuple[int, Any]]:
        for number, line in enumerate(_text(path, params, shown).split("\n"), start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    problem = json_problem(error)
                    raise MendableError(f"{shown}, line {number}: {problem}") from error

    return _objects(parsed(), params, shown, "line")


def _text(path: Path, params: ReadParams, shown: str) -> str:
    data = path.read_bytes()
    encoding = params.encoding or json.detect_encoding(data)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeError as error:
        raise MendableError(
            f"{shown}: is not {encoding} text ({unreadable(error)}); save it as UTF-8, or name "
            "its encoding (read.encoding)"
        ) from error


def _objects(
    items: Iterable[tuple[int, Any]], params: ReadParams, shown: str, called: str
) -> "pd.DataFrame":
    """Objects to columns, one value a row; absent keys are missing."""
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    missing = set(params.missing)
    for count, (number, item) in enumerate(items):
        if not isinstance(item, dict):
            raise MendableError(
                f"{shown}, {called} {number}: is no object but {json.dumps(item)[:40]}; every row "
                'is an object such as {"age": 39}'
            )
        for name in item:
            if name not in columns:
                columns[name] = [None] * count
        for name, values in columns.items():
            value = item.get(name)
            if isinstance(value, str):
                value = value.strip()
                value = None if value in missing else value
            values.append(value)
    try:
        return pd.DataFrame({name: _typed(values) for name, values in columns.items()})
    except UnicodeEncodeError as error:
        raise MendableError(f"{shown}: {HALF_CHARACTER}") from error


def _typed(values: list[Any]) -> "pd.Series[Any]":
    """Values of one column in one type: booleans, numbers, or text."""
    import pandas as pd

    there = [v for v in values if v is not None and v == v]
    if there and all(isinstance(v, bool) for v in there):
        return pd.Series([v if isinstance(v, bool) else None for v in values], dtype="boolean")
    if there and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 2**53 for v in there
    ):
        return pd.Series([float("nan") if v is None else float(v) for v in values])
    return pd.Series([as_text(v) for v in values], dtype="str")
