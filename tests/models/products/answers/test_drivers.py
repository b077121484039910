"""Drivers against a model whose every effect is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from crisol.core.data.pictures import Image
from crisol.models.products.answers.drivers import (
    deletion_test,
    deletions,
    drivers,
    variants,
    without_words,
)
from crisol.models.products.answers.facts import has
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.member import Forecast

WEIGHTS = {"watch": 2.0, "strap": 0.5, "leather": 0.25, "shoe": -1.0, "case": 0.125}
RECORD = ProductRecord(
    title="Watch with a strap, in a shoe box",
    description="Leather strap and a metal case for everybody everywhere always",
    brand="Tempus",
    category="Watches",
    price=5.0,
    image=Image(np.zeros((4, 4, 3), np.uint8), 4, 4),
)


class Model:
    """Adds weights of words; a picture adds 0.75 and the brand nothing."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, records: Sequence[ProductRecord]) -> Forecast:
        self.asked.append(len(records))
        scores = [
            sum(w for word, w in WEIGHTS.items() if word in f"{r.title} {r.description}".lower())
            + 0.75 * has(r, "image")
            - 0.25 * has(r, "price")
            for r in records
        ]
        return Forecast(leaf=np.column_stack([np.zeros(len(scores)), scores]))


def contributions(record: ProductRecord, leaf: int) -> list[tuple[str, float]]:
    return [("everybody", 0.01), *WEIGHTS.items()]


def test_effects_are_what_is_lost_in_one_call() -> None:
    model = Model()
    words = [*WEIGHTS.items()]
    found = {d.part: d.effect for d in drivers(RECORD, 1, model, words, most_words=5)}
    assert found == {
        "word: watch": 2.0,
        "title": 2.0 - 1.0,
        "word: shoe": -1.0,
        "image": 0.75,
        "word: strap": 0.5,
        "description": 0.25 + 0.125,
        "price": -0.25,
        "word: leather": 0.25,
        "word: case": 0.125,
    }
    assert model.asked == [10 + 1]  # with the brand, whose effect is none


def test_the_strongest_come_first() -> None:
    sizes = [abs(driver.effect) for driver in drivers(RECORD, 1, Model(), [*WEIGHTS.items()])]
    assert sizes == sorted(sizes, reverse=True)


def test_only_what_is_there_is_taken_away() -> None:
    words = [("watch", 2.0), ("gold", 9.0), ("strap", 0.5)]
    assert list(variants(ProductRecord("Watch strap"), words)) == [
        "title",
        "word: watch",
        "word: strap",
    ]
    assert list(variants(ProductRecord("Watch strap"), words, most_words=1)) == [
        "title",
        "word: watch",
    ]
    assert "category" not in variants(RECORD, [])


@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["red"], "Redstone bag bored strap"),
        (["red bag"], "Redstone bored RED strap"),
        (["RED", "red bag"], "Redstone bored strap"),
        (["c++", "é"], "Redstone red bag bored RED strap"),
        ([], "Redstone red bag bored RED strap"),
    ],
)
def test_words_are_cut_whole_in_any_case(words: list[str], title: str) -> None:
    assert without_words(ProductRecord("Redstone red bag bored RED strap"), words).title == title


def test_words_are_cut_from_every_text() -> None:
    record = ProductRecord("A red bag", "Is red", brand="Red", attributes={"Colour": "dark red"})
    cut = without_words(record, ["red"])
    assert (cut.title, cut.description, cut.brand, cut.attributes) == (
        "A bag",
        "Is",
        "",
        {"Colour": "dark"},
    )


def test_deleting_what_is_named_costs_more() -> None:
    figures = deletion_test([RECORD] * 3, [1] * 3, Model(), contributions)
    assert figures is not None
    assert figures["cases"] == 3
    assert figures["fall_named"] == 2.75
    assert figures["difference_low"] > 0
    assert figures["share_larger"] == 1


def test_words_that_mean_nothing_fail_the_deletion_test() -> None:
    def wrong(record: ProductRecord, leaf: int) -> list[tuple[str, float]]:
        return [("everybody", 3.0), ("everywhere", 2.0), ("always", 1.0)]

    record = without_words(RECORD, ["shoe"])
    figures = deletion_test([record] * 10, [1] * 10, Model(), wrong)
    assert figures is not None
    assert figures["difference_high"] < 0


def test_short_texts_are_no_case_and_the_seed_decides() -> None:
    assert deletions([ProductRecord("Watch strap")], [1], Model(), contributions) == []
    assert deletion_test([ProductRecord("Watch strap")], [1], Model(), contributions) is None
    once = deletions([RECORD], [1], Model(), contributions, seed=4)
    assert once == deletions([RECORD], [1], Model(), contributions, seed=4)


def test_a_model_without_categories_has_no_drivers() -> None:
    with pytest.raises(ValueError, match="answers none"):
        drivers(RECORD, 0, lambda records: Forecast(log_price=np.zeros(len(records))))
