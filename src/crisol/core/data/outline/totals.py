"""Rows at the end of a table, or below a group of rows, that are totals or statistics of it."""

import re
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.number_styles import number_style
from crisol.core.data.cells.numbers import to_numbers
from crisol.core.data.outline.headers import looks_numeric
from crisol.core.data.outline.left_rows import Left, last_rows, places, row_cells
from crisol.core.data.read_params import ReadParams

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_TOTAL = re.compile(
    r"[\W_]*((grand|sub|sum|net|overall|all)?[\s_-]*totals?|totals?\b[\s_:-]*(general|row|général|"
    r"geral|generale|amount)?|summe|gesamt(summe|ergebnis)?|insgesamt|zwischensumme|sums?|suma|"
    r"somme|soma|somma|totale?|totaal|ergebnis|all|alle|subtotal|∑|"
    r"(total|sum|summe|mean|average)\b.{0,30})[\W_]*",
    re.IGNORECASE,
)
_MEAN = re.compile(
    r"[\W_]*(mean|average|avg\.?|mittel(wert)?|durchschnitt|moyenne|promedio|media|médias?|median|"
    r"gemiddelde|ø|mw)\b.{0,30}",
    re.IGNORECASE,
)
_SPREAD = re.compile(
    r"[\W_]*(st(d|andard)?[\W_]*(dev(iation)?|abw(eichung)?|fehler|error)?|sd|std|stdev|var(iance|ianz)?|"
    r"min(imum)?|max(imum)?|count|n|anzahl|\d\d ?%|median)[\W_]*",
    re.IGNORECASE,
)
"""Rows that only count as statistics beside a total or a mean."""
_GROUP_TOTAL = r"\S.{0,40}[\s_-](sub-?total|total|ergebnis|gesamt|summe)"
_MOST_TOTALS = 10
_SURELY = 5
"""Cells whose sum is no coincidence."""


def is_total(text: str) -> bool:
    """Whether a cell calls its row a total or a mean.

    >>> is_total("Grand total"), is_total("Mittelwert"), is_total("Totally fine")
    (True, True, False)
    """
    return len(text) <= 40 and bool(_TOTAL.fullmatch(text) or _MEAN.fullmatch(text))


def _tell_unnamed_total(table: "pa.Table", left: Left, place: Any) -> None:
    """Tell a last row of sums that no word calls a total."""
    last = last_rows(table, left, 1)
    if not last or last[0] < 3:
        return
    cells, above = row_cells(table, last[0]), row_cells(table, last[0] - 1)
    blank = [at for at, cell in enumerate(cells) if not cell and above[at]]
    if not blank or blank[0] != 0 or not any(cells):
        return
    if not _agrees(table, last[0], left.rows) and not _has_sum(table, last[0], left.rows):
        return
    left.notes.append(
        f"the last row, {place(last[0])}, holds the sums or means of the rows above and no word; "
        "it is kept: take it out of the file if it is a total"
    )


def leave_out_totals(table: "pa.Table", left: Left, params: ReadParams, place: Any) -> None:
    """Leave out rows at the end that are totals or means of the rows above them; tell others."""
    if params.totals == "keep":
        return
    named = [at for at in last_rows(table, left, _MOST_TOTALS) if _called(table, at)]
    named += [at for at in _inner_totals(table) if at not in named and at not in left.rows]
    groups = [at for at in _group_totals(table) if at not in named and at not in left.rows]
    spread = _spread_rows(table, left)
    others = left.rows | {*named, *groups, *spread}
    sure: list[int] = []
    doubtful: list[int] = []
    for at in sorted(named):
        agrees = params.totals == "drop" or _agrees(table, at, others)
        (sure if agrees else doubtful).append(at)
    sure += [at for at in groups if params.totals == "drop" or _agrees(table, at, others, 1)]
    sure = sorted({*sure, *(spread if sure else [])})
    if sure:
        called = sorted({repr(_first_cell(table, at)) for at in sure})
        words = ", ".join(called[:5]) + (f" and {len(called) - 5} more" if len(called) > 5 else "")
        left.out(sure, f"{len(sure)} row(s) called {words} are left out, the first "
                 f"{place(sure[0])} (read.totals: keep)")  # fmt: skip
    if not sure:
        _tell_unnamed_total(table, left, place)
    if doubtful:
        words = ", ".join(sorted({repr(_called(table, at)) for at in doubtful})[:5])
        left.notes.append(
            f"{len(doubtful):,} row(s) called {words} may be totals, the first "
            f"{place(doubtful[0])}; they agree with no sum or mean of the rows above and are kept "
            "(read.totals: drop)"
        )


def _first_cell(table: "pa.Table", at: int) -> str:
    """The first filled cell of a row; ``""`` if its first ones are empty."""
    return next((cell for cell in row_cells(table, at)[:8] if cell), "")


def _called(table: "pa.Table", at: int) -> str:
    """The word in the first filled cell of a row that calls it a total; ``""`` if none does."""
    cell = _first_cell(table, at)
    return cell if is_total(cell) else ""


def _spread_rows(table: "pa.Table", left: Left) -> list[int]:
    """Rows such as SD and Max among the last ones, as far as each is a statistic or a total."""
    found = []
    for at in last_rows(table, left, _MOST_TOTALS):
        if _SPREAD.fullmatch(_first_cell(table, at)):
            found.append(at)
        elif not _called(table, at):
            break
    return found


def _group_totals(table: "pa.Table") -> list[int]:
    """Rows anywhere that are called the total of a group: ``North Total``; if they are few."""
    import pyarrow.compute as pc

    found = places(pc.match_substring_regex(table.column(0), f"(?i)^{_GROUP_TOTAL}$"))
    return found if len(found) <= table.num_rows // 2 else []


def _inner_totals(table: "pa.Table") -> list[int]:
    """Rows anywhere whose first cell calls them a total, if they are few."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = ["total", "subtotal", "sub-total", "sub total", "grand total", "sum", "summe",
             "zwischensumme", "gesamt"]  # fmt: skip
    first = pc.utf8_lower(table.column(0))
    found = places(pc.is_in(first, value_set=pa.array(words)))
    return found if len(found) <= max(3, table.num_rows // 5) else []


def _has_sum(table: "pa.Table", at: int, others: set[int]) -> bool:
    """Whether a number of a row is surely the sum of the rows above it."""
    import numpy as np

    above = [row for row in range(at) if row not in others]
    for column in table.columns:
        word = column[at].as_py()
        numbers = _numbers(column.slice(0, at), word) if looks_numeric(word or "") else None
        if numbers is None:
            continue
        cells, total = np.nan_to_num(numbers[:-1][above]), float(numbers[-1])
        if (cells != 0).sum() < _SURELY or abs(total) <= 2 * np.abs(cells).max():
            continue
        if abs(total - cells.sum()) <= max(0.51 * 10.0 ** -_decimals(word), 1e-6 * abs(total)):
            return True
    return False


def _agrees(table: "pa.Table", at: int, others: set[int], least: int = 2) -> bool:
    """Whether the numbers of a row are the sums, or the means, of the rows above it.

    Args:
        table: of text.
        at: the row.
        others: rows that do not count.
        least: of how many rows a subtotal is the sum.
    """
    import numpy as np

    above = np.ones(at, dtype=bool)
    above[[row for row in others if row < at]] = False
    if above.sum() < 2:
        return False
    agreeing = 0
    for column in table.columns:
        word = column[at].as_py()
        if not word or is_total(word) or not any(map(str.isdigit, word)):
            continue
        numbers = _numbers(column.slice(0, at), word)
        if numbers is None:
            continue
        cells, total = numbers[:-1][above], float(numbers[-1])
        there = cells[~np.isnan(cells)]
        if len(there) < 2 or np.isnan(total):
            continue
        if not _is_sum_or_mean(there, total, _decimals(word)) and not _group_sum(
            cells, total, word, least
        ):
            return False
        agreeing += 1
    return agreeing > 0


def _numbers(column: Any, word: str) -> "NDArray[np.float64] | None":
    """The cells of a column and of a row below it as numbers; ``None`` where few are any."""
    import numpy as np
    import pandas as pd

    cells = pd.Series([*column.to_pylist(), word], dtype="str")
    numbers = to_numbers(cells, number_style(cells).style).to_numpy(dtype=np.float64)
    filled = (cells != "").to_numpy()
    return numbers if np.isfinite(numbers[filled]).mean() > 0.8 else None


def _decimals(word: str) -> int:
    tail = re.search(r"[.,](\d+)\D*$", word)
    return len(tail[1]) if tail and len(tail[1]) != 3 else 0


def _is_sum_or_mean(cells: "NDArray[np.float64]", total: float, decimals: int) -> bool:
    import numpy as np

    rounding = 0.51 * 10.0**-decimals
    for wanted in (cells.sum(), cells.mean(), np.median(cells)):
        if abs(total - wanted) <= max(rounding, 1e-6 * abs(wanted)):
            return True
    return False


def _group_sum(cells: "NDArray[np.float64]", total: float, word: str, least: int) -> bool:
    """Whether a number is the sum of the last rows above it, as subtotals are."""
    import numpy as np

    tail = np.cumsum(np.nan_to_num(cells[::-1][:1000]))[least - 1 :]
    return bool(np.isclose(tail, total, rtol=1e-6, atol=0.51 * 10.0 ** -_decimals(word)).any())
