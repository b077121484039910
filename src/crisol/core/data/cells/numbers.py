"""Numbers written as text: one convention a column, decided on all cells that tell.

:func:`number_style` looks at a column and says how its numbers are written; :func:`to_numbers`
reads cells in that style. Babel reads one cell in a locale that must be known, and no brackets, no
units and no ``8'655.61``; the convention of a column is therefore decided here.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.data.cells.units import (
    CURRENCY,
    LETTER,
    NO_UNIT,
    Unit,
    currency,
    unit_beside,
    unit_key,
)

if TYPE_CHECKING:
    import pandas as pd

Decimal = Literal[".", ","]
AGREEING = 0.95
"""Share of the cells that tell a convention or a unit which must tell the same one."""
MOST_FRAMES = 1000
"""Different texts around numbers of which a column's numbers are read."""
_INFINITE = r"[+-]?inf(inity)?"
_DIGITS = r"[0-9](?:[ ]?[0-9.,'_])*(?:[eE][+-]?[0-9]+)?"
_FRAME = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[+-]?)\s*"
    rf"(?P<mark>{LETTER}{{1,5}}\.?|{LETTER}{{0,3}}{CURRENCY}{LETTER}{{0,3}})?\s*(?P<late>\()?\s*"
    r"(?P<inner>[+-]?)\s*(?P<lead>[.,]?)\0(?P<tail>[-)]?)(?P<gap>\s*)"
    rf"(?P<unit>(?:{LETTER}|{CURRENCY}|[%‰°\"\u2032\u2033/])(?:{LETTER}|{CURRENCY}|[%°/²³.^·*0-9])*"
    rf"(?:[ /](?:{LETTER}|{CURRENCY})(?:{LETTER}|{CURRENCY}|[/²³.0-9])*){{0,2}})?"
    r"\s*(?P<minus>-?)(?P<close>\))?"
)
"""A cell whose digits, with the marks between them, are one zero byte."""
_GROUPS = "|".join(f"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+" for mark in ("'", " ", "_"))
_EXPONENT = "(?:[eE][+-]?[0-9]+)?$"
_POINT = (
    rf"^(?:(?:[0-9]+|{_GROUPS}|[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+"
    rf"|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}})(?:\.[0-9]*)?|\.[0-9]+){_EXPONENT}"
)
_COMMA = (
    rf"^(?:(?:[0-9]+|{_GROUPS}|[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}})+)(?:,[0-9]*)?|,[0-9]+){_EXPONENT}"
)
_FIRST_DIGITS, _ENDLESS = re.compile(_DIGITS), re.compile(_INFINITE, re.IGNORECASE)
_NO_CENTS = r"([0-9][.,])-{1,2}($|[^0-9-])"
"""A price of whole units, ``450.-`` and ``12,-- €``: the dash is no minus."""
_EITHER = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_QUOTES = "\u2018\u2019\u02bc\uff07"
_MARKS = {"\u066b": ".", "\u066c": ",", "\u2044": "/", "\uff05": "%", "\u066a": "%"}


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Attributes:
        decimal: the mark before the fraction; the other one of ``.`` and ``,`` divides thousands,
            as blanks, apostrophes and underscores do.
        unit: as most cells write it (``kg``, ``$``, ``%``), or ``None``.
        bare: whether a cell without the unit has it all the same.
    """

    decimal: Decimal = "."
    unit: str | None = None
    bare: bool = False


PLAIN = NumberStyle()


@dataclass(frozen=True)
class NumberFindings:
    """What the cells of a column say about how its numbers are written.

    Attributes:
        style: the convention that fits most of them.
        cells: how many there are, missing ones left out.
        numbers: how many are numbers in that style.
        decided: what decided the decimal mark: a person (``told``), the cells (``cells``), the
            rest of the file (``file``), that amounts of money hardly have three decimals
            (``money``), or nothing (``default``); ``""`` where no mark is there.
        against: cells that are numbers under the other convention alone.
        either: a cell that is a number under both conventions (``1,234``), where one is there.
        units: cells by unit, as the cells write it; ``""`` counts the numbers without.
        negatives: cells that are negative by brackets or by a minus behind them.
        factors: cells by multiplier (``k``, ``M``).
        thousands: the marks that divide thousands.
        codes: why the numbers are codes all the same; empty where they are not.
    """

    style: NumberStyle
    cells: int
    numbers: int
    decided: str = ""
    against: int = 0
    either: str | None = None
    units: dict[str, int] = field(default_factory=dict)
    negatives: int = 0
    factors: dict[str, int] = field(default_factory=dict)
    thousands: tuple[str, ...] = ()
    codes: str = ""

    @property
    def share(self) -> float:
        """The share of the cells that are numbers."""
        return self.numbers / self.cells if self.cells else 0.0


@lru_cache(maxsize=65_536)
def looks_like_number(cell: str) -> bool:
    """Whether a cell is a number, under one convention or another, with or without a unit.

    >>> [looks_like_number(cell) for cell in ("-1.5e3", "1.234,5", "$5", "12b", "10:30", "inf")]
    [True, True, True, False, False, True]
    """
    word = re.sub(_NO_CENTS, r"\g<1>0\2", plain_characters(cell.strip()))
    digits = _FIRST_DIGITS.search(word)
    if digits is None:
        return _ENDLESS.fullmatch(word) is not None
    frame = _Frame.of(f"{word[: digits.start()]}\0{word[digits.end() :]}")
    if frame is None or frame.unit is None:
        return False
    body = word[frame.start : len(word) - frame.stop]
    return any(re.match(pattern, body) for pattern in (_POINT, _COMMA))


def number_style(
    cells: "pd.Series[Any] | Sequence[str]",
    *,
    decimal: Decimal | None = None,
    unit: str | None = None,
    file_decimal: Decimal | None = None,
) -> NumberFindings:
    """How the numbers of a column are written, from all of its cells.

    Args:
        cells: text; missing ones do not count. May hold words that are no numbers.
        decimal: the decimal mark, where a person names it.
        unit: the unit, likewise; cells without one have it then.
        file_decimal: the decimal mark of the rest of the file, for cells that may be read both
            ways (``1,234``).

    >>> found = number_style(["1.500", "2.300,50"])
    >>> found.style.decimal, found.decided, number_style(["72 kg", "80kg"]).style.unit
    (',', 'cells', 'kg')
    """
    parsed = _Cells.of(_arrow(cells))
    mark, decided = parsed.decimal(decimal, file_decimal)
    spellings, bare = parsed.units(parsed.fits(mark))
    if unit is not None:
        style = NumberStyle(mark, unit, bare=True)
    elif spellings:
        most = next(iter(spellings))
        style = NumberStyle(mark, most if spellings[most] >= bare else None)
    else:
        style = NumberStyle(mark)
    good = parsed.good(style)
    counts = parsed.counts
    return NumberFindings(
        style,
        cells=int(counts.sum()),
        numbers=int(counts[good].sum()),
        decided=decided,
        against=parsed.against(mark),
        either=parsed.either(),
        units={**spellings, **({"": bare} if bare else {})},
        negatives=int(counts[good & parsed.behind].sum()),
        factors=parsed.factors(good),
        thousands=parsed.thousands(good, mark),
        codes=parsed.codes(good),
    )


def to_numbers(cells: "pd.Series[Any]", style: NumberStyle = PLAIN) -> "pd.Series[Any]":
    """Text cells as float64; NaN where they are no finite number of that style.

    Args:
        cells: text, missing ones included.
        style: the column's, of :func:`number_style`.
    """
    import pandas as pd

    words = _arrow(cells)
    if style == PLAIN:
        numbers = _cast(words)
        if numbers is not None:
            return pd.Series(numbers, cells.index, name=cells.name)
    coded = words.dictionary_encode()
    parsed = _Cells.of(coded.dictionary)
    values = np.append(parsed.values(style), np.nan)  # the last is of missing cells
    places = coded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
    return pd.Series(values[places], cells.index, name=cells.name)


def plain_numbers(cells: "pd.Series[Any]") -> "pd.Series[Any] | None":
    """Text cells as float64 where Python's notation writes all of them; else ``None``.

    Also ``None`` where all fractions may be groups of thousands (``1.234``): those need
    :func:`number_style`.
    """
    import pandas as pd

    words = _arrow(cells)
    numbers = _cast(words)
    if numbers is None:
        return None
    for some in (words[:2000], words):
        pointed = some.filter(pc.match_substring(some, "."))
        if len(pointed) == 0:
            continue
        if not pc.all(pc.match_substring_regex(pointed, _EITHER)).as_py():
            break
    else:
        if pc.any(pc.match_substring(words, ".")).as_py():
            return None
    return pd.Series(numbers, cells.index, name=cells.name)


def like_numbers(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whether each text cell is a number, under one convention or another, with or without unit."""
    import pandas as pd

    coded = _arrow(cells).dictionary_encode()
    parsed = _Cells.of(coded.dictionary)
    fits = np.append((parsed.fits(".") | parsed.fits(",")) & parsed.known, False)
    places = coded.indices.fill_null(len(fits) - 1).to_numpy(zero_copy_only=False)
    return pd.Series(fits[places], cells.index, name=cells.name)


def infinite(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whether each text cell is an infinity."""
    return cells.str.fullmatch(_INFINITE, case=False).fillna(False).astype(bool)


@lru_cache(maxsize=65_536)
def plain_characters(cell: str) -> str:
    r"""A cell whose digits, blanks, dashes and quotes are those of ASCII; other letters stay.

    ``m²`` stays, so that its 2 becomes no digit.

    >>> plain_characters("\u22121\u202f299"), plain_characters("\uff18"), plain_characters("5 m²")
    ('-1 299', '8', '5 m²')
    """
    if cell.isascii():
        return cell
    return "".join(map(_plain, cell)).strip()


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in _MARKS:
        return _MARKS[letter]
    if letter in _DASHES:
        return "-"
    if letter in _QUOTES:
        return "'"
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    if kind == "Zs":
        return " "
    if kind == "Cf":  # marks of the direction of writing
        return ""
    return chr(ord(letter) - 0xFEE0) if "\uff01" <= letter <= "\uff5e" else letter


def _arrow(cells: "pd.Series[Any] | Sequence[str]") -> pa.Array:
    found = pa.array(cells, pa.string(), from_pandas=True)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _plain_words(words: pa.Array) -> pa.Array:
    """Words by :func:`plain_characters`."""
    if pc.all(pc.string_is_ascii(words), min_count=0).as_py():
        return words
    for often, plain in (("\u00a0", " "), ("\u202f", " "), ("\u2212", "-"), ("\u2019", "'")):
        words = pc.replace_substring(words, often, plain)
    if pc.all(pc.string_is_ascii(words), min_count=0).as_py():
        return words
    return pa.array([plain_characters(word) for word in words.to_pylist()], pa.string())


def _with_cents(words: pa.Array) -> pa.Array:
    """Words in which a dash that stands for no cents is a zero: ``450.-`` becomes ``450.0``."""
    if not any(pc.any(pc.match_substring(words, end), min_count=0).as_py() for end in (".-", ",-")):
        return words
    return pc.replace_substring_regex(words, _NO_CENTS, r"\10\2")


def _cast(words: pa.Array) -> Floats | None:
    """Python's notation as float64 [N], NaN where missing or infinite; ``None`` if one is none."""
    try:  # ten times as fast as anything else, where every cell is a number
        numbers = pc.cast(words, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return np.where(np.isfinite(numbers), numbers, np.nan)


@dataclass(frozen=True)
class _Frame:
    """What stands around the digits of some cells: ``(# kg)``."""

    start: int
    """Characters before the digits, or the mark in front of them."""
    stop: int
    """Characters behind the digits."""
    negative: bool
    behind: bool
    """Whether it is negative by brackets or by a minus behind it."""
    unit: Unit | None
    """``None``: the text beside the number is no unit."""
    spelled: str

    @classmethod
    def of(cls, text: str) -> "_Frame | None":
        """``None`` where no number can stand there."""
        found = _FRAME.fullmatch(text)
        if found is None:
            return None
        part = {name: text or "" for name, text in found.groupdict().items()}
        opened = part["open"] + part["late"]
        closed = part["tail"].strip("-") + part["close"]
        signs = [part["sign"], part["inner"], part["minus"], part["tail"].strip(")"), opened]
        if len(opened) != len(closed) or len(opened) > 1 or sum(map(bool, signs)) > 1:
            return None
        mark, suffix = part["mark"], part["unit"]
        glued = part["tail"] == "-" and not part["gap"]
        if part["tail"] and suffix not in ("", "%") and (glued or currency(suffix) is None):
            return None  # (1) preliminary, 10-year
        return cls(
            start=found.start("lead"),
            stop=len(text) - found.end("lead") - 1,
            negative="-" in signs or opened != "",
            behind=opened != "" or "-" in (part["minus"], part["tail"]),
            unit=unit_beside(mark, suffix, part["gap"] != ""),
            spelled=f"{mark} {suffix}".strip() if mark and suffix else mark or suffix,
        )


@dataclass(frozen=True)
class _Cells:
    """Distinct cells [N], cut into a number and what stands around it.

    Attributes:
        words: the cells.
        counts: how often each is there.
        frames: what may stand around a number; the last is a place for cells that are none.
        places: of each cell's frame.
        bodies: the digits with the marks between them; ``""`` where a cell is no number.
    """

    words: pa.Array
    counts: NDArray[np.int64]
    frames: tuple[_Frame, ...]
    places: NDArray[np.int64]
    bodies: pa.Array

    @classmethod
    def of(cls, words: pa.Array) -> "_Cells":
        counted = words.drop_null().value_counts()
        words, counts = counted.field("values"), counted.field("counts").to_numpy()
        words = _with_cents(_plain_words(words))
        around = pc.replace_substring_regex(words, _DIGITS, "\0", max_replacements=1)
        around = around.dictionary_encode()
        found = [_Frame.of(text) for text in around.dictionary[:MOST_FRAMES].to_pylist()]
        none = _Frame(0, 0, False, False, None, "")
        frames = [*(frame or none for frame in found), none]
        places = np.minimum(around.indices.to_numpy(zero_copy_only=False), len(frames) - 1)
        order = np.argsort(places, kind="stable")
        sorted_words = words.take(pa.array(order))
        ends = np.searchsorted(places[order], np.arange(len(frames) + 1))
        cut = []
        for frame, first, last in zip(frames, ends[:-1], ends[1:], strict=True):
            some = sorted_words[first:last]
            if frame is none:
                some = pa.array([""] * (last - first), pa.string())
            elif frame.start or frame.stop:
                some = pc.utf8_slice_codeunits(some, frame.start, -frame.stop or None)
            cut.append(some)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return cls(words, counts, tuple(frames), places, pa.concat_arrays(cut).take(pa.array(back)))

    def _by_frame(self, values: list[bool]) -> NDArray[np.bool_]:
        return np.array(values, bool)[self.places]

    @cached_property
    def endless(self) -> NDArray[np.bool_]:
        return _matches(self.words, f"(?i)^{_INFINITE}$")

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether nothing, or a unit, stands beside a number."""
        return self._by_frame([frame.unit is not None for frame in self.frames])

    @cached_property
    def behind(self) -> NDArray[np.bool_]:
        return self._by_frame([frame.behind for frame in self.frames])

    def fits(self, decimal: Decimal) -> NDArray[np.bool_]:
        """Whether each cell is a number under a convention, whatever its unit."""
        return self._points if decimal == "." else self._commas

    @cached_property
    def _points(self) -> NDArray[np.bool_]:
        return _matches(self.bodies, _POINT)

    @cached_property
    def _commas(self) -> NDArray[np.bool_]:
        return _matches(self.bodies, _COMMA)

    def decimal(self, told: Decimal | None, of_file: Decimal | None) -> tuple[Decimal, str]:
        """The decimal mark, and what decided it."""
        if told is not None:
            return told, "told"
        points, commas = self._points & self.known, self._commas & self.known
        by_point, by_comma = self._weight(points & ~commas), self._weight(commas & ~points)
        if max(by_point, by_comma) > (0, 0):
            return (".", "cells") if by_point >= by_comma else (",", "cells")
        either = self.either()
        if either is None:
            return ".", ""
        if of_file is not None:
            return of_file, "file"
        if self._is_money:  # hardly ever with three decimals: thousands
            return (",", "money") if "." in either else (".", "money")
        return ".", "default"

    def _weight(self, some: NDArray[np.bool_]) -> tuple[int, int]:
        """How many different cells there are, and how many cells."""
        return int(some.sum()), int(self.counts[some].sum())

    @property
    def _is_money(self) -> bool:
        units = self.units(self._points | self._commas)[0]
        return next((currency(unit) is not None for unit in units), False)

    def against(self, decimal: Decimal) -> int:
        """Cells that are numbers under the other convention alone."""
        other = self.fits("," if decimal == "." else ".") & ~self.fits(decimal)
        return int(self.counts[other & self.known].sum())

    def either(self) -> str | None:
        """A cell that both conventions read as a number, and as another one."""
        body = self.bodies
        marked = _matches(body, r"^[0-9]{1,3}[.,][0-9]{3}$")
        found = np.flatnonzero(marked & self.fits(".") & self.fits(","))
        return str(self.words[int(found[0])].as_py()) if len(found) else None

    def units(self, fits: NDArray[np.bool_]) -> tuple[dict[str, int], int]:
        """Cells by unit under its most frequent spelling, the most frequent first; and without."""
        by_key: dict[str, Counter[str]] = {}
        for frame, count in self._counted(fits):
            if frame.unit is not None:
                word = frame.unit.key if frame.unit.factor != 1 else frame.spelled
                by_key.setdefault(frame.unit.key, Counter())[word] += count
        bare = by_key.pop("", Counter()).total()
        named = {c.most_common(1)[0][0]: c.total() for c in by_key.values()}
        return dict(sorted(named.items(), key=lambda item: -item[1])), bare

    def factors(self, good: NDArray[np.bool_]) -> dict[str, int]:
        """Cells by multiplier."""
        found: Counter[str] = Counter()
        for frame, count in self._counted(good):
            if frame.unit is not None and frame.unit.factor != 1:
                found[frame.spelled] += count
        return dict(found.most_common())

    def _counted(self, some: NDArray[np.bool_]) -> list[tuple[_Frame, int]]:
        """The frames of some of the distinct cells, and how many cells have them."""
        cells = np.bincount(self.places[some], self.counts[some], len(self.frames))
        return [(frame, int(n)) for frame, n in zip(self.frames, cells, strict=True) if n]

    def thousands(self, good: NDArray[np.bool_], decimal: Decimal) -> tuple[str, ...]:
        """The marks between groups of digits."""
        body = self.bodies.filter(pa.array(good))
        other = "," if decimal == "." else "."
        return tuple(
            mark for mark in (other, " ", "'", "_")
            if pc.any(pc.match_substring(body, mark), min_count=0).as_py()
        )  # fmt: skip

    def codes(self, good: NDArray[np.bool_]) -> str:
        """Why numbers are codes: telephone numbers in groups, or grades such as 2+ and 2-."""
        body = self.bodies
        if good.sum() > 1 and _matches(body, "^[0-9]{3}(?: [0-9]{3}){2,}$")[good].all():
            return "digits in equal groups, as of telephone numbers"
        if (self.behind & good).any() and _matches(self.words, r"^[0-9]\+$").any():
            return "grades with + and -"
        return ""

    def good(self, style: NumberStyle) -> NDArray[np.bool_]:
        """Whether each cell is a number of a style."""
        key = unit_key(style.unit) if style.unit else ""
        keys = [None if frame.unit is None else frame.unit.key for frame in self.frames]
        fits = [found == key or (style.bare and found == "") for found in keys]
        return self.fits(style.decimal) & self._by_frame(fits)

    def values(self, style: NumberStyle) -> Floats:
        """The numbers [N]; NaN where they are none of a style."""
        bodies = pc.if_else(pa.array(self.good(style)), self.bodies, pa.scalar(None, pa.string()))
        for mark in "' _," if style.decimal == "." else "' _.":
            bodies = pc.replace_substring(bodies, mark, "")
        if style.decimal == ",":
            bodies = pc.replace_substring(bodies, ",", ".")
        numbers = pc.cast(bodies, pa.float64()).to_numpy(zero_copy_only=False)
        factors = np.array(
            [
                (-1 if frame.negative else 1) * (frame.unit or NO_UNIT).factor
                for frame in self.frames
            ]
        )
        numbers = numbers * factors[self.places]
        return np.where(np.isfinite(numbers), numbers, np.nan)


def _matches(words: pa.Array, pattern: str) -> NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(words, pattern).to_numpy(zero_copy_only=False), bool)
