"""Words of categories: their spellings, yes and no, and values as text."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

YES_NO = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("si", "no"),
    ("sí", "no"), ("ja", "nein"), ("oui", "non"), ("wahr", "falsch"),
)  # fmt: skip
"""Pairs of words, lower case, the one for yes first."""
MOST_SPELLINGS = 20
"""Different words that may be yes and no in several spellings."""
SEVERAL = " | "
"""Stands between the words for yes of a column that has several."""
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_LIKE = str.maketrans("\u2010\u2011", "--", "\u00ad\u200b\u2060\ufeff")
"""Hyphens that look alike, and marks that have no width."""


def clean_word(cell: str) -> str:
    r"""A word without marks that nobody sees: NFC, plain hyphens, one plain blank between words.

    >>> clean_word(" New\u00a0 York "), clean_word("Zoe\u0308") == "Zo\u00eb"
    ('New York', True)
    """
    if cell.isascii() and " " not in cell:
        return cell.strip()
    return " ".join(unicodedata.normalize("NFC", cell).translate(_LIKE).split())


def by_case(words: Mapping[str, int]) -> dict[str, str]:
    """Words that differ from a more frequent one in case alone: from each to that one.

    Args:
        words: how many cells each has.

    >>> by_case({"Yes": 9, "yes": 3, "YES": 1, "no": 5})
    {'yes': 'Yes', 'YES': 'Yes'}
    """
    first: dict[str, str] = {}
    merged = {}
    for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0])):
        known = first.setdefault(word.casefold(), word)
        if known != word:
            merged[word] = known
    return merged


def code_word(cell: str | float) -> str:
    """A cell of a category as its word: whole numbers have no point, and yes is ``true``.

    >>> code_word("7.0"), code_word(7), code_word(7.0), code_word("7.5"), code_word(True)
    ('7', '7', '7', '7.5', 'true')
    """
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        whole = _WHOLE.fullmatch(cell)
        return whole[1] if whole else cell
    if isinstance(cell, int) or cell.is_integer():
        return str(int(cell))
    return repr(float(cell))


def same_words(cell: str | float) -> tuple[str, ...]:
    """The spellings of a category's cell that a file may have, without the blanks around it.

    >>> same_words(" 7.0 "), same_words(True)
    (('7.0', '7'), ('true', 'True', 'TRUE'))
    """
    if isinstance(cell, str):
        cell = cell.strip()
        clean = clean_word(cell)
        return tuple(dict.fromkeys((cell, code_word(cell), clean, code_word(clean))))
    word = code_word(cell)
    return (word, word.capitalize(), word.upper()) if isinstance(cell, bool) else (word,)


def as_text(value: Any) -> str | None:
    """A value as it would stand in a text table."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def yes_word(words: Sequence[str]) -> str | None:
    """The one of two words that stands for yes; ``None`` where they are no such pair.

    >>> yes_word(["No", "Yes"]), yes_word(["red", "blue"])
    ('Yes', None)
    """
    if len(words) != 2:
        return None
    lower = {word.lower(): word for word in words}
    for yes, no in YES_NO:
        if set(lower) == {yes, no}:
            return lower[yes]
    return None


def yes_words(words: Mapping[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The words for yes and for no of a column that spells them in several ways.

    Args:
        words: all of the column, and how many cells each has.

    Returns:
        Both sorted by their cells; ``None`` where other words stand among them, or one side alone.

    >>> yes_words({"TRUE": 4, "True": 3, "1": 2, "FALSE": 5, "0": 1})
    (('TRUE', 'True', '1'), ('FALSE', '0'))
    >>> yes_words({"yes": 4, "no": 3, "maybe": 1})
    """
    if len(words) > MOST_SPELLINGS:
        return None
    ordered = sorted(words, key=lambda word: (-words[word], word))
    for yes, no in YES_NO:
        is_yes = [word for word in ordered if code_word(clean_word(word)).casefold() in (yes, "1")]
        is_no = [word for word in ordered if code_word(clean_word(word)).casefold() in (no, "0")]
        named = {clean_word(word).casefold() for word in words} & {yes, no}
        if named and is_yes and is_no and len(is_yes) + len(is_no) == len(words):
            return tuple(is_yes), tuple(is_no)
    return None


def says_yes(word: str) -> bool:
    """Whether a word is one for yes.

    >>> says_yes("YES"), says_yes("1.0"), says_yes("maybe")
    (True, True, False)
    """
    known = code_word(clean_word(word)).casefold()
    return known == "1" or any(known == yes for yes, _ in YES_NO)
