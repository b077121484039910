"""How a description sounds: VADER, a word list with rules for negation, emphasis and "but".

C. J. Hutto, E. Gilbert: VADER (ICWSM 2014); the package vaderSentiment is MIT licensed, brings its
word list with it, and has not changed since 2020. It was chosen by measuring (docs/products.md).
English only: what it does not know is neutral.
"""

import re
from functools import cache
from typing import TYPE_CHECKING

from crisol.models.products.contract import Sentiment

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

NEUTRAL_BELOW = 0.05
"""Of the score's size; the bound that VADER's authors give."""
MAX_WORDS = 60
"""A sentence that is longer is read in pieces: the list was made for sentences."""

_END = re.compile(r"(?<=[.!?])\s+|[\n\r•|]+")


def sentiment(text: str) -> Sentiment:
    """How a text sounds: the mean of its sentences that say anything good or bad.

    VADER sums over words, so that any long text would be as good or as bad as can be; its authors
    advise to take sentences apart. Sentences that only state facts do not count.

    >>> sentiment("A sturdy bag. I love it!").label
    'positive'
    >>> sentiment("12 x 30 cm").score
    0.0
    """
    scores = [_analyzer().polarity_scores(piece)["compound"] for piece in _pieces(text)]
    told = [score for score in scores if score != 0]
    mean = sum(told) / len(told) if told else 0.0
    label = "neutral" if abs(mean) < NEUTRAL_BELOW else ("positive" if mean > 0 else "negative")
    return Sentiment(score=round(mean, 4), label=label)


def _pieces(text: str) -> list[str]:
    """The sentences of a text, none longer than the list can read."""
    pieces = []
    for sentence in _END.split(text):
        words = sentence.split()
        pieces += [
            " ".join(words[start : start + MAX_WORDS]) for start in range(0, len(words), MAX_WORDS)
        ]
    return pieces


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    """The word list, read once (some 30 ms)."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
