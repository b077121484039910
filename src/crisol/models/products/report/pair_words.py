"""Extracts the words, model numbers and numbers of a shop's entry."""

import re
from itertools import pairwise
from typing import NamedTuple

_WORDS = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
_ALNUM = re.compile(r"[a-z0-9]+")
_COMPOUND = re.compile(r"[a-z0-9]+(?:[.\-/][a-z0-9]+)*")
_NUMBER = re.compile(r"(?<![a-z0-9])\d+(?:\.\d+)?(?!\d)")
_LEAST_CODE, _LEAST_NUMERIC_CODE = 4, 5


class ShopEntry(NamedTuple):
    """One side of a pair."""

    title: str
    description: str
    brand: str
    category: str
    price: float


class EntryText:
    """The words, codes and numbers of an entry."""

    def __init__(self, entry: ShopEntry) -> None:
        named = f"{entry.brand} {entry.title}".strip().lower()
        everything = f"{named} {entry.description.lower()}".strip()
        self.price = entry.price
        self.named, self.everything = named, everything
        self.title_words, self.title_joined = set(words(named)), set(joined(named))
        self.all_words, self.all_joined = set(words(everything)), set(joined(everything))
        self.title_codes, self.all_codes = codes(named), codes(everything)
        self.title_numbers, self.all_numbers = numbers(named), numbers(everything)
        self.squeezed = "".join(_ALNUM.findall(everything))
        self.first = next(iter(words(named)), "")


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case.

    >>> words("logitech 2.4 ghz v-20")
    ['logitech', '2.4', 'ghz', 'v', '20']
    """
    return _WORDS.findall(text.lower())


def joined(text: str) -> list[str]:
    """The words, compounds without their signs, and joined neighbours with a digit.

    >>> sorted(joined("canon cl-51"))
    ['51', 'canon', 'cl', 'cl51']
    """
    lowered = text.lower()
    parts = _ALNUM.findall(lowered)
    found = {_squeezed(compound) for compound in _COMPOUND.findall(lowered)}
    found |= {*parts, *words(lowered)}
    pairs = (a + b for a, b in pairwise(parts))
    return sorted(found | {pair for pair in pairs if _has_digit(pair)})


def codes(text: str) -> set[str]:
    """The likely model numbers: letters with digits, or long numbers.

    >>> sorted(codes("logitech dinovo 920-000924, 5 cm, rs120"))
    ['920000924', 'rs120']
    """
    found = {_squeezed(compound) for compound in _COMPOUND.findall(text.lower())}
    return {code for code in found if _has_digit(code) and _long_enough(code)}


def numbers(text: str) -> set[str]:
    """The numbers that stand alone or before a unit.

    >>> sorted(numbers("64gb 2.5 in ssd0064"))
    ['2.5', '64']
    """
    return set(_NUMBER.findall(text.lower()))


def _squeezed(text: str) -> str:
    return "".join(_ALNUM.findall(text))


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)


def _long_enough(code: str) -> bool:
    return len(code) >= (_LEAST_NUMERIC_CODE if code.isdigit() else _LEAST_CODE)
