"""Text from strangers: names of encodings, and words for what is wrong with JSON."""

import codecs
import json
from typing import Annotated

from pydantic import AfterValidator

from crisol.core.errors import MendableError

_NOT_OF_FILES = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
"""Encodings of host names and source code, and those that depend on the machine."""
HALF_CHARACTER = "holds half a character, such as \\ud800 alone; write the whole one"


def known_encoding(name: str) -> str:
    """The name of an encoding, which is one of text files.

    Raises:
        MendableError: Python knows no such encoding, or it is none of text files.

    >>> known_encoding("cp1252")
    'cp1252'
    >>> known_encoding("zlib_codec")
    Traceback (most recent call last):
    ...
    crisol.core.errors.MendableError: there is no text encoding 'zlib_codec'; try utf-8, ...
    """
    try:
        "".encode(name)
        known = codecs.lookup(name).name.replace("_", "-") not in _NOT_OF_FILES
    except (LookupError, ValueError):
        known = False
    if not known:
        raise MendableError(
            f"there is no text encoding {name[:40]!r}; try utf-8, utf-16, cp1252 or latin-1"
        )
    return name


Encoding = Annotated[str, AfterValidator(known_encoding)]
"""A field with the name of an encoding of text files."""


def json_problem(error: Exception) -> str:
    """Why ``json.loads`` raised an error.

    >>> try:
    ...     json.loads("9" * 4301)
    ... except ValueError as error:
    ...     json_problem(error)
    'holds a whole number of more than 4,300 digits: write it in quotes'
    """
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return "holds a whole number of more than 4,300 digits: write it in quotes"


def unreadable(error: UnicodeError) -> str:
    """The reason of an error in decoding a file, and the place where it is known."""
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error)
