"""The format of a file by its first bytes, whatever its name says."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from crisol.core.data.read_params import Format
from crisol.core.errors import MendableError

_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"))
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_REFUSED = (
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"<stata_dta>", "a Stata file"),
    (b"$FL2", "an SPSS file"),
    (b"$FL3", "an SPSS file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"RDX", "an R data file"),
    (b"RDA", "an R data file"),
    (b"X\n\0\0\0", "an R data file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"CDF\x01", "a NetCDF file"),
    (b"MATLAB 5.0", "a MATLAB file"),
)
_STATA = re.compile(rb"[\x69-\x73][\x01\x02]\x01\0")
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x95\]}(cK\x8c\x00-\x7f].*", re.DOTALL)
_SAS = b"\0" * 12 + b"\xc2\xea\x81\x60"
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|table|[a-z]+[\s>/:])", re.I)
_BRACKETED = re.compile(rb"(?:\xef\xbb\xbf)?<[^<>\n]+>([,;|\t]<[^<>\n]+>)+\r?\n")
"""A header whose names stand in brackets, as exports of prices have it."""
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(\[\s*(\{|\[|\])|\{\s*[\"}])")
_ARFF = re.compile(rb"(?:\xef\xbb\xbf)?(\s*%[^\n]*\n|\s)*@relation\b", re.I)
_ADVICE = "give CSV, JSON, JSON lines, Parquet, a spreadsheet or a zip"
_START_BYTES = 4096


@dataclass(frozen=True)
class Signature:
    """A file's format by its bytes: one that is read, or one that is packed."""

    format: Format | None = None
    packed: str | None = None


def signature(path: Path, shown: str) -> Signature:
    """The format of a file where its bytes tell it; plain text tells none.

    Raises:
        MendableError: it is of a format that is not read; says which.
    """
    with path.open("rb") as stream:
        start = stream.read(_START_BYTES)
    packed = next((name for mark, name in _PACKED if start.startswith(mark)), None)
    if packed is not None:
        return Signature(packed=packed)
    if start.startswith(b"PAR1"):
        return Signature("parquet")
    if start.startswith((b"ARROW1", b"FEA1", b"\xff\xff\xff\xff")):
        return Signature("feather")
    if start.startswith(_OLE) or is_sheet(path):
        return Signature("sheet")
    if start.startswith(b"PK\x03\x04"):
        raise MendableError(f"{shown}: is a zip; {_zip_advice(path)}")
    _refuse(start, shown)
    if _ARFF.match(start):
        return Signature("arff")
    return Signature("json") if _JSON.match(start) else Signature()


def is_sheet(path: Path) -> bool:
    """Whether a file is a zip that holds the sheets of a spreadsheet, such as .xlsx and .ods."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
            if "[Content_Types].xml" in names:
                return any(name.lower().startswith("xl/") for name in names)
            if "mimetype" not in names or packed.getinfo("mimetype").file_size > 200:
                return False
            return packed.read("mimetype").startswith(
                b"application/vnd.oasis.opendocument.spreadsheet"
            )
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return False


def _zip_advice(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
    except (zipfile.BadZipFile, OSError):
        return "it cannot be opened"
    if "[Content_Types].xml" in names or "mimetype" in names:
        return f"it holds a document and no sheets; {_ADVICE}"
    return "unpack it, and give the table in it"


def _refuse(start: bytes, shown: str) -> None:
    """Refuse formats that are not read."""
    called = next((name for mark, name in _REFUSED if start.startswith(mark)), None)
    if called is None and start[257:262] == b"ustar":
        called = "a tar archive"
    if called is None and _PICKLE.match(start):
        called = "a Python pickle, which can run code and is never opened"
    if called is None and start.startswith((_SAS, b"HEADER RECORD*******")):
        called = "a SAS file"
    if called is None and _STATA.match(start):
        called = "a Stata file"
    if called is None and (found := _MARKUP.match(start)) and not _BRACKETED.match(start):
        html = found[1].lower() in (b"!doctype", b"html", b"table", b"table>", b"table ")
        html = html or b"<html" in start.lower() or b"<table" in start.lower()
        called = "an HTML page" if html else "an XML document"
    if called is not None:
        raise MendableError(f"{shown}: is {called}; {_ADVICE}")
