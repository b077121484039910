"""Words of categories: their spellings, yes and no, and values as text."""

import json
import re
from collections.abc import Sequence
from typing import Any

YES_NO = (
    ("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("si", "no"),
    ("sí", "no"), ("ja", "nein"), ("oui", "non"), ("wahr", "falsch"),
)  # fmt: skip
"""Pairs of words, lower case, the one for yes first."""
_WHOLE = re.compile(r"([+-]?\d+)\.0*")


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
        return (cell, code_word(cell))
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
