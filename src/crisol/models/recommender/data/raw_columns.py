"""A raw table with our names of columns, and its columns of text, ids and numbers."""

from collections.abc import Mapping

import pandas as pd

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.data.read_params import ReadParams
from crisol.core.data.table_files import RAW
from crisol.core.errors import MendableError
from crisol.models.recommender.data.amounts import read_numbers
from crisol.models.recommender.data.column_names import OPTIONS, Table, name_columns
from crisol.models.recommender.data.ids import READ_AS_TEXT, ids, no_id

DEFAULT_SOURCE = "shop"
ATTRIBUTE_SEPARATOR = "|"
NOTES = "notes"
"""In ``attrs`` of a validated table: what was assumed of the file, a sentence each."""
_THEIRS = "theirs"
_MOST_COLUMNS = 20


class TableError(MendableError):
    """Raw events, items or users that cannot be used; the message names file, row and rule."""


def notes_of(table: pd.DataFrame) -> list[str]:
    """The notes on what was assumed when a table was validated."""
    return list(table.attrs.get(NOTES, []))


def told(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The table with the notes about it."""
    table.attrs[NOTES] = notes
    return table


def raw_table(
    table: pd.DataFrame,
    file: str,
    kind: Table,
    needed: tuple[str, ...],
    columns: Mapping[str, str] | None,
) -> tuple[RawTableValidator, list[str]]:
    """The table with our names of columns, and what was assumed of it so far."""
    if len(table.columns) and str(table.columns[0]).startswith("\ufeff"):
        raise TableError(f"{file}: starts with a byte-order mark; read it with {READ_AS_TEXT}")
    found = name_columns(table.reset_index(drop=True), kind, file, columns or {}, TableError)
    found.rows.attrs = {**table.attrs, _THEIRS: dict(found.theirs)}
    raw = RawTableValidator(found.rows, file, TableError)
    for name in needed:
        if name not in found.rows:
            raise TableError(_missing(name, [str(column) for column in table.columns], file, kind))
    of_reader = (f"{file}: {note}" for note in notes_of(table))
    return raw, [*of_reader, *found.notes]


def _missing(name: str, columns: list[str], file: str, kind: Table) -> str:
    """The refusal of a table without a column that is needed."""
    there = ", ".join(columns[:_MOST_COLUMNS])
    if len(columns) > _MOST_COLUMNS:
        there += f" and {len(columns) - _MOST_COLUMNS} more; a matrix of users and items is not "
        there += "read: give one row to each event"
    option = f"recommender.data.{OPTIONS[kind]}.{name}"
    if all(column.startswith("column_") for column in columns):
        return (
            f"{file}: has no header, and column {name!r} is not known; there are: {there}. "
            f"{option}={columns[0]} says that it is the first, and recommender.data.read.names in "
            "a file of parameters names all"
        )
    return (
        f"{file}: column {name!r} is missing; there are: {there}. {option}=… says which one it is"
    )


def sources_of(raw: RawTableValidator) -> pd.Series:
    """The source of each row."""
    if "source" not in raw.rows:
        return pd.Series(DEFAULT_SOURCE, index=raw.rows.index, dtype="str")
    return needed_ids(raw, "source", [], RAW)


def needed_ids(raw: RawTableValidator, name: str, notes: list[str], read: ReadParams) -> pd.Series:
    """Ids of which none may be missing."""
    found = ids(raw, name, notes)
    raw.refuse(found == "", f"{name} is empty")
    if name != "source":
        raw.refuse(no_id(found, read.keep), *rule_of_none(name, found, read))
    return found


def their_name(raw: RawTableValidator, name: str) -> str:
    """The name that one of our columns has in the file."""
    return str(raw.rows.attrs[_THEIRS].get(name, name))


def rule_of_none(name: str, found: pd.Series, read: ReadParams) -> tuple[str, str]:
    """The rule that an id breaks which says that there is none, and the column."""
    word = found[no_id(found, read.keep)]
    kept = f"recommender.data.read.keep={word.iloc[0]}" if len(word) else ""
    return f"{name} says that there is none; {kept} keeps it as an id", name


def optional_text(raw: RawTableValidator, name: str) -> pd.Series:
    """Text, ``""`` where a cell is empty or the column is not there."""
    if name not in raw.rows:
        return pd.Series("", index=raw.rows.index, dtype="str")
    return raw.rows[name].astype("str").fillna("").str.strip()


def attributes_of(raw: RawTableValidator) -> pd.Series:
    """``a|b|c``; none of them empty."""
    column = optional_text(raw, "attributes")
    parts = ATTRIBUTE_SEPARATOR + column + ATTRIBUTE_SEPARATOR
    empty = (column != "") & parts.str.contains(r"\|\s*\|", regex=True)
    raw.refuse(empty, "an attribute between | and | is empty", "attributes")
    return column


def numbers_of(raw: RawTableValidator, name: str, notes: list[str], read: ReadParams) -> pd.Series:
    """float64, NaN where the cell is empty."""
    if name not in raw.rows:
        return pd.Series(float("nan"), index=raw.rows.index, dtype="float64")
    cells = raw.rows[name]
    typed = their_name(raw, name) in raw.rows.attrs.get("numeric", ())
    found = read_numbers(cells, name, read, typed=typed)
    given = cells.notna() & (cells.astype("str").str.strip() != "")
    raw.refuse(given & found.numbers.isna(), found.fault, name)
    notes += [f"{raw.file}: {note}" for note in found.notes]
    return found.numbers
