"""The score: its parts; correcting a fault raises it, leaving a part out does not."""

import json
import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from crisol.core.data.pictures import Image
from crisol.models.products.answers.facts import ProductFacts
from crisol.models.products.answers.quality import CatalogueNorms, assess
from crisol.models.products.data.records import PARTS, ProductRecord

NOISE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
POOR = ProductFacts(
    ProductRecord(
        title="WATCH!!!",
        description="WATCH call 0123 456 789",
        brand="Tempus",
        attributes={"Strap": "Leather"},
        category="Shoes",
        price=1.0,
        image=Image(np.full_like(NOISE, 200), 300, 60),
    ),
    usual_prices=(100.0, 1000.0),
    agreement=0.0,
    category="Watches",
    category_probability=0.9,
    category_agrees=False,
)


def test_without_ratings_the_score_is_the_rules() -> None:
    quality = assess(POOR, None)
    assert quality.basis == "rules"
    assert quality.expected_rating is None
    assert quality.score == quality.rules_score
    assert quality.score + sum(reason.weight for reason in quality.reasons) == pytest.approx(1)


def test_with_ratings_half_is_each() -> None:
    quality = assess(POOR, 0.9)
    assert quality.basis == "rules and ratings"
    assert quality.score == pytest.approx((quality.rules_score + 0.9) / 2)
    assert assess(POOR, 0.2).score < quality.score


def test_the_weightiest_reason_comes_first() -> None:
    weights = [reason.weight for reason in assess(POOR, None).reasons]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize("rating", [None, 0.4])
def test_a_reason_weighs_the_gain_of_correcting_it(rating: float | None) -> None:
    before = assess(POOR, rating)
    mended = replace(POOR, category_agrees=True)
    reason = next(r for r in before.reasons if r.rule == "category_disagrees")
    assert assess(mended, rating).score - before.score == pytest.approx(reason.weight)


def test_leaving_a_bad_part_out_never_raises_the_score() -> None:
    """It holds for every other part, and for every prediction of the model."""
    knowledge = [(None, None, None), ((100.0, 1000.0), 0.0, False), (None, 0.0, None)]
    for prices, agreement, agrees in knowledge:
        facts = replace(POOR, usual_prices=prices, agreement=agreement, category_agrees=agrees)
        for kept in product([True, False], repeat=6):
            gone = [part for part, keep in zip(PARTS[1:], kept, strict=True) if not keep]
            here = replace(facts, record=facts.record.without(*gone))
            for part in set(PARTS[1:]) - set(gone):
                without = replace(here, record=here.record.without(part))
                assert assess(without, None).score <= assess(here, None).score


def records(count: int = 20) -> list[ProductRecord]:
    return [
        ProductRecord(
            f"Watch number {row}",
            attributes={"Strap": "x", "Dial": "y", "Brand": "b", f"Only {row}": "z"}
            if row % 2
            else {},
            brand="Tempus" if row == 0 else "",
        )
        for row in range(count)
    ]


def test_norms_are_the_attributes_that_most_products_state() -> None:
    norms = CatalogueNorms.learn(records(), ["Watches"] * 20, [math.nan, *np.linspace(0, 1, 101)])
    assert norms.attributes == {"Watches": ("Dial", "Strap")}
    assert norms.parts == {"title", "attributes", "brand"}
    assert norms.rank(0.5) == pytest.approx(0.5, abs=0.01)
    assert norms.rank(-1.0) == 0
    assert norms.rank(2.0) == 1
    assert norms.rank(None) is None
    assert norms.rank(math.nan) is None


def test_rare_parts_and_small_categories_are_no_norm() -> None:
    norms = CatalogueNorms.learn(records(50), ["Watches"] * 10 + [""] * 40)
    assert norms.attributes == {}
    assert "brand" not in norms.parts
    assert norms.rank(0.5) is None


def test_norms_survive_their_file() -> None:
    norms = CatalogueNorms.learn(records(), ["Watches"] * 20, [0.1, 0.2, 0.7])
    assert CatalogueNorms.of(json.loads(json.dumps(norms.state()))) == norms
