"""A text file from one of its lines on, as UTF-8 bytes, for PyArrow."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

_BLOCK_CHARACTERS = 1 << 22


class _Recoded(io.RawIOBase):
    """The characters of a text stream, in UTF-8."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text, self._left = text, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are characters left."""
        if not self._left:
            self._left = self._text.read(_BLOCK_CHARACTERS).encode("utf-8", "surrogatepass")
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def utf8_from(path: Path, encoding: str, line: int) -> Iterator[BinaryIO]:
    """The bytes of a file from a line on, from 1, in UTF-8 and without a byte order mark."""
    with path.open(encoding=encoding, newline="") as text:
        above = [text.readline() for _ in range(line - 1)]
        if encoding not in ("utf-8", "utf-8-sig"):
            yield cast(BinaryIO, io.BufferedReader(_Recoded(text)))
            return
    begin = len("".join(above).encode())
    with path.open("rb") as stream:
        if encoding == "utf-8-sig" and stream.read(3) == codecs.BOM_UTF8:
            begin += 3
        stream.seek(begin)
        yield stream


@contextmanager
def lines_from(path: Path, encoding: str, line: int) -> Iterator[Iterator[str]]:
    """The lines of a file from one on, from 1."""
    with path.open(encoding=encoding, newline="") as text:
        for _ in range(line - 1):
            text.readline()
        yield iter(text)
