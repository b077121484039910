"""The sentiment of a description by VADER: a word list with rules for negation and emphasis.

C. J. Hutto, E. Gilbert: VADER (ICWSM 2014); the package vaderSentiment is MIT licensed, brings its
word list with it, and has not changed since 2020. docs/products.md has the comparison by which it
was chosen. It knows English only: other words are neutral.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from crisol.models.products.contract import Sentiment

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NEUTRAL_BELOW = 0.05
"""Least absolute score of a text that is not neutral, as VADER's authors suggest."""
MAX_WORDS = 60
"""Longest piece of a sentence that is scored at once: VADER was made for sentences."""

_END = re.compile(r"(?<=[.!?])\s+|[\n\r•|]+")


def sentiment(text: str) -> Sentiment:
    """The sentiment of a text: the mean over its sentences that are not neutral.

    VADER sums over words, so that a long text would reach the highest or lowest score; its authors
    advise to score sentences separately.

    >>> sentiment("A sturdy bag. I love it!").label
    'positive'
    >>> sentiment("12 x 30 cm").score
    0.0
    """
    scores = [_analyzer().polarity_scores(piece)["compound"] for piece in _pieces(text)]
    scored = [score for score in scores if score != 0]
    mean = sum(scored) / len(scored) if scored else 0.0
    score = round(mean, 4)
    if abs(mean) < NEUTRAL_BELOW:
        return Sentiment(score=score, label="neutral")
    return Sentiment(score=score, label="positive" if mean > 0 else "negative")


def _pieces(text: str) -> list[str]:
    """The sentences of a text, cut into pieces of at most :data:`MAX_WORDS` words."""
    pieces = []
    for sentence in _END.split(text):
        words = sentence.split()
        pieces += [
            " ".join(words[start : start + MAX_WORDS]) for start in range(0, len(words), MAX_WORDS)
        ]
    return pieces


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    """The analyzer; its word list is read once (about 30 ms)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
