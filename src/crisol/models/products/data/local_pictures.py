"""Finds pictures in a folder by the ends of their addresses; nothing is ever fetched."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
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
    single = {cell: _addresses(cell) for cell in addresses}
    asked = Counter(file_name(one).lower() for one in {a for each in single.values() for a in each})
    found = {cell: _find(each, known, asked) for cell, each in single.items()}
    there = int(cells.map(lambda cell: bool(found.get(cell))).sum())
    total = int(cells.isin(addresses).sum())
    where = "no folder is named" if folder is None else f"looked up in {folder}"
    notes.append(
        f"image: {total:,} cells are addresses, which are never fetched; for {there:,} of them a "
        f"file of that name is there ({where}: products.data.images)"
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
    return PurePosixPath(unquote(_path(address))).name


def _path(address: str) -> str:
    try:
        return urlsplit(address.strip()).path
    except ValueError:
        return ""


def _addresses(cell: str) -> list[str]:
    return re.split(r"[,|;]\s*(?=(?:https?:)?//)", cell)


def _find(addresses: Sequence[str], known: Mapping[str, str | None], asked: Counter[str]) -> str:
    """The file of the first address that has one: by the end of its path, else by its name.

    A name that several addresses or several files have tells nothing.
    """
    for address in addresses:
        parts = PurePosixPath(unquote(_path(address)).lower()).parts
        for start in range(len(parts)):
            end = "/".join(parts[start:]).strip("/")
            if start == len(parts) - 1 and asked[end] > 1:
                continue
            if file := known.get(end):
                return file
    return ""


def _files(folder: Path | None) -> dict[str, str | None]:
    """The files of a folder by their paths and names in lower case; ``None``: several have it."""
    if folder is None or not folder.is_dir():
        return {}
    found: dict[str, str | None] = {}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        name = path.name.lower()
        found[name] = None if name in found else path.relative_to(folder).as_posix()
    return found | {
        path.relative_to(folder).as_posix().lower(): path.relative_to(folder).as_posix()
        for path in paths
        if path.parent != folder
    }
