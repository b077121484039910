import json

import numpy as np
import pytest

from crisol.models.tabular.features.text_bag import TextBag, TextTopics

TEXTS = [
    "The parcel came late, very late.",
    "A very good shop: good prices, GOOD people",
    "",
    "Straße und Öl für 5 Euro",
    "late parcel, good people",
] * 50


def test_weights_are_scikit_learns():
    from sklearn.feature_extraction.text import TfidfVectorizer

    theirs = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", min_df=2
    )
    expected = theirs.fit_transform(TEXTS)
    bag = TextBag.fit(TEXTS, 10_000)
    assert list(bag.vocabulary) == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(bag.matrix(TEXTS).toarray(), expected.toarray(), atol=1e-12)


def test_the_most_frequent_words_are_kept():
    bag = TextBag.fit(TEXTS, 3)
    assert bag.vocabulary == ("good", "good people", "late")


def test_topics_are_the_projection_and_read_back_the_same():
    topics = TextTopics.fit(TEXTS, topics=4, seed=0)
    projected = topics.bag.matrix(TEXTS) @ topics.components
    np.testing.assert_allclose(topics.transform(TEXTS), projected, atol=1e-6)
    state, arrays = topics.state()
    again = TextTopics.restore(json.loads(json.dumps(state)), arrays)
    np.testing.assert_array_equal(again.transform(TEXTS), topics.transform(TEXTS))


@pytest.mark.parametrize("texts", [["", "", ""], ["one"]])
def test_texts_without_words_have_no_topics(texts):
    topics = TextTopics.fit(texts, seed=0)
    assert topics.transform([*texts, "something else"]).shape == (len(texts) + 1, 0)
