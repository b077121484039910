"""Categories of each form: one convention a column, one path a product, told."""

import pytest

from crisol.models.products.contract import Product
from crisol.models.products.data.cells.category_paths import category_column
from crisol.models.products.data.records import record_from_request
from crisol.models.products.data.taxonomy import Taxonomy


@pytest.mark.parametrize(
    "cells",
    [
        ["Home > Mugs", "Home > Rugs"],
        ["Home>Mugs>Blue", "Home>Rugs"],
        ["Home >> Mugs", "Home >> Rugs"],
        ["Home -> Mugs", "Home --> Rugs"],
        ["Home » Mugs", "Home \u203a Rugs"],
        ["Home → Mugs", "Home → Rugs"],
        ["Home::Mugs", "Home :: Rugs"],
        ["Home|Mugs", "Home|Rugs"],
        ["Home/Mugs", "Home/Rugs"],
        ["Home / Mugs / Blue", "Home / Rugs"],
        ["Home\\Mugs", "Home\\Rugs"],
        ["Home &gt; Mugs", "Home &amp;gt; Rugs"],
        ['["Home >> Mugs >> Blue"]', '["Home >> Rugs"]'],
        ['["Home", "Mugs"]', '["Home", "Rugs"]'],
        ['["Home >> Mugs", "Gifts >> Sets"]', '["Home >> Rugs"]'],
        ["Home > Mugs, Home > Gifts", "Home > Rugs"],
        ["Home > Mugs; Gifts > Sets", "Home > Rugs"],
        ["Home > Mugs | Gifts > Sets", "Home > Rugs"],
        ["Sale, Home > Mugs", "Home > Rugs", "Sale"],
    ],
)
def test_a_path_is_read_in_each_form(cells):
    levels = category_column(cells).levels
    assert [levels[cell] for cell in cells[:2]] == [("Home", "Mugs"), ("Home", "Rugs")]


@pytest.mark.parametrize(
    "cells",
    [
        ["Health/Beauty", "Toys", "Books"],
        ["Health/Beauty", "Home/Garden", "Books"],
        ["Health/Beauty > Soap", "Toys > Cars"],
        ["T-Shirts", "E-Books"],
        ["Clothing, Shoes & Jewelry", "Toys"],
        ["A&B", "C"],
    ],
)
def test_a_name_stays_whole(cells):
    main, _ = category_column(cells).levels[cells[0]]
    assert main == cells[0].split(" > ")[0]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["Home > Mugs, Home > Gifts"], "'Home > Mugs' of"),
        (["Home;Mugs", "Toys"], "category_list names the mark"),
        (['["Home > Mugs", "Gifts > Sets"]'], "'Home > Mugs' of"),
        (["Home/Mugs", "Home/Rugs"], "category_separator=none says otherwise"),
        (["Health/Beauty", "Toys"], "category_separator=/ says otherwise"),
        (["Home|Mugs"], "category_separator=none"),
        (["Home > Mugs, Dining > Pans"], "category_list=comma says"),
    ],
)
def test_what_is_assumed_is_told(cells, told):
    assert told in " ".join(category_column(cells).notes)


@pytest.mark.parametrize(
    ("cell", "separator", "listed", "levels"),
    [
        ("Health/Beauty", "/", "", ("Health", "Beauty")),
        ("Home/Mugs", "none", "", ("Home/Mugs", "")),
        ("Home - Mugs", " - ", "", ("Home", "Mugs")),
        ("Home > Mugs, Dining > Pans", "", ",", ("Home", "Mugs")),
        ("Food\\, Drinks > Tea, Sale", "", ",", ("Food, Drinks", "Tea")),
    ],
)
def test_the_marks_can_be_told(cell, separator, listed, levels):
    assert category_column([cell], separator, listed).levels[cell] == levels


@pytest.mark.parametrize(
    ("given", "category"),
    [
        ("Home/Mugs", "Home > Mugs"),
        ("Home | Mugs", "Home > Mugs"),
        ("Home -> Mugs", "Home > Mugs"),
        ("Health/Beauty", "Health/Beauty"),
        ("Toys/Cars", "Toys/Cars"),
    ],
)
def test_a_request_is_read_by_the_categories_the_model_knows(given, category):
    taxonomy = Taxonomy((("Health/Beauty", ""), ("Home", "Mugs")))
    product = Product(title="x", category=given)
    assert record_from_request(product, 16, taxonomy).category == category
