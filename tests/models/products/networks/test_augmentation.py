import pytest
import torch
from tests.models.products.little_shop import RECORDS, trained

from crisol.models.products.networks.augmentation import (
    change_images,
    drop_parts,
    drop_words,
    swap_words,
)
from crisol.models.products.networks.encoding import inputs_of


@pytest.fixture(scope="module")
def inputs():
    return inputs_of([trained().encode_one(record) for record in RECORDS])


def drawn(change, *args, seed=0):
    torch.manual_seed(seed)
    return change(*args)


@pytest.mark.parametrize("change", [drop_parts, drop_words, swap_words])
def test_the_same_seed_changes_the_same_and_chance_zero_nothing(inputs, change):
    def same(left, right):
        return all(torch.equal(left[name], right[name]) for name in inputs)

    assert same(drawn(change, inputs, 0.4), drawn(change, inputs, 0.4))
    assert not same(drawn(change, inputs, 0.4), drawn(change, inputs, 0.4, seed=1))
    assert same(drawn(change, inputs, 0.0), inputs)


def test_something_to_read_or_see_is_always_left(inputs):
    for seed in range(5):
        left = drawn(drop_parts, inputs, 0.95, seed=seed)
        assert (left["present"].any(1) | (left["image_row"] >= 0)).all()
        assert (left["image_row"] < 0).sum() > (inputs["image_row"] < 0).sum()


def test_a_text_is_taken_away_with_its_terms_and_its_brand(inputs):
    left = drawn(drop_parts, inputs, 0.5)
    for row in range(len(RECORDS)):
        kept = set(left["fields"][row][left["present"][row]].tolist())
        of_terms = set(left["term_fields"][row][left["weights"][row] > 0].tolist())
        assert of_terms == kept
        if inputs["names"][row, 0]:
            assert bool(left["names"][row, 0]) == (1 in kept)


def test_words_go_whole(inputs):
    left = drawn(drop_words, inputs, 0.5)
    assert 0.3 < left["present"].sum() / inputs["present"].sum() < 0.7
    for row in range(len(RECORDS)):
        words = inputs["words"][row]
        for word in words[inputs["present"][row]].unique():
            parts = (words == word) & inputs["present"][row]
            assert left["present"][row][parts].unique().numel() == 1


def test_neighbours_change_places_and_none_is_lost(inputs):
    swapped = drawn(swap_words, inputs, 0.3)
    assert torch.equal(swapped["present"], inputs["present"])
    assert not torch.equal(swapped["tokens"], inputs["tokens"])
    for row in range(len(RECORDS)):
        there = inputs["present"][row]
        before, after = inputs["tokens"][row][there], swapped["tokens"][row][there]
        assert torch.equal(before.sort().values, after.sort().values)
        order = swapped["words"][row][there]
        assert (order - order.sort().values).abs().max() <= 2


def test_pictures_keep_their_range_and_what_is_plain_stays_plain():
    images = torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(1)) * 2 - 1
    changed = drawn(change_images, images)
    assert changed.shape == images.shape
    assert changed.abs().max() <= 1
    assert not torch.allclose(changed, images, atol=0.1)
    assert torch.equal(changed, drawn(change_images, images))
    plain = drawn(change_images, torch.full((4, 3, 12, 12), 0.25))
    assert plain.flatten(1).std(1).max() < 1e-5
