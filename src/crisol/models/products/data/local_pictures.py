"""Finds pictures in a folder by the ends of their addresses; nothing is ever fetched."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd

_ADDRESS = re.compile(r"(?i)(?:https?:)?//\S+")


def with_local_pictures(
    raw: pd.DataFrame, column: str, folder: Path | None, notes: list[str]
) -> pd.DataFrame:
    """The raw products, with files of the folder in place of addresses.

    Args:
        raw: every cell as text.
        column: that holds paths, addresses, or several of them separated by commas.
        folder: of the pictures; ``None``: none was named.
        notes: to which the sentence about what was found is added.

    Returns:
        The table; cells are empty where the folder holds no file of that name.
    """
    cells = raw[column].astype("str").fillna("").str.strip()
    addresses = {cell for cell in cells.unique() if _ADDRESS.match(cell)}
    if not addresses:
        return raw
    known = _files(folder)
    found = {cell: _find(cell, known) for cell in addresses}
    there = int(cells.map(lambda cell: bool(found.get(cell))).sum())
    total = int(cells.isin(addresses).sum())
    where = "no folder is named" if folder is None else f"looked up in {folder}"
    notes.append(
        f"image: {total:,} cells are addresses, which are never fetched; {there:,} files of these "
        f"names are there ({where}: products.data.images)"
    )
    table = raw.copy()
    table[column] = cells.map(lambda cell: found.get(cell, cell)).astype("str")
    table.attrs = dict(raw.attrs)
    return table


def file_name(address: str) -> str:
    """The name of the file at the end of an address.

    >>> file_name("https://cdn.example/s/files/1/blue%20mug.jpg?v=17")
    'blue mug.jpg'
    """
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    return PurePosixPath(unquote(path)).name


def _find(cell: str, known: dict[str, str]) -> str:
    """The first of a cell's addresses whose file is there."""
    for address in re.split(r"[,|]\s*(?=(?:https?:)?//)|\s+", cell):
        name = file_name(address).lower()
        if name in known:
            return known[name]
    return ""


def _files(folder: Path | None) -> dict[str, str]:
    """The files of a folder, by their names in lower case; the first of equal names."""
    if folder is None or not folder.is_dir():
        return {}
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.setdefault(path.name.lower(), path.relative_to(folder).as_posix())
    return found
