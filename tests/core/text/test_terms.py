import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.core.text.terms import Terms

TEXTS = [
    "Red cotton sari, pack of 3 (RED)",
    "Café crème-brûlée 250g, red",
    "İstanbul ßtraße RED red cotton",
    "",
    "a b c",
    "Über-long T-shirt für Männer & Frauen — 100% cotton",
]


def _matrix(terms, texts):
    rows = [terms.weigh(text) for text in texts]
    starts = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns, values = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    return csr_matrix((values, columns, starts), shape=(len(texts), len(terms))).toarray()


@pytest.mark.parametrize(
    ("kind", "analyzer", "lengths"), [("word", "word", (1, 2)), ("char", "char_wb", (3, 5))]
)
@pytest.mark.parametrize("min_rows", [1, 2])
def test_weights_are_those_of_scikit_learn(kind, analyzer, lengths, min_rows):
    from sklearn.feature_extraction.text import TfidfVectorizer

    reference = TfidfVectorizer(
        sublinear_tf=True, analyzer=analyzer, ngram_range=lengths, min_df=min_rows
    ).fit(TEXTS)
    terms = Terms.of(TEXTS, kind, lengths, min_rows=min_rows)
    assert list(terms.names) == list(reference.get_feature_names_out())
    new = [*TEXTS, "red red red unknown", "über cotton cotton"]
    np.testing.assert_allclose(_matrix(terms, new), reference.transform(new).toarray(), atol=1e-12)


def test_the_most_frequent_terms_are_kept_and_of_equals_the_first():
    texts = ["bb bb bb cc", "aa dd", "dd cc aa"]
    assert Terms.of(texts, "word", (1, 1), most=1).names == ("bb",)
    assert Terms.of(texts, "word", (1, 1), most=3).names == ("aa", "bb", "cc")


@pytest.mark.parametrize(("kind", "lengths"), [("word", (1, 2)), ("char", (3, 4))])
def test_every_term_is_shared_out_among_its_words(kind, lengths):
    terms = Terms.of(TEXTS, kind, lengths)
    columns, weights, shares = terms.trace("red cotton sari sari")
    np.testing.assert_array_equal(columns, terms.weigh("red cotton sari sari")[0])
    assert len(weights) == len(shares) == len(columns) > 0
    assert all(sum(share.values()) == pytest.approx(1) for share in shares)
    assert set().union(*shares) == {"red", "cotton", "sari"}


def test_a_vocabulary_survives_storing():
    terms = Terms.of(TEXTS, "word", (1, 2))
    again = Terms.restore(terms.state(), terms.idf)
    for text in TEXTS:
        for was, now in zip(terms.weigh(text), again.weigh(text), strict=True):
            np.testing.assert_array_equal(was, now)
