import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.products.little_shop import NETWORK, RECORDS, TARGETS, TAXONOMY, trained

from crisol.models.products.contract import Product
from crisol.models.products.data.records import ProductRecord, record_from_request
from crisol.models.products.networks.encoding import ProductEncoder, inputs_of
from crisol.models.products.networks.product_network import ATTENDS_TO, TokenKind
from crisol.models.products.networks.transformer import build
from crisol.models.products.params import NetworkParams

ONE = replace(RECORDS[13], price=25.0, category="Home > Mug")


def forecast(record: ProductRecord):
    """The bytes of the predictions for a product in a batch."""
    found = trained().forecast([record, RECORDS[9]])
    return found.leaf[0].tobytes(), found.log_price[0].tobytes(), found.rating[0].tobytes()


@pytest.mark.parametrize("price", [1.0, 40.0, 1e9, float("nan")])
def test_the_price_does_not_reach_its_own_estimate(price):
    assert ONE.image is not None
    for record in (ONE, ONE.without("image")):
        changed = forecast(replace(record, price=price))
        assert changed[1] == forecast(record)[1]
        assert changed[0] != forecast(record)[0]
        assert changed[2] != forecast(record)[2]


@pytest.mark.parametrize("said", ["Price: Rs. 899 only", "now ₹ 12,499", "MRP 45.00, buy it"])
def test_a_price_in_the_texts_does_not_reach_the_estimate(said):
    def estimate(text):
        asked = Product(title="Soft Mug", description=f"A fine mug. {text} today", currency="INR")
        return forecast(record_from_request(asked, 16))[1]

    assert estimate(said) == estimate(re.sub(r"\d+", "7", said))
    assert estimate(said) != estimate("large lamp")


@pytest.mark.parametrize("category", ["Wear > Scarf", "Wear", "never heard of", ""])
def test_the_given_category_does_not_reach_the_answered_one(category):
    for record in (ONE, ONE.without("image")):
        changed = forecast(replace(record, category=category))
        assert changed[0] == forecast(record)[0]
        assert changed[1] != forecast(record)[1]
        assert changed[2] != forecast(record)[2]


def test_no_number_of_layers_leaks_a_target_to_its_task():
    reached = {kind: set(seen) for kind, seen in ATTENDS_TO.items()}
    for _ in TokenKind:
        reached = {
            k: seen.union(*(reached[other] for other in seen)) for k, seen in reached.items()
        }
    assert TokenKind.PRICE not in reached[TokenKind.PRICE_TASK]
    assert TokenKind.CATEGORY not in reached[TokenKind.LEAF_TASK]
    assert reached[TokenKind.TEXT] == reached[TokenKind.IMAGE] == {TokenKind.TEXT, TokenKind.IMAGE}
    assert {TokenKind.PRICE, TokenKind.CATEGORY, TokenKind.BRAND} <= reached[TokenKind.RATING_TASK]


def test_embeddings_use_neither_price_nor_category_nor_the_other_modality():
    outputs = trained().outputs([ONE, ONE.without("price", "category", "image")])
    # Two rows of one batch may be computed in different ways: single precision, seven digits.
    np.testing.assert_allclose(outputs.text[0], outputs.text[1], rtol=0, atol=1e-6)
    alone = trained().outputs([ONE.without("title", "description", "brand", "attributes")])
    torch.testing.assert_close(torch.tensor(alone.image[0]), torch.tensor(outputs.image[0]))


def test_large_builds_and_takes_a_step():
    encoder = ProductEncoder.fit(RECORDS, TARGETS.log_price, NETWORK, 32_768)
    params = NetworkParams(preset="large", title_tokens=4, description_tokens=0)
    network = build(params, encoder, torch.from_numpy(TAXONOMY.main_of), ["leaf", "rating"])
    assert network.shared.blocks[0].attention.heads == 16
    assert network.start.shape == (1024,)
    inputs = inputs_of([encoder(record) for record in RECORDS[:2]])
    before = network.words.tokens.weight[inputs["tokens"][0, 0]].clone()
    out = network(inputs, torch.zeros(2, 3, 16, 16))
    (out["leaf"].sum() + out["rating"].sum()).backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert not torch.equal(network.words.tokens.weight[inputs["tokens"][0, 0]], before)
