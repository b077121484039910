"""Files packed by gzip, bzip2 or xz, unpacked to a file for a while."""

import bz2
import gzip
import lzma
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from crisol.core.errors import MendableError

MAX_UNPACKED_BYTES = 2 << 30
_MAX_TIMES = 400
_BLOCK = 1 << 20


@contextmanager
def unpacked(path: Path, how: str, shown: str) -> Iterator[Path]:
    """The content of a packed file, as a file that is gone afterwards.

    Args:
        path: the packed file.
        how: ``gzip``, ``bzip2`` or ``xz``.
        shown: what errors call the file.

    Raises:
        MendableError: it is broken, or unpacks to more than 2 GiB or 400 times its size.
    """
    most = min(MAX_UNPACKED_BYTES, max(_BLOCK, path.stat().st_size * _MAX_TIMES))
    ending = Path(path.stem).suffix
    with tempfile.TemporaryDirectory(prefix="crisol-table-") as folder:
        inner = Path(folder) / f"table{ending if len(ending) < 10 else ''}"
        try:
            with _opened(path, how) as stream, inner.open("wb") as out:
                size = 0
                while block := stream.read(_BLOCK):
                    size += len(block)
                    if size > most:
                        raise MendableError(
                            f"{shown}: unpacks to more than {most:,} bytes; unpack it yourself if "
                            "that is right"
                        )
                    out.write(block)
        except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
            raise MendableError(f"{shown}: cannot be unpacked ({how}): {error}") from error
        yield inner


def _opened(path: Path, how: str) -> BinaryIO:
    if how == "gzip":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return cast(BinaryIO, bz2.open(path, "rb") if how == "bzip2" else lzma.open(path, "rb"))
