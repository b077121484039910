import numpy as np

from crisol.models.products.networks.bag import counted_terms, rarity, weights

MANY = 1 << 20


def test_words_pairs_and_pieces_are_counted_whatever_their_case():
    plain = counted_terms("Red red MUG", MANY, pieces=False)
    assert sorted(plain.values()) == [1, 1, 1, 2]  # red mug, red red, mug, red
    assert plain == counted_terms("red, RED; mug!", MANY, pieces=False)
    pieces = counted_terms("mug", MANY, pieces=True)
    assert sorted(pieces.values()) == [1, 1, 1, 1, 1, 2]  # <mu mug ug> <mug mug> <mug>, and mug


def test_rare_terms_weigh_more_and_a_text_has_length_one():
    documents = [{1: 1, 2: 1}, {1: 3}, {1: 1, 5: 2}]
    idf = rarity(documents, 8)
    np.testing.assert_allclose(idf[[1, 2, 0]], [1, np.log(4 / 2) + 1, np.log(4) + 1], rtol=1e-6)
    found = weights({1: 3, 2: 1}, idf)
    ratio = (1 + np.log(3)) * idf[1] / idf[2]
    np.testing.assert_allclose(found[0] / found[1], ratio, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found), 1, rtol=1e-6)
    assert weights({}, idf).shape == (0,)
