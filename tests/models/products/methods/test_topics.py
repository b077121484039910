import numpy as np

from crisol.models.products.methods.topics import Topics

TEXTS = [
    f"{thing} {word}"
    for things, words in (
        (("sofa", "couch"), ("seat", "cushion")),
        (("kettle", "mug"), ("tea", "hot")),
    )
    for thing in things
    for word in words
    for _ in range(3)
]


def test_texts_without_a_common_word_can_be_about_the_same():
    topics = Topics.of(TEXTS, 2, 100)
    sofa, couch, kettle = (topics.of_text(text) for text in ("sofa", "couch", "kettle"))
    assert sofa @ couch > 0.9
    assert abs(sofa @ kettle) < 0.1
    np.testing.assert_allclose(np.linalg.norm(sofa), 1, rtol=1e-6)
    assert not topics.of_text("unknown").any()


def test_the_same_texts_make_the_same_topics_and_storing_keeps_them():
    topics, again = Topics.of(TEXTS, 3, 100), Topics.of(TEXTS, 3, 100)
    np.testing.assert_array_equal(topics.directions, again.directions)
    stored = Topics.restore(*topics.state())
    np.testing.assert_array_equal(stored.of_text("hot mug"), topics.of_text("hot mug"))


def test_few_texts_have_few_topics():
    assert Topics.of(["a b", "only here"], 8, 100).of_text("only").shape == (0,)
