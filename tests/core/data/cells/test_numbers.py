"""Numbers as people write them: one convention a column, units, signs; and what is no number."""

import time

import numpy as np
import pandas as pd
import pytest

from crisol.core.data.cells.number_styles import NumberStyle, number_style
from crisol.core.data.cells.numbers import (
    like_numbers,
    looks_like_number,
    plain_numbers,
    to_numbers,
)
from crisol.core.data.cells.units import unit_key

NAN = float("nan")


def _read(cells: list[str], **told) -> tuple[list[float], NumberStyle]:
    found = number_style(cells, **told)
    return to_numbers(pd.Series(cells, dtype="str"), found.style).tolist(), found.style


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1.500", "2.300,50"], [1500, 2300.5]),
        (["1.500", "1.234.567"], [1500, 1234567]),
        (["0,250", "12,750"], [0.25, 12.75]),
        (["1,5", "1.234"], [1.5, 1234]),
        (["-,5", "1.000"], [-0.5, 1000]),
        (["1,234", "0.5"], [1234, 0.5]),
        (["1,234,567", "1.250"], [1234567, 1.25]),
        (["1,234.5", "12"], [1234.5, 12]),
        (["1,45,000", "12,34,567.5"], [145000, 1234567.5]),
        (["1 234 567", "1 234,5"], [1234567, 1234.5]),
        (["1\u00a0299,00", "12"], [1299, 12]),
        (["1\u202f299,00", "12\u2009000"], [1299, 12000]),
        (["8'655.61", "1'000'000"], [8655.61, 1000000]),
        (["8\u2019655.61", "3"], [8655.61, 3]),
        (["1_000", "2_500_000"], [1000, 2500000]),
        (["1,5e-3", "2"], [0.0015, 2]),
        (["1.5E+03", "2e2"], [1500, 200]),
        (["\uff11\uff12", "\uff0d\uff13"], [12, -3]),
        (["\u0663\u066b\u0665", "\u0661\u0662"], [3.5, 12]),
    ],
    ids=lambda v: v[0] if isinstance(v[0], str) else "",
)
def test_a_column_has_one_convention(cells: list[str], numbers: list[float]) -> None:
    assert _read(cells)[0] == numbers


@pytest.mark.parametrize(
    ("cells", "told", "numbers", "decided"),
    [
        (["1,234", "5,678"], {}, [1234, 5678], "default"),
        (["1.234", "5.678"], {}, [1.234, 5.678], "default"),
        (["1,234", "5,678"], {"file_decimal": ","}, [1.234, 5.678], "file"),
        (["1.234", "5.678"], {"file_decimal": ","}, [1234, 5678], "file"),
        (["1.234", "5.678"], {"decimal": ","}, [1234, 5678], "told"),
        (["1,234", "0,5"], {"file_decimal": "."}, [1.234, 0.5], "cells"),
        (["\u20ac 1.234", "\u20ac 950"], {}, [1234, 950], "money"),
        (["$1,234"], {}, [1234], "money"),
        (["\u20ac 1.234"], {"decimal": "."}, [1.234], "told"),
        (["12", "1234"], {}, [12, 1234], ""),
    ],
)
def test_what_the_cells_do_not_tell_is_decided_and_said(cells, told, numbers, decided) -> None:
    found = number_style(cells, **told)
    assert found.decided == decided
    assert to_numbers(pd.Series(cells, dtype="str"), found.style).tolist() == numbers
    assert (found.either is None) == (decided == "")


@pytest.mark.parametrize(
    ("cells", "numbers", "unit"),
    [
        (["$101,743", "$5"], [101743, 5], "$"),
        (["-$5", "$-6", "($7)"], [-5, -6, -7], "$"),
        (["\u20ac 10", "10 \u20ac", "\u20ac10"], [10, 10, 10], "\u20ac"),
        (["10,90 EUR", "1 299,00 \u20ac"], [10.9, 1299], "EUR"),
        (["USD 10", "$5 USD"], [10, 5], "USD"),
        (["Rs. 500", "Rs.1,45,000"], [500, 145000], "Rs."),
        (["CHF 8'655.61", "5 CHF"], [8655.61, 5], "CHF"),
        (["100 kr", "5,50 kr."], [100, 5.5], "kr"),
        (["5 z\u0142", "6,50 z\u0142"], [5, 6.5], "z\u0142"),
        (["1200\u5186", "300\u5186"], [1200, 300], "\u5186"),
        (["72 kg", "80kg", "81 KG"], [72, 80, 81], "kg"),
        (["180cm", "175 cm"], [180, 175], "cm"),
        (["5 km/h", "6.5 km/h"], [5, 6.5], "km/h"),
        (["23 \u00b0C", "\u22124 \u00b0C"], [23, -4], "\u00b0C"),
        (["5 m\u00b2", "6 m2"], [5, 6], "m\u00b2"),
        (["12 %", "0.5%"], [12, 0.5], "%"),
        (["1,5 \u20ac/m\u00b2", "2 \u20ac/m\u00b2"], [1.5, 2], "\u20ac/m\u00b2"),
        (["1 day", "12 days"], [1, 12], "day"),
        (["5 lbs", "6 lb", "7 lbs"], [5, 6, 7], "lbs"),
        (["300 K", "4 K"], [300, 4], "K"),
        (["1.2k", "3M", "950"], [1200, 3e6, 950], None),
        (["1,5 Mio. \u20ac", "20 k\u20ac"], [1.5e6, 2e4], "EUR"),
        (["$1.2bn", "$3M"], [1.2e9, 3e6], "$"),
    ],
    ids=lambda v: v[0] if isinstance(v, list) and isinstance(v[0], str) else "",
)
def test_units_and_currencies(cells: list[str], numbers: list[float], unit: str | None) -> None:
    found, style = _read(cells)
    assert found == pytest.approx(numbers)
    assert (style.unit and unit_key(style.unit)) == (unit and unit_key(unit))


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["(5)", "(1,250.75)", "3"], [-5, -1250.75, 3]),
        (["5-", "6.5 -"], [-5, -6.5]),
        (["\u22125", "\u20137"], [-5, -7]),
        (["+5", "- 5"], [5, -5]),
    ],
)
def test_signs(cells: list[str], numbers: list[float]) -> None:
    assert _read(cells)[0] == numbers


@pytest.mark.parametrize(
    "cell",
    [
        "1/2", "1 1/2", "\u00bd", "0x10", "10:30", "10-20", "<0.5", "~5", "3+", "1,2,3", "1.2.3",
        "12.05.2024", "192.168.1.1", "12A", "A5", "5th", "v1.2", "(5", "5)", "-5-", "+-5",
        "5 kg 3 g", "-", ".", "", "nan", "None", "5\u00b2",
    ],
)  # fmt: skip
def test_what_is_no_number(cell: str) -> None:
    assert not looks_like_number(cell)
    assert np.isnan(_read([cell, "7"])[0][0])


@pytest.mark.parametrize(
    ("cells", "units"),
    [
        (["72 kg", "160 lb", "80 kg"], {"kg": 2, "lb": 1}),
        (["$5", "\u20ac6", "$7"], {"$": 2, "\u20ac": 1}),
        (["10 %", "5", "6 %"], {"%": 2, "": 1}),
        (["5 MB", "1 GB"], {"MB": 1, "GB": 1}),
        (["3 months", "1 year", "2 years"], {"years": 2, "months": 1}),
        (["5 m", "5 M\u20ac"], {"m": 1, "EUR": 1}),
    ],
)
def test_several_units_are_counted_and_never_merged(cells, units) -> None:
    found = number_style(cells)
    assert sum(found.units.values()) == sum(units.values())
    assert sorted(found.units.values()) == sorted(units.values())
    assert found.numbers < found.cells


def test_a_told_unit_is_that_of_cells_without_one() -> None:
    cells = ["72", "80 kg", "160 lb"]
    assert _read(cells, unit="kg")[0] == pytest.approx([72, 80, NAN], nan_ok=True)
    found = number_style(cells, unit="kg")
    assert (found.numbers, found.style.bare, found.units[""]) == (2, True, 1)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["600 123 456", "601 222 333"], "telephone"),
        (["600 123 456", "1 222 333"], ""),
        (["2-", "2+", "3"], "grades"),
        (["2-", "3"], ""),
    ],
)
def test_codes_are_no_numbers(cells: list[str], why: str) -> None:
    found = number_style(cells).codes
    assert why in found
    assert bool(why) == bool(found)


def test_cells_against_the_convention_are_counted() -> None:
    found = number_style(["1,5"] * 3 + ["2.5"])
    assert (found.style.decimal, found.numbers, found.against) == (",", 3, 1)


@pytest.mark.parametrize(
    ("cells", "plain"),
    [
        (["1", "2.5", "-3e2"], True),
        (["1.234", "0.5"], True),
        (["1.234", "12"], False),
        (["1,5", "2"], False),
        (["inf", "2"], True),
        ([], True),
    ],
)
def test_plain_numbers_need_no_look_at_every_cell(cells: list[str], plain: bool) -> None:
    assert (plain_numbers(pd.Series(cells, dtype="str")) is not None) is plain


def test_different_cells_are_read_quickly_and_missing_ones_stay() -> None:
    values = np.random.default_rng(0).random(20_000) * 1e5
    cells = pd.Series([f"${value:,.2f}" for value in values], dtype="str")
    cells[::10] = None
    start = time.perf_counter()
    numbers = to_numbers(cells, number_style(cells).style)
    assert time.perf_counter() - start < 2, "about 0.03 s on an idle core"
    assert numbers.isna().sum() == 2_000
    assert numbers.dropna().to_numpy() == pytest.approx(np.delete(values, np.s_[::10]), abs=0.0051)


def test_an_empty_column_and_one_of_words_hold_no_number() -> None:
    assert number_style([]).share == 0
    words = pd.Series([f"word {i} a" for i in range(3000)], dtype="str")
    assert number_style(words).numbers == 0
    assert not like_numbers(words).any()


@pytest.mark.parametrize(
    ("cells", "numbers", "unit"),
    [
        (["CHF 3'450.-", "CHF 120.50"], [3450, 120.5], "CHF"),
        (["12,- €", "1.500,-- €"], [12, 1500], "€"),
        (["5.\u2013", "7.50"], [5, 7.5], None),
        (["$ (1,234.15)", "$ 5.00"], [-1234.15, 5], "$"),
        (["(1.234,50) €", "12,00 €"], [-1234.5, 12], "€"),
        (["1.234,50- EUR", "7,00 EUR"], [-1234.5, 7], "EUR"),
        (["(5)%", "6%"], [-5, 6], "%"),
    ],
)
def test_a_dash_for_no_cents_is_no_minus_and_brackets_may_follow_the_mark(
    cells, numbers, unit
) -> None:
    read, style = _read(cells)
    assert read == numbers
    assert style.unit == unit


@pytest.mark.parametrize("cell", ["(1) preliminary", "10-year", "((5))", "-(5)", "(5", "1.-2"])
def test_notes_and_codes_are_no_negative_numbers(cell) -> None:
    assert not looks_like_number(cell)
