"""Columns of numbers that are written as text: whether they are, and what is told about them."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.missing import MOST_UNKNOWN, StrayCells, listed, stray_cells
from crisol.core.data.cells.number_styles import (
    AGREEING,
    PLAIN,
    NumberFindings,
    NumberStyle,
    number_style,
)
from crisol.core.data.cells.numbers import (
    infinite,
    like_numbers,
    plain_numbers,
    to_numbers,
)
from crisol.models.tabular.data.columns.column_types import counted
from crisol.models.tabular.data.columns.hints import keeping, of_column
from crisol.models.tabular.data.source_table import SourceTable
from crisol.models.tabular.params import ColumnParams, DataParams

if TYPE_CHECKING:
    import pandas as pd

FEW_NUMBERS = 20
"""Different whole numbers up to which bounds and unknown words make a column a category (0, 1, 2
and 3+), unless they are hardly there."""
HARDLY = 0.05
MOST_TOLD_UNITS = 10
"""Different units beyond which a column holds words that begin with a number (addresses)."""
MOST_NO_VALUE = 1000
"""Words for no value that a schema lists at most."""
SENTINELS = (
    -1, -9, -99, -999, -9999, -99999, -100, -200, -500, -1000, -9998, -32768,
    99, 999, 9999, 99999, 999999, 9999999,
)  # fmt: skip
"""Numbers that often stand for no value."""
_FAR_DATES = ("0001-01-01", "1753-01-01", "1899-12-30", "1900-01-01", "2099-12-31", "2999-12-31",
              "9999-12-31")  # fmt: skip
_LEADING_ZERO = r"[+-]?0\d+"
_SAMPLE = 2000
_LONG = 60
"""Mean letters of cells above which no number is looked for."""


@dataclass(frozen=True)
class WrittenNumbers:
    """What was found about a text column as one of numbers.

    Attributes:
        numbers: float64 [N], NaN where a cell is none; ``None``: the column holds words.
        style: how they are written.
        reason: how they are written, in words; or why they are codes.
        code: whether they are codes, not numbers.
        no_value: the cells that count as missing.
        warnings: sentences about what was assumed or left out.
        unread: why most cells are numbers and the column holds words all the same.
        forced: whether it holds numbers only because a person says so.
    """

    numbers: "pd.Series[Any] | None" = None
    style: NumberStyle = PLAIN
    reason: str = ""
    code: bool = False
    no_value: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: str = ""
    forced: bool = False


def written_numbers(
    texts: "pd.Series[Any]", name: str, data: DataParams, table: SourceTable
) -> WrittenNumbers:
    """Look at a text column without its missing cells.

    Args:
        texts: at least one.
        name: the column's.
        data: may name its kind, decimal mark and unit.
        table: whose column it is; the rest of the file decides between ``1,234`` and 1.234.
    """
    over = data.columns.get(name, ColumnParams())
    told = over.kind == "number" or over.unit is not None or over.decimal is not None
    decimal = over.decimal or data.read.decimal
    if not told:
        if not _may_be_numbers(texts):
            return WrittenNumbers()
        padded = texts.str.fullmatch(_LEADING_ZERO)
        if padded.any():
            said = f"{name}: digits with leading zeros are taken for codes, not for numbers"
            reason = f"digits with leading zeros ({texts[padded].iloc[0]}): a code, no number"
            return WrittenNumbers(reason=reason, code=True, warnings=(said,))
    if decimal != "," and over.unit is None:
        plain = plain_numbers(texts)
        if plain is not None:
            return WrittenNumbers(
                plain, PLAIN, "numbers", warnings=told_infinite(name, int(infinite(texts).sum()))
            )
    found = number_style(texts, decimal=decimal, unit=over.unit)
    if found.decided == "default" and table.decimal_mark is not None:
        found = number_style(texts, unit=over.unit, file_decimal=table.decimal_mark)
    if found.codes and not told:
        as_numbers = of_column(name, "kind", "number")
        said = f"{name}: {found.codes}; {as_numbers} reads them as numbers"
        return WrittenNumbers(reason=found.codes, code=True, warnings=(said,))
    return _read(texts, name, found, data, told)


def _may_be_numbers(texts: "pd.Series[Any]") -> bool:
    """Whether at least half of a sample are numbers or words for no value, and some are numbers."""
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    if sample.str.len().mean() > _LONG:
        return False
    fits = like_numbers(sample) | infinite(sample)
    return bool(fits.any()) and fits.sum() + sum(
        stray_cells(sample[~fits]).marks.values()
    ) >= 0.5 * len(sample)


def _read(
    texts: "pd.Series[Any]", name: str, found: NumberFindings, data: DataParams, told: bool
) -> WrittenNumbers:
    """The numbers, where enough cells are numbers of one style."""
    numbers = to_numbers(texts, found.style)
    bad = texts[numbers.isna()]
    endless = infinite(bad)
    bad = bad[~endless]
    other = like_numbers(bad)  # numbers, but in another unit or under the other convention
    misfits = bad[other]
    stray = stray_cells(bad[~other])
    kept = set(data.read.keep) & set(bad)
    whole = bool((numbers.dropna() % 1 == 0).all()) and numbers.nunique() <= FEW_NUMBERS
    if numbers.notna().sum() == 0:
        return WrittenNumbers()
    why = _why_words(name, found, len(misfits), stray, kept, whole)
    if why is not None and not told:
        return WrittenNumbers(warnings=(why,) if why else (), unread=why)
    warnings = (
        *_told_style(name, found),
        *told_infinite(name, int(endless.sum())),
        *_told_misfits(name, found, misfits),
        *stray.tell(name, lambda word: keeping(word, data.read.keep)),
    )
    reason = "numbers" + (f" ({_styled(found)})" if _styled(found) else "")
    return WrittenNumbers(
        numbers,
        found.style,
        reason,
        no_value=tuple(sorted(set(bad))[:MOST_NO_VALUE]),
        warnings=warnings,
        forced=why is not None,
    )


def _why_words(
    name: str,
    found: NumberFindings,
    misfits: int,
    stray: StrayCells,
    kept: set[str],
    few_numbers: bool,
) -> str | None:
    """Why a column holds words, told (or ``""``); ``None`` where it holds numbers."""
    there = found.numbers + misfits
    number = of_column(name, "kind", "number")
    option = f"{number} reads the others and counts these as missing"
    if kept:
        word = sorted(kept)[0]
        return f"{name}: holds numbers and the word {word!r} (read.keep): taken for words"
    if misfits > (1 - AGREEING) * there:
        if len(found.units) > 1:
            first = next(unit for unit in found.units if unit)
            if len(found.units) > MOST_TOLD_UNITS:
                return ""
            units = {unit or "no unit": count for unit, count in found.units.items()}
            return (
                f"{name}: its numbers have different units ({listed(units)}) and are taken for "
                f"words; give them in one, or {of_column(name, 'unit', first)} reads those and the "
                "ones without a unit"
            )
        return (
            f"{name}: {found.numbers:,} cells have a decimal {_NAMES[found.style.decimal]} and "
            f"{misfits:,} the other mark: taken for words; write them alike, or {option}"
        )
    if stray.few(found.cells, HARDLY if few_numbers else MOST_UNKNOWN):
        return None
    if found.numbers < 0.5 * (found.cells - sum(stray.marks.values())):
        return ""
    words = {**stray.words, **stray.bounds}
    return (
        f"{name}: {stray.unknown:,} of {found.cells:,} cells are no numbers ({listed(words)}): "
        f"taken for words; mend them, or {option}"
    )


_NAMES = {".": "point", ",": "comma"}


_ASSUMED = {
    "default": "nothing in the file decides it",
    "money": "amounts of money hardly have three decimals",
    "file": "as in the other columns of the file, or by its separator",
}
"""What decided the decimal mark of a column whose cells do not."""


def _styled(found: NumberFindings) -> str:
    """How numbers are written, short: for the reason of a kind."""
    said = []
    if found.style.decimal == ",":
        said.append("decimal comma")
    if found.thousands:
        said.append("thousands")
    if found.style.unit:
        said.append(f"in {found.style.unit}")
    return ", ".join(said)


def _told_style(name: str, found: NumberFindings) -> tuple[str, ...]:
    """Warnings about what was assumed of how numbers are written."""
    import pandas as pd

    said = []
    usual = found.decided == "file" and found.style.decimal == "." and "." in (found.either or "")
    if found.either is not None and found.decided in _ASSUMED and not usual:
        value = to_numbers(pd.Series([found.either], dtype="str"), found.style).iloc[0]
        other = _NAMES["," if found.style.decimal == "." else "."]
        said.append(
            f"{name}: {found.either!r} is read as {value:.15g} ({_ASSUMED[found.decided]}); "
            f"{of_column(name, 'decimal', other)}, or tabular.data.read.decimal for the file, "
            "changes it"
        )
    if found.style.unit == "%":
        said.append(f"{name}: read without its percent sign; requests send 12.5 for 12.5%")
    elif found.style.unit:
        said.append(
            f"{name}: read in {found.style.unit}; requests send the number without the unit"
        )
    if found.style.bare and found.units.get(""):
        said.append(
            f"{name}: {found.units['']:,} cells without a unit are taken to be in "
            f"{found.style.unit}"
        )
    if found.factors:
        said.append(f"{name}: cells with a multiplier are multiplied ({listed(found.factors)})")
    if found.negatives:
        said.append(
            f"{name}: {found.negatives:,} cells in brackets or with a minus behind them are read "
            "as negative numbers"
        )
    return tuple(said)


def _told_misfits(name: str, found: NumberFindings, misfits: "pd.Series[Any]") -> tuple[str, ...]:
    if misfits.empty:
        return ()
    style = found.style
    what = f"numbers in {style.unit}" if style.unit else f"of the form {_form(style)}"
    said = (
        f"{name}: {len(misfits):,} cells are not {what} ({listed(counted(misfits))}) and count as "
        "missing"
    )
    return (said,)


def _form(style: NumberStyle) -> str:
    return "1,234.5" if style.decimal == "." else "1.234,5"


def told_infinite(name: str, count: int) -> tuple[str, ...]:
    """The warning about infinite cells of a column; none where there are none."""
    return (f"{name}: {count:,} cells are infinite and count as missing",) if count else ()


def told_sentinels(name: str, there: "pd.Series[Any]", cells: "pd.Series[Any]") -> tuple[str, ...]:
    """The suspicion that some numbers or dates stand for no value; they are left as they are.

    Args:
        name: of the column.
        there: its typed values.
        cells: as they stand in the file; the index is the same.
    """
    import pandas as pd

    if pd.api.types.is_float_dtype(there.dtype):
        suspects = there[there.isin(SENTINELS)]
        if suspects.empty:
            return ()
        others = there[~there.isin(SENTINELS)]
        low, high, different = others.min(), others.max(), others.nunique()
        if different < 3:
            return ()
        many = different >= 5
        counts = {
            f"{value:g}": count
            for value, count in Counter(suspects.tolist()).most_common()
            if count > 1 and _stands_apart(value, low, high, many)
        }
    elif pd.api.types.is_datetime64_any_dtype(there.dtype):
        far = there.dt.strftime("%Y-%m-%d").isin(_FAR_DATES)
        years = there[~far].dt.year
        apart = far & ~there.dt.year.isin(years)
        counts = counted(cells.loc[there.index[apart]].astype(str)) if far.sum() > 1 else {}
        counts = counts if len(years) else {}
    else:
        return ()
    if not counts:
        return ()
    values = [int(word) if word.lstrip("-").isdigit() else word for word in counts]
    option = of_column(name, "missing", values if len(values) > 1 else values[0])
    said = f"{name}: {listed(counts)} may stand for no value, and is taken as it is"
    return (f"{said}; {option} makes it missing",)


def _stands_apart(value: float, low: float, high: float, many: bool) -> bool:
    """Whether a number is far from the others, which reach from ``low`` to ``high``."""
    if value < 0 <= low:
        return value < -1 or many
    if value < 0:
        return many and low > 0.5 * value and low - value > 2 * (high - low)
    return high < (0.25 if value < 100 else 0.5) * value
