import json
import math

import numpy as np
import pytest
from tests.models.products.little_shop import NETWORK, RECORDS, TARGETS

from crisol.models.products.data.records import ProductRecord
from crisol.models.products.networks.encoding import (
    ABSENT,
    UNKNOWN,
    ProductEncoder,
    inputs_of,
    pictures_of,
)


@pytest.fixture(scope="module")
def encoder():
    return ProductEncoder.fit(RECORDS, TARGETS.log_price, NETWORK, 512)


def test_names_that_are_missing_unknown_and_known_have_different_numbers(encoder):
    def names(**parts):
        return encoder(ProductRecord(title="Mug", **parts)).names

    assert names() == (ABSENT, ABSENT, ABSENT, ABSENT)
    assert names(brand="Nobody", category="Moon > Dust", currency="XYZ") == (UNKNOWN,) * 4
    brand, whole, main, currency = names(brand=" ALBA", category="home>mug", currency="INR")
    assert UNKNOWN not in (brand, whole, main, currency)
    assert whole != main == names(category="Home > Lamp")[2] == names(category="Home")[1]


def test_the_price_is_its_logarithm_among_those_of_training(encoder):
    mean, spread = encoder.scale
    found = encoder(ProductRecord(title="Mug", price=math.exp(mean + 2 * spread))).price
    assert found == pytest.approx(2)
    assert math.isnan(encoder(ProductRecord(title="Mug")).price)


def test_it_reads_the_same_after_json(encoder):
    state = json.loads(json.dumps(encoder.state()))
    again = ProductEncoder.restore(state, encoder.words, encoder.idf)
    for record in RECORDS[:6]:
        left, right = encoder(record), again(record)
        assert left.names == right.names
        np.testing.assert_array_equal(left.tokens, right.tokens)
        np.testing.assert_array_equal(left.weights, right.weights)


def test_products_as_tensors(encoder):
    products = [RECORDS[0], ProductRecord(title=""), RECORDS[1]]
    encoded = [encoder(record) for record in products]
    inputs = inputs_of(encoded, step=8)
    assert inputs["tokens"].shape[1] % 8 == 0
    assert inputs["present"].sum(1).tolist() == [len(one.tokens) for one in encoded]
    assert inputs["image_row"].tolist() == [0, -1, 1]
    assert inputs["has_price"].tolist() == [False, False, True]
    assert not inputs["price"].isnan().any()
    pixels = [record.image.pixels for record in (RECORDS[0], RECORDS[1])]
    np.testing.assert_array_equal(pictures_of(encoded).numpy(), np.stack(pixels))
    assert len(pictures_of(encoded[1:2])) == 0
