import pytest

from crisol.models.products.data.records import ProductRecord
from crisol.models.products.networks.tokens import BytePairs, texts_of

TEXTS = ["red mug", "red lamp", "a red mug for tea", "Café lamp 🪔"] * 3


@pytest.fixture(scope="module")
def pairs():
    return BytePairs.train(TEXTS, 300)


def test_the_same_texts_give_the_same_tokens_also_after_reading_back(pairs, tmp_path):
    again = BytePairs.train(TEXTS, 300)
    pairs.write(tmp_path)
    stored = BytePairs.load(tmp_path)
    assert pairs.digest() == again.digest() == stored.digest()
    assert stored.read(["red mug"], [8]) == pairs.read(["red mug"], [8])


def test_frequent_words_are_one_token_and_no_character_is_lost(pairs):
    tokens, fields, words = pairs.read(["red mug", "", "Ωmega"], [8, 8, 8])
    assert len(set(tokens[:2])) == 2
    assert fields == [0, 0, *[2] * (len(tokens) - 2)]
    assert words[:2] == [0, 1]
    assert set(words[2:]) == {2}


def test_case_and_accents_do_not_matter(pairs):
    assert pairs.read(["CAFÉ"], [8]) == pairs.read(["cafe"], [8])


def test_each_text_is_read_up_to_its_limit(pairs):
    _, fields, _ = pairs.read(["red mug for tea", "a red lamp", "red"], [2, 1, 0])
    assert fields == [0, 0, 1]


def test_attributes_are_read_as_words():
    texts = texts_of(ProductRecord(title="Mug", attributes={"Colour": "red", "Size": "L"}))
    assert texts == ("Mug", "", "Colour red, Size L", "")
