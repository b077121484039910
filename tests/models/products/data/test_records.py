"""A request and a row of the catalogue become the same record."""

import base64

import pandas as pd
import pytest
from PIL import Image

from crisol.core.errors import FieldError
from crisol.models.products.contract import Product, example_request
from crisol.models.products.data import prepare as data
from crisol.models.products.data.cells.category_paths import category_levels
from crisol.models.products.data.records import record_from_request
from crisol.models.products.params import DataParams

PARAMS = DataParams.model_validate(
    {"studies": [{"name": "shop"}], "register_study": "shop", "image_size": 32}
)


def test_a_request_is_read_as_a_row_is(tmp_path):
    row = {
        "id": "7", "title": "Cafe\u0301 <b>Mug</b> Rs. 299",
        "description": "Good&amp; Price: 299",
        "brand": "Acme", "category": "Kitchen >> Mugs > Red", "attributes": "Colour=Red; MRP=299",
        "price": "299", "currency": "INR", "image": "a.jpg",
    }  # fmt: skip
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.jpg")
    products, images = data.clean(pd.DataFrame([row]), tmp_path, PARAMS)
    from_table = data.records_from_tables(products, images)[0]
    encoded = base64.b64encode((tmp_path / "a.jpg").read_bytes()).decode()
    asked = {name: value for name, value in row.items() if name != "id"} | {
        "price": 299.0, "image": encoded, "attributes": {"Colour": "Red", "MRP": "299"},
    }  # fmt: skip
    from_request = record_from_request(Product.model_validate(asked), 32)
    assert from_request.title == from_table.title == "Café Mug"
    assert from_request.description == from_table.description == "Good&"
    assert dict(from_request.attributes) == dict(from_table.attributes) == {"Colour": "Red"}
    assert from_request.category == from_table.category == "Kitchen > Mugs"
    assert from_request.price == from_table.price == 299.0
    assert (from_request.image.pixels == from_table.image.pixels).all()
    assert (from_request.image.width, from_table.image.height) == (64, 64)
    assert from_table.id == "7"


def test_no_text_of_a_record_tells_the_price():
    product = Product(
        title="Mug Rs 4711", description="only ₹4711!", brand="Acme $4711", price=4711,
        attributes={"Offer price": "4711", "Note": "MRP 4711", "Size": "M"},
    )  # fmt: skip
    record = record_from_request(product, 16)
    told = " ".join([record.title, record.description, record.brand, *record.attributes.values()])
    assert "4711" not in told
    assert record.attributes == {"Size": "M"}


def test_what_is_not_told_is_empty():
    record = record_from_request(Product(title="Mug"), 16)
    assert (record.description, record.brand, record.category, record.currency) == ("", "", "", "")
    assert record.price != record.price
    assert record.image is None


def test_a_broken_picture_names_its_field():
    broken = example_request().model_copy(update={"image": "AAAA"})
    with pytest.raises(FieldError) as refused:
        record_from_request(broken, 16)
    assert refused.value.field == "image"


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ("", "")), (" Home ", ("Home", "")), ("A &gt; B>C", ("A", "B")), (" > B", ("B", ""))],
)
def test_levels_of_a_category(text, found):
    assert category_levels(text) == found
