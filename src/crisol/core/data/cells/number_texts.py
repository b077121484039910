"""A number as text: its characters, its digits, and what stands around them."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crisol.core.data.cells.units import CURRENCY, LETTER, Unit, currency, unit_beside

if TYPE_CHECKING:
    import pandas as pd

INFINITE = r"[+-]?inf(inity)?"
DIGITS = r"[0-9](?:[ ]?[0-9.,'_])*(?:[eE][+-]?[0-9]+)?"
_FRAME = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[+-]?)\s*"
    rf"(?P<mark>{LETTER}{{1,5}}\.?|{LETTER}{{0,3}}{CURRENCY}{LETTER}{{0,3}})?\s*(?P<late>\()?\s*"
    r"(?P<inner>[+-]?)\s*(?P<lead>[.,]?)\0(?P<tail>[-)]?)(?P<gap>\s*)"
    rf"(?P<unit>(?:{LETTER}|{CURRENCY}|[%‰°\"\u2032\u2033/])(?:{LETTER}|{CURRENCY}|[%°/²³.^·*0-9])*"
    rf"(?:[ /](?:{LETTER}|{CURRENCY})(?:{LETTER}|{CURRENCY}|[/²³.0-9])*){{0,2}})?"
    r"\s*(?P<minus>-?)(?P<close>\))?"
)
"""A cell whose digits, with the marks between them, are one zero byte."""
_GROUPS = "|".join(f"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+" for mark in ("'", " ", "_"))
_EXPONENT = "(?:[eE][+-]?[0-9]+)?$"
POINT = (
    rf"^(?:(?:[0-9]+|{_GROUPS}|[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+"
    rf"|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}})(?:\.[0-9]*)?|\.[0-9]+){_EXPONENT}"
)
COMMA = (
    rf"^(?:(?:[0-9]+|{_GROUPS}|[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}})+)(?:,[0-9]*)?|,[0-9]+){_EXPONENT}"
)
FIRST_DIGITS = re.compile(DIGITS)
NO_CENTS = r"([0-9][.,])-{1,2}($|[^0-9-])"
"""A price of whole units, ``450.-`` and ``12,-- €``: the dash is no minus."""
_DASHES = "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
_QUOTES = "\u2018\u2019\u02bc\uff07"
_MARKS = {"\u066b": ".", "\u066c": ",", "\u2044": "/", "\uff05": "%", "\u066a": "%"}


@lru_cache(maxsize=65_536)
def plain_characters(cell: str) -> str:
    r"""A cell whose digits, blanks, dashes and quotes are those of ASCII; other letters stay.

    ``m²`` stays, so that its 2 becomes no digit.

    >>> plain_characters("\u22121\u202f299"), plain_characters("\uff18"), plain_characters("5 m²")
    ('-1 299', '8', '5 m²')
    """
    if cell.isascii():
        return cell
    return "".join(map(_plain, cell)).strip()


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in _MARKS:
        return _MARKS[letter]
    if letter in _DASHES:
        return "-"
    if letter in _QUOTES:
        return "'"
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.decimal(letter))
    if kind == "Zs":
        return " "
    if kind == "Cf":  # marks of the direction of writing
        return ""
    return chr(ord(letter) - 0xFEE0) if "\uff01" <= letter <= "\uff5e" else letter


def arrow_words(cells: "pd.Series[Any] | Sequence[str]") -> pa.Array:
    """Cells as one array of text [N]; missing ones are null."""
    found = pa.array(cells, pa.string(), from_pandas=True)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def plain_words(words: pa.Array) -> pa.Array:
    """Words by :func:`plain_characters`."""
    if pc.all(pc.string_is_ascii(words), min_count=0).as_py():
        return words
    for often, plain in (("\u00a0", " "), ("\u202f", " "), ("\u2212", "-"), ("\u2019", "'")):
        words = pc.replace_substring(words, often, plain)
    if pc.all(pc.string_is_ascii(words), min_count=0).as_py():
        return words
    return pa.array([plain_characters(word) for word in words.to_pylist()], pa.string())


def with_cents(words: pa.Array) -> pa.Array:
    """Words in which a dash that stands for no cents is a zero: ``450.-`` becomes ``450.0``."""
    if not any(pc.any(pc.match_substring(words, end), min_count=0).as_py() for end in (".-", ",-")):
        return words
    return pc.replace_substring_regex(words, NO_CENTS, r"\10\2")


def matches(words: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """Whether a pattern is found in each of some words [N]."""
    return np.asarray(pc.match_substring_regex(words, pattern).to_numpy(zero_copy_only=False), bool)


@dataclass(frozen=True)
class NumberFrame:
    """The text around the digits of some cells: ``(# kg)``."""

    start: int
    """Characters before the digits, or the mark in front of them."""
    stop: int
    """Characters behind the digits."""
    negative: bool
    behind: bool
    """Whether it is negative by brackets or by a minus behind it."""
    unit: Unit | None
    """``None``: the text beside the number is no unit."""
    spelled: str

    @classmethod
    def of(cls, text: str) -> "NumberFrame | None":
        """``None`` where no number can stand there."""
        found = _FRAME.fullmatch(text)
        if found is None:
            return None
        part = {name: text or "" for name, text in found.groupdict().items()}
        opened = part["open"] + part["late"]
        closed = part["tail"].strip("-") + part["close"]
        signs = [part["sign"], part["inner"], part["minus"], part["tail"].strip(")"), opened]
        if len(opened) != len(closed) or len(opened) > 1 or sum(map(bool, signs)) > 1:
            return None
        mark, suffix = part["mark"], part["unit"]
        glued = part["tail"] == "-" and not part["gap"]
        if part["tail"] and suffix not in ("", "%") and (glued or currency(suffix) is None):
            return None  # (1) preliminary, 10-year
        return cls(
            start=found.start("lead"),
            stop=len(text) - found.end("lead") - 1,
            negative="-" in signs or opened != "",
            behind=opened != "" or "-" in (part["minus"], part["tail"]),
            unit=unit_beside(mark, suffix, part["gap"] != ""),
            spelled=f"{mark} {suffix}".strip() if mark and suffix else mark or suffix,
        )
