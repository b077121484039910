"""Prices as shops write them: read with the currency they show, told, or refused with the row."""

import math

import pandas as pd
import pytest

from crisol.core.data.cells.currencies import CODES, MARKS, currencies_of
from crisol.models.products.data.validation import ProductsError, validate_pairs, validate_products
from crisol.models.products.params import DataParams


def _read(prices, notes=None, currency="", **columns):
    raw = pd.DataFrame({"title": [f"Mug {n}" for n in range(len(prices))], "price": prices})
    raw = raw.assign(**columns).astype("str")
    raw.attrs["file"] = "mine.csv"
    params = DataParams.model_validate({"currency": currency})
    found = validate_products(raw, params, [] if notes is None else notes)
    return found["price"].tolist(), found["currency"].tolist()


@pytest.mark.parametrize(
    ("cell", "price", "code"),
    [
        ("€10", 10, "EUR"),
        ("£10", 10, "GBP"),
        ("USD 10", 10, "USD"),
        ("10,90 EUR", 10.9, "EUR"),
        ("1 299,00 €", 1299, "EUR"),
        ("1\u202f299,00\u00a0€", 1299, "EUR"),
        ("89.90 USD", 89.9, "USD"),
        ("CHF 12.50", 12.5, "CHF"),
        ("1'299.00 Fr.", 1299, "CHF"),
        ("99 zł", 99, "PLN"),
        ("1 980 Kč", 1980, "CZK"),
        ("980円", 980, "JPY"),
        ("R$ 12,90", 12.9, "BRL"),
        ("A$5", 5, "AUD"),
        ("C$5.00", 5, "CAD"),
        ("US$ 1,299.00", 1299, "USD"),
        ("₹1,45,000", 145000, "INR"),
        ("Rs. 899/-", 899, "INR"),
        ("10,- €", 10, "EUR"),
        ("12.50 eur", 12.5, "EUR"),
        ("$10 CAD", 10, "CAD"),
        ("￡7.99", 7.99, "GBP"),
        ("12 euros", 12, "EUR"),
    ],
)
def test_a_price_has_the_currency_it_shows(cell, price, code):
    assert _read([cell, cell]) == ([price, price], [code, code])


@pytest.mark.parametrize(
    "cell",
    [
        "(12.50)",
        "\u22125.00",
        "-5",
        "5-",
        "$-5",
        "-$5",
        "($5.00)",
        "$5+",
        "12.50-15.00",
        "from 5",
        "5 EUR / 10 USD",
        "free",
        "10 €/kg",
        "2 for 5",
        "0",
        "0.00 €",
        "inf",
        "1e13",
        "99p",
        "5 Taler",
        "$10 €",
        "1,2,3",
        "1_000",
        "0x10",
        "ab 5 €",
        "all 5",
        "try 5",
        "5 pieces",
        "12 50",
    ],
)
def test_what_is_no_single_price_above_0_is_refused_with_its_row(cell):
    with pytest.raises(
        ProductsError, match=r"mine\.csv, row 2 \(line 3\): price .*unreadable_prices"
    ):
        _read(["1.00", cell, "3.00"])


@pytest.mark.parametrize(
    ("cells", "prices"),
    [
        (["1.500", "2.300,50"], [1500, 2300.5]),
        (["1,500", "2,300.50"], [1500, 2300.5]),
        (["0,999", "12"], [0.999, 12]),
        (["0.999", "12"], [0.999, 12]),
        (["1.299", "899"], [1299, 899]),
        (["1.299", "4", "7"], [1.299, 4, 7]),
        (["1.299", "12,5"], [1299, 12.5]),
        (["1.299", "12.5"], [1.299, 12.5]),
        (["1.299 €", "12,50 €"], [1299, 12.5]),
        (["1.299.000", "5"], [1299000, 5]),
        (["1.299", "2.499", "3.999"], [1299, 2499, 3999]),
        (["1,299", "2,49"], [1.299, 2.49]),
        (["12.50", "7,90"], [12.5, 7.9]),
        (["", "n/a", "-", "5"], [math.nan, math.nan, math.nan, 5]),
    ],
)
def test_a_column_has_one_convention(cells, prices):
    found, _ = _read(cells)
    assert [str(n) for n in found] == [str(float(p)) for p in prices]


@pytest.mark.parametrize("cells", [["1.299"], ["1.299", "12.50", "7,90"], ["1.299", "2,499"]])
def test_what_no_other_cell_tells_is_a_question(cells):
    with pytest.raises(ProductsError, match=r"is 1\.299 or 1299.*read\.decimal"):
        _read(cells)


def test_the_decimal_mark_can_be_told():
    raw = pd.DataFrame({"title": ["a"], "price": ["1.299"]})
    for mark, price in ((".", 1.299), (",", 1299), ("point", 1.299), ("comma", 1299)):
        params = DataParams.model_validate({"read": {"decimal": mark}})
        assert validate_products(raw, params)["price"].tolist() == [price]


def test_numbers_of_the_file_itself_have_a_decimal_point():
    raw = pd.DataFrame({"title": ["a", "b"], "price": ["1.299", "899"]})
    raw.attrs["numeric"] = ("price",)
    assert validate_products(raw, DataParams.model_validate({}))["price"].tolist() == [1.299, 899]


@pytest.mark.parametrize(
    ("cells", "currency", "codes", "told"),
    [
        (["$5", "$6"], "", "USD", "which is assumed"),
        (["$5", "$6"], "CAD", "CAD", ""),
        (["$5", "US$6"], "", "USD", "as other prices show"),
        (["kr 5", "6 kr"], "SEK", "SEK", ""),
        (["A$5", "$6"], "", "AUD", "as other prices show"),
        (["¥500", "600円"], "", "JPY", "as other"),
        (["Rs 5", "Rs. 6"], "PKR", "PKR", ""),
        (["€5", "6"], "", "EUR", "1 prices without"),
        (["5", "6"], "", "", "no currency is named"),
        (["5", "6"], "CHF", "CHF", "all 2 prices"),
    ],
)
def test_ambiguous_marks_are_settled_and_told(cells, currency, codes, told):
    notes: list[str] = []
    assert _read(cells, notes, currency)[1] == [codes, codes]
    assert told in " ".join(notes)


@pytest.mark.parametrize("cell", ["kr 99", "¥980", "Bs 5"])
def test_marks_that_nobody_can_settle_are_a_question(cell):
    with pytest.raises(ProductsError, match=r"row 1 .*stands for .*products\.data\.currency="):
        _read([cell])


@pytest.mark.parametrize(
    ("cells", "counts"),
    [
        (["€10", "€11", "$12"], "EUR 2, USD 1"),
        (["10 EUR", "£9"], "EUR 1, GBP 1"),
        (["₹100", "R$ 5", "₹7"], "INR 2, BRL 1"),
    ],
)
def test_several_currencies_in_one_column_are_a_question(cells, counts):
    with pytest.raises(ProductsError, match=rf"several currencies \({counts}\).*column source"):
        _read(cells)


def test_each_source_may_have_a_currency_of_its_own():
    notes: list[str] = []
    found = _read(["€10", "€11", "£9"], notes, source=["de", "de", "uk"])
    assert found == ([10, 11, 9], ["EUR", "EUR", "GBP"])
    assert "several currencies (EUR 2, GBP 1)" in " ".join(notes)


@pytest.mark.parametrize(
    ("cells", "named", "codes"),
    [
        (["10", "11"], ["EUR", "usd"], ["EUR", "USD"]),
        (["€10", "11"], ["EUR", "€"], ["EUR", "EUR"]),
        (["$10", "$11"], ["CAD", "AUD"], ["CAD", "AUD"]),
    ],
)
def test_a_column_of_currencies_is_followed(cells, named, codes):
    raw = pd.DataFrame({"title": ["a", "b"], "price": cells, "currency": named})
    assert validate_products(raw, DataParams.model_validate({}))["currency"].tolist() == codes


@pytest.mark.parametrize(
    ("cell", "named"), [("€10", "USD"), ("10 GBP", "EUR"), ("A$5", "CAD"), ("kr 5", "EUR")]
)
def test_a_mark_against_the_column_of_currencies_is_refused(cell, named):
    raw = pd.DataFrame({"title": ["a", "b"], "price": ["5", cell], "currency": [named, named]})
    with pytest.raises(ProductsError, match=r"row 2 .*another currency than the column currency"):
        validate_products(raw, DataParams.model_validate({}))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("price_eur", "EUR"),
        ("Preis (€)", "EUR"),
        ("Price USD", "USD"),
        ("price", ""),
        ("price_all", ""),
        ("price R", ""),
    ],
)
def test_the_name_of_the_column_may_show_the_currency(name, code):
    raw = pd.DataFrame({"title": ["a"], name: ["5"]})
    params = DataParams.model_validate({"columns": {"price": name}})
    assert validate_products(raw, params)["currency"].tolist() == [code]


def test_a_stated_share_of_prices_may_be_left_empty():
    raw = pd.DataFrame({"title": list("abcd"), "price": ["5", "free", "6", "7"]})
    notes: list[str] = []
    params = DataParams.model_validate({"unreadable_prices": 0.25})
    assert validate_products(raw, params, notes)["price"].isna().tolist() == [
        False,
        True,
        False,
        False,
    ]
    assert "price: 1 cells cannot be read and are left empty, such as 'free'" in notes[0]


def test_pairs_have_the_same_prices():
    row = {"source": "a", "part": "train", "match": "1", "left_title": "Mug", "right_title": "mug"}
    raw = pd.DataFrame([row | {"left_price": "€10,90", "right_price": "1.299,00 EUR"}] * 2)
    assert validate_pairs(raw)[["left_price", "right_price"]].values.tolist()[0] == [10.9, 1299]
    for left, right, said in (
        ("(5)", "5", "left_price must be above 0"), ("5", "5-6", "right_price is not one number"),
        ("€5", "$5", "several currencies"),
    ):  # fmt: skip
        raw = pd.DataFrame([row | {"left_price": left, "right_price": right}])
        with pytest.raises(ProductsError, match=said):
            validate_pairs(raw)


@pytest.mark.parametrize(
    ("column", "cells", "numbers"),
    [
        ("rating", ["4,5", "3", ""], [4.5, 3, math.nan]),
        ("rating", ["4.5/5", "3/5"], [4.5, 3]),
        ("rating", ["4.5 out of 5 stars"], [4.5]),
        ("rating", ["90 %", "80%"], [4.5, 4]),
        ("rating", ["9/10", "7/10"], [4.5, 3.5]),
        ("rating", ["4.5★"], [4.5]),
        ("votes", ["1,234", "88"], [1234, 88]),
        ("votes", ["1.234"], [1234]),
        ("votes", ["1.2k", "3M"], [1200, 3000000]),
        ("votes", ["(1 234 ratings)"], [1234]),
        ("votes", ["12,5k"], [12500]),
    ],
)
def test_ratings_and_votes(column, cells, numbers):
    raw = pd.DataFrame({"title": [f"a{n}" for n in range(len(cells))], column: cells})
    found = validate_products(raw, DataParams.model_validate({}))[column].tolist()
    assert [str(n) for n in found] == [str(float(n)) for n in numbers]


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("rating", ["4", "8"], "row 2 .*outside 0 to 5"),
        ("rating", ["4.5", "9/10"], "scale to 10"),
        ("rating", ["good"], "not a number"),
        ("rating", ["120 %"], "outside 0 to 100"),
        ("votes", ["1.5"], "no count"),
        ("votes", ["-3"], "no count"),
        ("votes", ["many"], "no count"),
    ],
)
def test_other_scales_and_counts_are_refused(column, cells, said):
    raw = pd.DataFrame({"title": [f"a{n}" for n in range(len(cells))], column: cells})
    with pytest.raises(ProductsError, match=said):
        validate_products(raw, DataParams.model_validate({}))


def test_a_long_cell_is_refused_at_once():
    with pytest.raises(ProductsError, match="is not one number"):
        _read(["1," * 20_000])


def test_the_marks_are_those_of_the_unicode_locales():
    """Babel's data name the same currency for every mark that stands for one alone."""
    babel = pytest.importorskip("babel.numbers")
    assert CODES - {"HRK"} <= set(babel.list_currencies()) | {"XCG"}
    for code, locale in (
        ("EUR", "de_DE"), ("GBP", "en_GB"), ("SEK", "sv_SE"), ("PLN", "pl_PL"), ("CZK", "cs_CZ"),
        ("JPY", "ja_JP"), ("BRL", "pt_BR"), ("INR", "en_IN"), ("HUF", "hu_HU"), ("TRY", "tr_TR"),
        ("UAH", "uk_UA"), ("KRW", "ko_KR"), ("CHF", "de_CH"), ("AUD", "en"), ("CAD", "en"),
    ):  # fmt: skip
        mark = babel.get_currency_symbol(code, locale)
        assert code in currencies_of(mark), (mark, currencies_of(mark), code)
    assert all(set(codes) <= CODES for codes in MARKS.values())
