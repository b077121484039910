"""The format of a text table: its encoding, its separator and whether it has a header."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from crisol.core.data.cells.numbers import looks_like_number
from crisol.core.data.text_files import unreadable
from crisol.core.errors import MendableError

SEPARATORS = (",", ";", "\t", "|")
BLANKS = " "
"""Cells in columns of blanks, as older public tables have them; looked for where no mark fits."""
_HEAD_CHARACTERS = 1 << 18
_MAX_HEAD = 1 << 23
_HEAD_LINES = 20
"""A head of wide rows grows until it has so many lines, or ``_MAX_HEAD`` characters."""
_HEAD_ROWS = 200
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_encoding(path: Path, given: str | None, shown: str, notes: list[str]) -> str:
    """The name of the text's encoding: the given one, that of its mark, UTF-8, or Windows' own."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    if not start:
        raise MendableError(f"{shown}: is empty; it needs a row of column names and rows below it")
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
    if given is not None:
        _decodable(path, given, shown)
        return "utf-8-sig" if marked == "utf-8-sig" and _is_utf8(given) else given
    if marked is not None:
        _decodable(path, marked, shown)
        notes.append(f"{marked} by its byte order mark")
        return marked
    if b"\0" in start:
        raise MendableError(
            f"{shown}: is no text (it holds zero bytes); give a CSV, JSON or Parquet file, or name "
            "its encoding (read.encoding: utf-16-le)"
        )
    for name in ("utf-8", "cp1252"):
        try:
            _decode(path, name)
        except UnicodeDecodeError as error:
            if name == "utf-8":
                notes.append(
                    f"not UTF-8 (byte {error.start}), read as Windows or Latin-1 text: look "
                    "whether accents are right, or name the encoding"
                )
            continue
        return name
    return "latin-1"


def _is_utf8(name: str) -> bool:
    return codecs.lookup(name).name == "utf-8"


def _decode(path: Path, encoding: str) -> None:
    """Decode the whole file, block by block.

    Raises:
        UnicodeDecodeError: it is not in that encoding; ``start`` counts from the file's start.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    at = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                error.start += at
                raise
            at += len(block)
    decoder.decode(b"", final=True)


def _decodable(path: Path, encoding: str, shown: str) -> None:
    try:
        _decode(path, encoding)
    except UnicodeError as error:
        raise MendableError(
            f"{shown}: is not {encoding} text ({unreadable(error)}); name another "
            "encoding (read.encoding) or save it as UTF-8"
        ) from error


def first_lines(path: Path, encoding: str, shown: str) -> str:
    """The first rows as text, in whole lines where there are more."""
    text = ""
    with path.open(encoding=encoding, newline="") as stream:
        while piece := stream.read(_HEAD_CHARACTERS):
            text += piece
            if len(text) >= _MAX_HEAD or text.count("\n") + text.count("\r") >= _HEAD_LINES:
                break
        more = bool(stream.read(1))
    if "\0" in text:
        raise MendableError(f"{shown}: is no text (it holds zero bytes)")
    lines = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] if more else text
    if not lines:
        raise MendableError(
            f"{shown}: its first row has more than {_MAX_HEAD:,} characters; a row ends with a "
            "line break"
        )
    return lines


def first_rows(head: str, separator: str) -> list[list[str]]:
    """The first rows, cut into cells."""
    found: list[list[str]] = []
    stream: Iterable[str] = io.StringIO(head, newline="")
    if separator == BLANKS:
        stream = (line.replace("\t", BLANKS).strip() for line in stream)
    lines = csv.reader(stream, delimiter=separator, skipinitialspace=True)
    try:
        for cells in lines:
            if cells:
                found.append([cell.strip() for cell in cells])
            if len(found) == _HEAD_ROWS:
                break
    except csv.Error:  # PyArrow reads the file, and says what is wrong with it
        pass
    return found


def find_separator(head: str) -> str:
    """The mark that cuts the rows into the most columns of which every row has as many."""
    best, score = ",", (0.0, 1)
    for mark in SEPARATORS:
        width, share = _width(first_rows(head, mark))
        if width > 1 and (round(share, 1), width) > score:
            best, score = mark, (round(share, 1), width)
    if score[1] == 1 or best == "\t":
        rows = first_rows(head, BLANKS)
        width, share = _width(rows)
        cells = [cell for row in rows[1:] for cell in row]
        if (
            width > score[1]
            and share == 1
            and sum(map(looks_like_number, cells)) > 0.5 * len(cells)
        ):
            return BLANKS
    return best


def _width(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    """The most frequent number of cells, and the share of the rows that have as many."""
    counts = Counter(map(len, rows))
    if not counts:
        return 0, 0.0
    width, count = counts.most_common(1)[0]
    return width, count / counts.total()


def has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first row names the columns, and why: names are not of their columns' kinds."""
    first, below = rows[0], rows[1:]
    if not below:
        return True, "there is no other row"
    kinds_differ = kinds_agree = repeated = 0
    for at, cell in enumerate(first):
        cells = [row[at] for row in below if at < len(row) and row[at]]
        if not cells:
            continue
        if sum(map(looks_like_number, cells)) >= 0.9 * len(cells):
            if looks_like_number(cell):
                kinds_agree += 1
            elif cell:
                kinds_differ += 1
        elif cell in set(cells):
            repeated += 1
    if kinds_agree > kinds_differ:
        return False, "its cells are numbers like those below"
    if kinds_differ:
        return True, "its cells are words above numbers"
    if repeated:
        return False, "its words occur below it, too"
    return True, "its words occur nowhere below it"
