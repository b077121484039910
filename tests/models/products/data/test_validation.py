"""Invalid raw products and pairs are refused with file, row, rule and remedy."""

import pandas as pd
import pytest

from crisol.models.products.data.validation import (
    PAIR_COLUMNS,
    ProductsError,
    validate_pairs,
    validate_products,
)
from crisol.models.products.params import DataParams


def _params(**changes) -> DataParams:
    return DataParams.model_validate(
        {"studies": [{"name": "shop"}], "register_study": "shop", "currency": "EUR", **changes}
    )


def _table(**columns) -> pd.DataFrame:
    table = pd.DataFrame({"title": ["Mug", "Pan", "Rug"], **columns}, dtype="str")
    table.attrs["file"] = "mine.csv"
    return table


def test_a_title_is_enough():
    found = validate_products(_table(), _params())
    assert found["id"].tolist() == ["1", "2", "3"]
    assert found["source"].tolist() == ["shop"] * 3
    assert found["attributes"].tolist() == ["{}"] * 3
    assert found["price"].isna().all()
    assert (found["currency"] == "").all()
    assert not found.drop(columns=["price", "rating", "votes"]).isna().any().any()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"title": ["Mug", " ", "Rug"]}, "mine.csv, row 2 (line 3): title is empty"),
        ({"title": ["Mug", "<br>", "Rug"]}, "row 2 (line 3): title is empty"),
        ({"id": ["a", "b", "a"]}, "row 3 (line 4): id occurs already"),
        ({"id": ["a", "", "b"]}, "row 2 (line 3): id is empty"),
        ({"id": ["a", "b\x00", "c"]}, "holds a control character"),
        ({"id": ["a", "b" * 201, "c"]}, "longer than 200"),
        ({"price": ["1", "-2", "3"]}, "row 2 (line 3): price must be above 0"),
        ({"price": ["1", "0", "3"]}, "price must be above 0"),
        ({"price": ["1", "cheap", "much"]}, "price is not a number; leave it empty"),
        ({"price": ["1", "inf", ""]}, "price is not a number"),
        ({"price": ["1", "1e13", ""]}, "price is above"),
        ({"currency": ["EUR", "X", ""], "price": ["1", "2", "3"]}, "currency is none of ISO 4217"),
        ({"rating": ["4", "5.1", ""]}, "rating is outside 0 to 5"),
        ({"rating": ["4", "-1", ""]}, "rating is outside"),
        ({"votes": ["4", "-1", ""]}, "votes is no count"),
        ({"votes": ["4", "1.5", ""]}, "votes is no count"),
        ({"part": ["train", "dev", ""]}, "part is neither train nor test (part dev)"),
        ({"attributes": ["a=1; b=2", "red", ""]}, "neither a JSON object nor name=value"),
        ({"attributes": ["{}", '{"a": ', ""]}, "neither a JSON object"),
        ({"attributes": ["", ";".join(f"a{n}=1" for n in range(101)), ""]}, "more than 100"),
        ({"image": ["", "https://shop.example/a.jpg", ""]}, "image is an address"),
        ({"subcategory": ["", "Mugs", ""]}, "subcategory without a category"),
        ({"category": ["x" * 201, "", ""]}, "category is longer than 200"),
    ],
)
def test_a_bad_row_is_named(columns, said):
    with pytest.raises(ProductsError) as refused:
        validate_products(_table(**columns), _params())
    assert said in str(refused.value)


def test_the_line_counts_line_breaks_in_cells_above():
    table = _table(description=["one\ntwo\nthree", "", ""], price=["1", "x", ""])
    with pytest.raises(ProductsError, match=r"row 2 \(line 5\)"):
        validate_products(table, _params())


def test_a_missing_title_column_names_the_ones_there_and_the_way_out():
    with pytest.raises(ProductsError, match=r"there are: name, cost.*columns\.title=") as refused:
        validate_products(pd.DataFrame({"name": ["Mug"], "cost": ["1"]}), _params())
    assert "title" in str(refused.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"title": "produkt"}, "'produkt'"), ({"titel": "title"}, "'titel' is no column of ours")],
)
def test_a_wrong_mapping_is_refused(columns, said):
    with pytest.raises(ProductsError, match=said):
        validate_products(_table(), _params(columns=columns))


def test_no_products_at_all_are_refused():
    with pytest.raises(ProductsError, match="there are no products"):
        validate_products(pd.DataFrame({"title": []}, dtype="str"), _params())


def test_other_names_are_taken_and_the_rest_is_told():
    table = _table(name=["A", "B", "C"], cost=["1", "2,50", ""], colour=["red"] * 3)
    notes: list[str] = []
    found = validate_products(table, _params(columns={"title": "name", "price": "cost"}), notes)
    assert found["title"].tolist() == ["A", "B", "C"]
    assert found["price"].tolist()[:2] == [1.0, 2.5]
    assert found["currency"].tolist() == ["EUR", "EUR", ""]
    assert notes[0].startswith("not used: title, colour")


def test_categories_attributes_and_ids_are_read_in_each_of_their_forms():
    found = validate_products(
        _table(
            id=["007", "7", "NA"],
            category=["Home > Rugs > Wool", "Home", ""],
            subcategory=["", "Pans", ""],
            attributes=['{"Size": 5, "Tags": ["a", "b"], "No": null}', "Size = 5;Colour=a=b", ""],
        ),
        _params(),
    )
    assert found["id"].tolist() == ["007", "7", "NA"]
    assert found["category"].tolist() == ["Home", "Home", ""]
    assert found["subcategory"].tolist() == ["Rugs", "Pans", ""]
    assert found["attributes"].tolist() == [
        '{"Size": "5", "Tags": "a, b"}', '{"Size": "5", "Colour": "a=b"}', "{}",
    ]  # fmt: skip


def test_texts_that_are_too_long_for_a_request_are_cut_and_counted():
    notes: list[str] = []
    found = validate_products(_table(description=["word " * 5000, "", ""]), _params(), notes)
    assert len(found["description"][0]) <= 20_000
    assert "1 of column description" in notes[0]


def _pairs(**columns) -> pd.DataFrame:
    row = {"source": "a", "part": "train", "match": "1", "left_title": "Mug", "right_title": "mug"}
    return pd.DataFrame([row, row | {"match": "0"}]).assign(**columns)


def test_pairs_get_every_column():
    found = validate_pairs(_pairs(left_price=["₹1,299", ""]))
    assert list(found.columns) == list(PAIR_COLUMNS)
    assert found["match"].tolist() == [1, 0]
    assert found["left_price"][0] == 1299
    assert (found["right_description"] == "").all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"match": ["1", "yes"]}, "row 2 .*match is neither 0 nor 1"),
        ({"part": ["train", ""]}, "part is none of"),
        ({"right_title": ["a", ""]}, "right_title is empty"),
        ({"left_price": ["-1", ""]}, "left_price must be above 0"),
        ({"colour": "red"}, "'colour' is unknown"),
    ],
)
def test_bad_pairs_are_named(columns, said):
    with pytest.raises(ProductsError, match=said):
        validate_pairs(_pairs(**columns))
