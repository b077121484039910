"""The sentiment of descriptions, which does not depend on their length."""

import time

import pytest

from crisol.models.products.answers.sentiment import sentiment


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A beautiful, comfortable chair that you will love.", "positive"),
        ("The strap broke after a day; terrible quality.", "negative"),
        ("Not good.", "negative"),
        ("It is not bad at all.", "positive"),
        ("Cotton, 213 cm, pack of 2.", "neutral"),
        ("", "neutral"),
        ("\x00 …", "neutral"),
    ],
)
def test_label(text: str, label: str) -> None:
    assert sentiment(text).label == label


def test_negation_emphasis_and_but_count() -> None:
    plain = sentiment("The sound is good.").score
    assert sentiment("The sound is not good.").score < 0 < plain
    assert sentiment("The sound is VERY good!!").score > plain
    assert sentiment("The sound is good, but the case is horrible.").score < 0


def test_saying_it_again_does_not_make_it_better() -> None:
    once = sentiment("A good bag.").score
    assert sentiment("A good bag. " * 50).score == once < 0.6
    assert sentiment("A good bag. 30 x 40 cm.").score == once


def test_praise_and_blame_weigh_each_other() -> None:
    both = sentiment("A wonderful screen. A horrible battery.").score
    assert sentiment("A horrible battery.").score < both < sentiment("A wonderful screen.").score


def test_the_longest_text_is_read_quickly() -> None:
    started = time.perf_counter()
    sentiment("good but bad " * 1500)
    assert time.perf_counter() - started < 1
