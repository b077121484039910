"""The encoding of a text table, and its first lines."""

import codecs
from pathlib import Path

from crisol.core.data.text_files import unreadable
from crisol.core.errors import MendableError

_HEAD_CHARACTERS = 1 << 18
_MAX_HEAD = 1 << 23
_HEAD_LINES = 20
"""A head of wide rows grows until it has so many lines, or ``_MAX_HEAD`` characters."""
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
    bare = _bare_utf16(start)
    if bare is not None:
        _decodable(path, bare, shown)
        notes.append(f"{bare} by its zero bytes; it has no byte order mark (read.encoding)")
        return bare
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
                    "whether accents are right, or name the encoding (read.encoding), such as "
                    "cp1250, cp1251 or mac-roman"
                )
            continue
        return name
    return "latin-1"


def _bare_utf16(start: bytes) -> str | None:
    """UTF-16 without its mark: nearly every second byte is zero, and no other."""
    odd, even = start[1::2].count(0), start[::2].count(0)
    if odd > 0.4 * len(start[1::2]) and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * len(start[::2]) and odd == 0 else None


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


def first_lines(path: Path, encoding: str, shown: str) -> tuple[str, bool]:
    """The first rows as text, in whole lines where there are more, and whether these are all."""
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
    return lines, not more
