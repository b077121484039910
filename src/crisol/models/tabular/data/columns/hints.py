"""The option that a warning names, as a person writes it."""

from collections.abc import Sequence
from typing import Any

from crisol.core.options import option


def of_column(name: str, field: str, value: Any) -> str:
    """A field of one column's overrides.

    >>> of_column("zip.code", "kind", "number")
    'tabular.data.columns.zip.code.kind=number'
    """
    return option("tabular", "data", "columns", name, field, value=value)


def of_data(*path: str, value: Any) -> str:
    """A field of the section ``data``.

    >>> of_data("read", "day_first", value=True)
    'tabular.data.read.day_first=true'
    """
    return option("tabular", "data", *path, value=value)


def keeping(word: str, kept: Sequence[str]) -> str:
    """The option that keeps a word as a value, beside those that are kept.

    >>> keeping("NA", ())
    'tabular.data.read.keep=NA'
    """
    return of_data("read", "keep", value=[*kept, word] if kept else word)
