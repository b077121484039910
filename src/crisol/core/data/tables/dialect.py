"""The marks of a text table: between cells, around them, and before a quote in a cell.

``clevercsv`` guesses the marks, since it knows that decimal commas, times and addresses are no rows
of cells. Its guess counts where the header agrees with the rows in width.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crisol.core.data.outline.blocks import find_block
from crisol.core.data.outline.comments import find_comment, without_comments
from crisol.core.data.outline.headers import looks_numeric
from crisol.core.data.outline.rows import BLANKS, Dialect, Row, cut
from crisol.core.data.read_params import ReadParams
from crisol.core.errors import MendableError

SEPARATORS = (",", ";", "\t", "|")
ONE_COLUMN = "\x1f"
"""A mark that text does not hold."""
_RARE = "^~&:!\x01\x1f"
_SEP_LINE = re.compile(r'"?sep=(.|\\t)"?[;,\t]*\s*', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DRAWN = re.compile(r"[\s|+:]*[-=_]{2,}[-=_\s|+:]*")
_MOST_ABOVE = 20
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 1 << 16
_ESCAPED = re.compile(rb'\\"(?=[^\r\n",;|\t])')
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Guess:
    """A dialect, the first rows cut by it, and what to tell."""

    dialect: Dialect
    rows: list[Row]
    notes: tuple[str, ...] = ()
    before: int = 0
    """Lines that only name the mark."""


def find_dialect(path: Path, head: str, whole: bool, params: ReadParams, shown: str) -> Guess:
    """The marks of a table, by its first lines and its backslashes anywhere.

    Args:
        path: the file.
        head: its first lines.
        whole: whether they are all lines.
        params: what a person knows better.
        shown: what errors call the file.

    Raises:
        MendableError: two characters stand between cells.
    """
    skipped = head.splitlines(keepends=True)[: params.skip or 0]
    lines = head.splitlines(keepends=True)[params.skip or 0 :]
    named = _SEP_LINE.fullmatch(lines[0]) if lines else None
    if named and params.skip is None:
        mark = "\t" if named[1] == "\\t" else named[1]
        quote, escape = _quotes(path, lines, mark, params)
        dialect = Dialect(params.delimiter or mark, quote, escape)
        said = f"cut at {mark!r}, which the first line names (read.delimiter)"
        return Guess(dialect, cut(dialect, head)[1:], (said,), before=1)
    sample = "".join(_sample(lines, params))
    _refuse_other_tables(sample, shown)
    mark, said = _mark(sample, whole and len(sample) >= len("".join(lines)), params)
    quote, escape = _quotes(path, lines, mark, params)
    dialect = Dialect(mark, quote, escape)
    text = "\n" * len(skipped) + "".join(lines)
    rows = cut(dialect, text)
    notes = [said] if said else []
    if quote == "'" and params.quote is None:
        notes.append("cells stand between single quotes (read.quote)")
    if escape and params.escape is None:
        notes.append('\\" in a cell is a quote (read.escape)')
    _check_double(rows, mark, shown)
    return Guess(dialect, rows, tuple(notes))


def _sample(lines: Sequence[str], params: ReadParams) -> list[str]:
    """The lines that are guessed from: the first ones that are no comments."""
    marks = (params.comment,) if params.comment else ("#", "%", "//")
    at = 0
    while at < len(lines) and lines[at].startswith(marks):
        at += 1
    at = 0 if at == len(lines) else at
    found: list[str] = []
    size = 0
    for line in lines[at : at + _SAMPLE_LINES]:
        size += len(line)
        if found and size > _SAMPLE_CHARACTERS:
            break
        found.append(line)
    return found


def _mark(sample: str, whole: bool, params: ReadParams) -> tuple[str, str]:
    """The mark between cells, and a sentence about it; none where it is the usual comma."""
    if params.delimiter is not None:
        return params.delimiter, ""
    guessed = _guessed(sample)
    candidates = [*([guessed] if guessed in (*SEPARATORS, *_RARE) else []), *SEPARATORS]
    good = [mark for mark in dict.fromkeys(candidates) if _fits(sample, mark, whole)]
    if (not good or good[0] == "\t" or guessed == BLANKS) and _fits_blanks(sample, good):
        return BLANKS, "cut at blanks (read.delimiter)"
    if good:
        good = [mark for mark in good if _begins_first(sample, mark)] or good
        mark = good[0] if good[0] == guessed else max(good, key=lambda m: _width(sample, m))
        return mark, f"cut at {mark!r} (read.delimiter)"
    if not any(found in sample for found in SEPARATORS):
        return ",", ""
    if _is_one_column(sample):
        return ONE_COLUMN, "one column: no mark cuts header and rows alike (read.delimiter)"
    near = {mark: _share(sample, mark) for mark in dict.fromkeys(candidates)}
    best = max(near, key=lambda mark: (round(near[mark], 1), mark == guessed))
    return (best, f"cut at {best!r} (read.delimiter)") if near[best] > 0 else (",", "")


def _guessed(sample: str) -> str:
    from clevercsv.detect import Detector

    try:
        found = Detector().detect(sample)
    except Exception:  # noqa: BLE001 - of another's library, whose guess is not needed
        return ""
    return str(found.delimiter) if found is not None else ""


def _rows(sample: str, mark: str) -> list[Row]:
    rows = cut(Dialect(mark), sample)
    return without_comments(rows, find_comment(rows, None)) or rows


def _fits(sample: str, mark: str, whole: bool) -> bool:
    """Whether a mark cuts header and rows into as many cells, and more than one."""
    rows = _rows(sample, mark)
    block = find_block(rows, whole)
    if block is None or block.width < 2:
        return False
    if block.begin == 0:
        return mark not in _RARE or len(rows) > 2
    title, body = rows[block.begin - 1], rows[block.begin : block.end]
    if mark == "," and block.width == 2 and title.width == 1:
        joined = [",".join(row.cells) for row in body]
        if all(map(_DECIMAL_COMMA.fullmatch, joined)) and '"' not in sample:
            return False
    if mark in _RARE and title.width < block.width:
        return False
    prose = re.findall(re.escape(mark) + " ", sample)
    return not (title.width == 1 and block.begin == 1 and len(prose) > 0.5 * len(body) and not any(
        looks_numeric(cell) for row in body for cell in row.cells))  # fmt: skip


def _begins_first(sample: str, mark: str) -> bool:
    """Whether the first row has as many cells as the others."""
    block = find_block(_rows(sample, mark), whole=True)
    return block is not None and block.begin == 0


def _width(sample: str, mark: str) -> int:
    block = find_block(_rows(sample, mark), whole=True)
    return block.width if block else 0


def _share(sample: str, mark: str) -> float:
    """The share of the rows that have as many cells as the first one, if these are several."""
    widths = [row.width for row in _rows(sample, mark)]
    if not widths or max(widths) < 2:
        return 0.0
    usual = max(set(widths), key=widths.count)
    return widths.count(usual) / len(widths) if usual > 1 else 0.1


def _fits_blanks(sample: str, good: Sequence[str]) -> bool:
    """Whether cells stand in columns of blanks, most of them numbers."""
    rows = _rows(sample, BLANKS)
    block = find_block(rows, whole=True)
    if block is None or block.width < 2 or (good and block.width <= _width(sample, good[0])):
        return False
    if block.begin > 0 and rows[block.begin - 1].width != block.width - 1:
        return False
    cells = [cell for row in rows[block.begin + 1 : block.end] for cell in row.cells]
    quoted = sample.count('"') >= len(rows)
    return sum(map(looks_numeric, cells)) > (0.2 if quoted else 0.5) * max(1, len(cells))


def _is_one_column(sample: str) -> bool:
    """Whether lines are one column: under a header of one cell, texts or decimal commas."""
    lines = [line.strip() for line in sample.splitlines() if line.strip()]
    if len(lines) < 2 or any(mark in lines[0] for mark in (*SEPARATORS, '"')):
        return False
    below = lines[1:]
    if all(map(_DECIMAL_COMMA.fullmatch, below)):
        return True
    words = [word for line in below for word in line.replace(",", " ").split()]
    return sum(map(looks_numeric, words)) < 0.3 * len(words)


def _quotes(path: Path, lines: Sequence[str], mark: str, params: ReadParams) -> tuple[str, bool]:
    """The quote around cells, and whether a backslash escapes one in them."""
    quote = params.quote or _quote(lines[:_SAMPLE_LINES], mark)
    if mark == ONE_COLUMN and params.quote is None and not _is_quoted(path):
        return "", False
    if params.escape is not None:
        return quote, params.escape
    return quote, quote == '"' and _has_escapes(path)


def _is_quoted(path: Path) -> bool:
    """Whether the quotes in a file of one column are those of cells, and none of its text."""
    with path.open(encoding="latin-1", newline="") as stream:
        lines = csv.reader(stream, delimiter=ONE_COLUMN, strict=True)
        try:
            for _ in lines:
                pass
        except csv.Error:
            return False
    return True


def _quote(lines: Sequence[str], mark: str) -> str:
    """A single quote where cells begin and end with one; else the double quote."""
    if mark == BLANKS:
        return '"'
    text = "".join(lines)
    if f"{mark}'" not in text and not any(line.startswith("'") for line in lines):
        return '"'
    single = _widths(lines, Dialect(mark, "'"))
    double = _widths(lines, Dialect(mark))
    end = rf"'(?=\s*(?:{re.escape(mark)}|\r|\n|$))"
    begin = rf"(?:^|{re.escape(mark)})\s*'"
    opened = len(re.findall(begin, text, re.MULTILINE))
    closed = len(re.findall(end, text, re.MULTILINE))
    fits = len(set(single)) == 1 or len(set(single)) < len(set(double))
    return "'" if opened == closed > 1 and fits else '"'


def _widths(lines: Sequence[str], dialect: Dialect) -> list[int]:
    return [row.width for row in cut(dialect, "".join(lines))]


def _has_escapes(path: Path) -> bool:
    r"""Whether ``\"`` stands before more of a cell, which it never does without escapes."""
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            if b'\\"' in block or tail.endswith(b"\\"):
                text = tail + block
                if any(_in_quotes(text, m.start()) for m in _ESCAPED.finditer(text)):
                    return True
            tail = block[-200:]
    return False


def _in_quotes(text: bytes, at: int) -> bool:
    """Whether a place is in a cell that began with a quote, in its line."""
    begin = max(text.rfind(b"\n", 0, at), 0)
    return re.search(rb'(^|[,;|\t\n])\s*"', text[begin:at]) is not None


def _refuse_other_tables(sample: str, shown: str) -> None:
    """Refuse cells cut by two characters, and tables drawn with lines."""
    lines = [line.strip() for line in sample.splitlines() if line.strip()]
    for pair in ("::", "~~", "^^", "||", "$$"):
        counts = {line.count(pair) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            raise MendableError(
                f"{shown}: two characters, {pair!r}, stand between cells; replace them by one "
                "such as a tab or ;"
            )
    drawn = next((line for line in lines[:_MOST_ABOVE] if _DRAWN.fullmatch(line)), None)
    rows = [line for line in lines if not _DRAWN.fullmatch(line)]
    barred = sum("|" in line for line in rows) > 0.5 * len(rows)
    framed = sum(line.startswith("|") for line in rows) > 0.5 * len(rows)
    if drawn is not None and barred and ("|" in drawn or "+" in drawn or framed):
        raise MendableError(
            f"{shown}: is a table drawn with lines, as Markdown and terminals do; take the lines "
            f"such as {drawn[:40]!r} and the outer | away, or save it as CSV"
        )


def _check_double(rows: Sequence[Row], mark: str, shown: str) -> None:
    """Refuse ``1::2::3``: every second column would be empty."""
    if mark == BLANKS or mark == "\t" or len(rows) < 2 or rows[0].width < 3:
        return
    if all(row.width % 2 and not any(row.cells[1::2]) for row in rows):
        raise MendableError(
            f"{shown}: two characters, {mark * 2!r}, stand between cells; replace them by one "
            "such as a tab or ;"
        )
