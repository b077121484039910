"""Numbers written as text: one convention a column, decided on all cells that tell.

:func:`number_style` looks at a column and says how its numbers are written. Babel reads one cell in
a locale that must be known, and no brackets, no units and no ``8'655.61``; the convention of a
column is therefore decided here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.data.cells.number_texts import (
    COMMA,
    DIGITS,
    POINT,
    NumberFrame,
    arrow_words,
    matches,
    plain_words,
    with_cents,
)
from crisol.core.data.cells.units import NO_UNIT, currency, unit_key

if TYPE_CHECKING:
    import pandas as pd

Decimal = Literal[".", ","]
AGREEING = 0.95
"""Share of the cells that tell a convention or a unit which must tell the same one."""
MOST_FRAMES = 1000
"""Different texts around numbers of which a column's numbers are read."""


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
    """The evidence of a column's cells for how its numbers are written.

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
    parsed = NumberCells.of(arrow_words(cells))
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


@dataclass(frozen=True)
class NumberCells:
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
    frames: tuple[NumberFrame, ...]
    places: NDArray[np.int64]
    bodies: pa.Array

    @classmethod
    def of(cls, words: pa.Array) -> "NumberCells":
        """The distinct ones of some words; null ones do not count."""
        counted = words.drop_null().value_counts()
        words, counts = counted.field("values"), counted.field("counts").to_numpy()
        words = with_cents(plain_words(words))
        around = pc.replace_substring_regex(words, DIGITS, "\0", max_replacements=1)
        around = around.dictionary_encode()
        found = [NumberFrame.of(text) for text in around.dictionary[:MOST_FRAMES].to_pylist()]
        none = NumberFrame(0, 0, False, False, None, "")
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
    def known(self) -> NDArray[np.bool_]:
        """Whether nothing, or a unit, stands beside a number."""
        return self._by_frame([frame.unit is not None for frame in self.frames])

    @cached_property
    def behind(self) -> NDArray[np.bool_]:
        """Whether each cell is negative by brackets or by a minus behind it."""
        return self._by_frame([frame.behind for frame in self.frames])

    def fits(self, decimal: Decimal) -> NDArray[np.bool_]:
        """Whether each cell is a number under a convention, whatever its unit."""
        return self._points if decimal == "." else self._commas

    @cached_property
    def _points(self) -> NDArray[np.bool_]:
        return matches(self.bodies, POINT)

    @cached_property
    def _commas(self) -> NDArray[np.bool_]:
        return matches(self.bodies, COMMA)

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
        marked = matches(body, r"^[0-9]{1,3}[.,][0-9]{3}$")
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

    def _counted(self, some: NDArray[np.bool_]) -> list[tuple[NumberFrame, int]]:
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
        if good.sum() > 1 and matches(body, "^[0-9]{3}(?: [0-9]{3}){2,}$")[good].all():
            return "digits in equal groups, as of telephone numbers"
        if (self.behind & good).any() and matches(self.words, r"^[0-9]\+$").any():
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
