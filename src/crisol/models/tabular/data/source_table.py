"""Raw data as people have it: tables of any format, pictures; a file, a folder or a zip.

The format of a file is detected and reported; nothing is guessed silently. A folder or zip with
``train.*`` and ``test.*`` is an official split; one of class folders holds pictures.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.missing import without_missing
from crisol.core.data.cells.number_styles import Decimal, NumberFindings, number_style
from crisol.core.data.read_params import Format, ReadParams
from crisol.core.data.tables.signatures import is_sheet
from crisol.core.data.tables.table_file import TABLES, read_table, shown_name, table_ending
from crisol.core.errors import MendableError
from crisol.models.tabular.data.archives import Files, FolderFiles, files

if TYPE_CHECKING:
    import pandas as pd

ROW, PART = "__row__", "__part__"
"""Columns that reading adds: the number of the row in its source, from 1, and the part that the
source's files put it in (train, test; missing where they say nothing)."""
PICTURE, LABEL = "image", "label"
"""Columns of pictures in class folders."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_SAMPLE = 5000
_PARTS = {
    "train": "train", "training": "train", "valid": "train", "validation": "train",
    "val": "train", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class SourceFormat:
    """The detected format of a source, which is reported."""

    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    parts: tuple[str, ...] = ()
    """Parts its files name, such as train and test."""
    notes: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    """Columns that number the rows, such as pandas' index."""

    def tell(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": self.format,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "header": self.header,
            "parts": list(self.parts),
            "notes": list(self.notes),
            "index": list(self.index),
        }


@dataclass(frozen=True)
class SourceTable:
    """A source as it was read.

    Attributes:
        frame: the source's columns (text tables: all text; others: as typed), and :data:`ROW` and
            :data:`PART`.
        found: what was found out.
        files: the files that picture names in cells refer to.
        folder: of the table within ``files``; names are relative to it.
        where: what errors call the source.
    """

    frame: "pd.DataFrame"
    found: SourceFormat
    where: str
    files: Files | None = field(default=None, compare=False)
    folder: str = ""
    read_as: "dict[tuple[str, ...], pd.Series[Any]]" = field(
        default_factory=dict, compare=False, repr=False
    )
    """Columns in the types that they were read as, cached."""
    no_value: Mapping[str, Mapping[str, int]] = field(default_factory=dict, compare=False)
    """Words that the reader took for no value, with their counts, by column."""

    @cached_property
    def decimal_mark(self) -> Decimal | None:
        """The decimal mark of the file's numbers; ``None`` where nothing tells.

        It is that of most columns that tell, else a comma beside semicolons.
        """
        votes = Counter(
            found.style.decimal
            for found in (_some_numbers(self.frame[name]) for name in self.columns)
            if found is not None and found.decided == "cells" and found.share > 0.5
        )
        if votes["."] != votes[","]:
            return "." if votes["."] > votes[","] else ","
        return "," if not votes and self.found.delimiter == ";" else None

    @property
    def columns(self) -> list[str]:
        """The source's own columns, in order."""
        return [str(name) for name in self.frame.columns if name not in (ROW, PART)]


def read(path: Path, params: ReadParams = ReadParams()) -> SourceTable:  # noqa: B008 - frozen
    """Read a source.

    Args:
        path: a table file, or a folder or zip with tables or pictures.
        params: what a person knows better.

    Raises:
        MendableError: there is nothing there, or it cannot be read; names the file, the line where
            there is one, and the way out.
    """
    path = Path(path)
    shown = shown_name(path)
    if not path.exists():
        raise MendableError(f"{shown}: there is no such file or folder")
    if path.is_dir() or (_is_zip(path) and not is_sheet(path)):
        return _read_many(files(path), params, shown)
    if params.format == "images":
        raise MendableError(f"{shown}: pictures come as a folder or zip of class folders")
    raw = _read_table(path, params, shown)
    return replace(raw, files=FolderFiles(path.parent) if _names_pictures(raw) else None)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _read_many(found: Files, params: ReadParams, shown: str) -> SourceTable:
    """Read the tables or pictures in a folder or a zip."""
    tables = [name for name in found.names if table_ending(name) in TABLES]
    pictures = [name for name in found.names if PurePosixPath(name).suffix.lower() in PICTURES]
    if params.format == "images" or (pictures and not tables):
        return _pictures(found, pictures, shown)
    parts = {
        _PARTS[stem]: name
        for name in sorted(tables, reverse=True)
        if (stem := PurePosixPath(name).name.lower().split(".")[0])
        in ("train", "training", "test", "testing")
    }
    if set(parts) == {"train", "test"}:
        return _official(found, parts, params, shown)
    if len(tables) == 1:
        with found.local(tables[0]) as path:
            raw = _read_table(path, params, f"{shown}/{tables[0]}")
        folder = PurePosixPath(tables[0]).parent.as_posix()
        return replace(raw, files=found, folder="" if folder == "." else folder)
    listed = ", ".join(found.names[:5]) or "nothing"
    raise MendableError(
        f"{shown}: holds {listed}{'…' if len(found.names) > 5 else ''}; needed: one table, or "
        "train.* and test.*, or pictures (PNG, JPEG, WebP) in a folder a class"
    )


def _official(found: Files, parts: dict[str, str], params: ReadParams, shown: str) -> SourceTable:
    """Two files of the same columns: an official split."""
    import pandas as pd

    read_parts = {}
    for part in ("train", "test"):
        with found.local(parts[part]) as path:
            read_parts[part] = _read_table(path, params, f"{shown}/{parts[part]}")
    train, test = read_parts["train"], read_parts["test"]
    if set(train.columns) != set(test.columns):
        odd = sorted(set(train.columns) ^ set(test.columns))
        raise MendableError(
            f"{shown}: column {odd[0]!r} is in one of {parts['train']} and {parts['test']} alone; "
            "both need the same columns (read.names and read.header tell them where the files do "
            "not)"
        )
    _check_decimals(read_parts, parts, shown)
    frames = [raw.frame.assign(**{PART: part}) for part, raw in read_parts.items()]
    frame = pd.concat(frames, ignore_index=True)
    frame[ROW] = range(1, len(frame) + 1)
    notes = [*train.found.notes, *(n for n in test.found.notes if n not in train.found.notes)]
    both = tuple(name for name in train.found.index if name in test.found.index)
    told = replace(train.found, parts=("train", "test"), notes=tuple(notes), index=both)
    no_value = {
        name: Counter(train.no_value.get(name, {})) + Counter(test.no_value.get(name, {}))
        for name in {*train.no_value, *test.no_value}
    }
    return SourceTable(frame, told, shown, found, no_value=no_value)


def _check_decimals(read: dict[str, SourceTable], parts: dict[str, str], shown: str) -> None:
    """Refuse two files of which one writes a decimal point and the other a decimal comma."""
    for name in read["train"].columns:
        marks = {}
        for part, raw in read.items():
            found = _some_numbers(raw.frame[name])
            if found is not None and found.decided == "cells" and found.share > 0.5:
                marks[part] = found.style.decimal
        if len(set(marks.values())) > 1:
            words = {".": "point", ",": "comma"}
            raise MendableError(
                f"{shown}: {parts['train']} writes numbers with a decimal {words[marks['train']]}, "
                f"{parts['test']} with a decimal {words[marks['test']]} (column {name!r}); write "
                "both alike"
            )


def _pictures(found: Files, pictures: Sequence[str], shown: str) -> SourceTable:
    """Pictures in class folders, perhaps below train and test."""
    import pandas as pd

    if not pictures:
        raise MendableError(f"{shown}: holds no pictures (PNG, JPEG, WebP)")
    split = [PurePosixPath(name).parts for name in pictures]
    # A folder around everything is how zips are packed; a class alone is no task either way.
    while len({parts[0] for parts in split}) == 1 and all(len(parts) > 2 for parts in split):
        split = [parts[1:] for parts in split]
    tops = {parts[0].lower() for parts in split}
    given = tops <= set(_PARTS) and "train" in {_PARTS[top] for top in tops}
    labels = [parts[int(given) : -1] for parts in split]
    flat = next((name for name, label in zip(pictures, labels, strict=True) if not label), None)
    if flat is not None:
        raise MendableError(
            f"{shown}: {flat} lies in no class folder; each picture lies in a folder named after "
            "its class (cats/1.jpg), perhaps below train/ and test/"
        )
    parts = [_PARTS[p[0].lower()] if given else None for p in split]
    frame = pd.DataFrame(
        {
            PICTURE: list(pictures),
            LABEL: ["/".join(label) for label in labels],
            ROW: range(1, len(pictures) + 1),
            PART: pd.Series(parts, dtype="str"),
        }
    )
    others = len(found.names) - len(pictures)
    notes = (f"{others} file(s) that are no pictures are left out",) if others else ()
    named = tuple(sorted({part for part in parts if part is not None}))
    return SourceTable(frame, SourceFormat("images", parts=named, notes=notes), shown, found)


def _names_pictures(raw: SourceTable) -> bool:
    """Whether the first cells of a column name picture files."""
    head = raw.frame.head(20)
    return any(
        head[name].notna().any()
        and all(isinstance(c, str) and c.lower().endswith(PICTURES) for c in head[name].dropna())
        for name in raw.columns
    )


def _some_numbers(cells: "pd.Series[Any]") -> NumberFindings | None:
    """How the numbers of some text cells are written; ``None`` of a column that has a type."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(cells.dtype):
        return None
    return number_style(cells.dropna().iloc[:: max(1, len(cells) // _SAMPLE)])


def _read_table(path: Path, params: ReadParams, shown: str) -> SourceTable:
    """One table file; of every format, the same words are missing."""
    file = read_table(path, params.model_copy(update={"missing": ("",)}), shown)
    for name in (ROW, PART):
        if name in file.frame.columns:
            raise MendableError(f"{shown}: column {name!r} is Crisol's own; rename it")
    found = SourceFormat(
        file.format, file.encoding, file.delimiter, file.header, (), file.notes, file.index
    )
    frame, no_value = without_missing(file.frame, params.no_value)
    return SourceTable(_marked(frame), found, shown, no_value=no_value)


def _marked(frame: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    extra = pd.DataFrame({ROW: range(1, len(frame) + 1)}, index=frame.index)
    extra[PART] = pd.Series([None] * len(frame), dtype="str", index=frame.index)
    return pd.concat([frame, extra], axis=1)
