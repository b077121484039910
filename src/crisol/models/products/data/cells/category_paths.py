"""The levels of categories, by one convention for all cells of a column.

A mark that no name holds, such as ``>``, always separates levels. A mark that names hold too, such
as the one in ``Health/Beauty``, does so only where the column agrees.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from crisol.models.products.data.text import clean

_ARROW = r"(?:[-=~]*>+|[\u00bb\u203a\u2192\u2794\u279c\u27f6\u25b8\u25b6]|::+)"
_ARROWS = re.compile(rf"\s*{_ARROW}\s*")
"""Marks that always separate levels."""
_LISTS = (";", "|", ",")
"""Marks between several paths of one product, where the paths have another mark."""
WEAK_MARKS = ("|", "/", "\\")
"""Marks that may separate levels, or stand in a name."""
_ESCAPED = "\ue000"
"""Stands for a mark behind a backslash, which WooCommerce writes for a comma in a name."""
_COMMA_BETWEEN = re.compile(rf"{_ARROW}.*, .*{_ARROW}")
NO_LEVELS = "none"
Levels = tuple[str, str]


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories.

    Attributes:
        levels: by cell, the first two levels; empty where there is none.
        notes: sentences about what was assumed.
    """

    levels: Mapping[str, Levels]
    notes: tuple[str, ...]


def category_levels(category: str) -> Levels:
    """The first two levels of one category, whose mark is one that no name holds.

    >>> category_levels("Home >> Curtains > Door curtains"), category_levels("Home -> Curtains")
    (('Home', 'Curtains'), ('Home', 'Curtains'))
    >>> category_levels("Health/Beauty")
    ('Health/Beauty', '')
    """
    return _first_two(_ARROWS.split(clean(category)))


def category_column(cells: Sequence[str], separator: str = "", listed: str = "") -> CategoryColumn:
    """The levels of all categories of a column.

    Args:
        cells: as in the file.
        separator: between levels; ``""``: recognised, :data:`NO_LEVELS`: there are no levels.
        listed: the mark between several paths of a product; ``""``: recognised.

    >>> category_column(["Home/Mugs", "Home/Pans", "Health/Beauty"]).levels["Home/Mugs"]
    ('Home', 'Mugs')
    >>> category_column(["Health/Beauty", "Toys"]).levels["Health/Beauty"]
    ('Health/Beauty', '')
    """
    counts = Counter(cells)
    texts = {cell: _text_of(cell) for cell in counts}
    notes: list[str] = []
    arrows = not separator and any(_ARROWS.search(text) for text in texts.values())
    chosen = texts
    if listed or not separator:
        chosen = _first_paths(texts, counts, arrows, listed, notes)
    if separator == NO_LEVELS:
        levels = {cell: (text, "") for cell, text in chosen.items()}
    elif separator:
        mark = separator.strip() or separator
        levels = {cell: _first_two(text.split(mark)) for cell, text in chosen.items()}
    elif arrows:
        levels = {cell: _first_two(_ARROWS.split(text)) for cell, text in chosen.items()}
    else:
        agreed = _agreed(chosen, counts, notes)
        levels = {
            cell: _first_two(text.split(agreed) if agreed else [text])
            for cell, text in chosen.items()
        }
    return CategoryColumn(levels, tuple(notes))


def _text_of(cell: str) -> str:
    """The cell on one line; the elements of a JSON list as a path, or as a list of paths."""
    plain = cell.strip()
    if plain.startswith("[") and plain.endswith("]"):
        try:
            found = json.loads(plain)
        except (ValueError, RecursionError):
            return clean(plain)
        while isinstance(found, list) and found and isinstance(found[0], list):
            found = found[0]
        words = [clean(str(part)) for part in found]
        if any(_ARROWS.search(word) for word in words):
            return "; ".join(words)
        return " > ".join(words)
    return clean(plain)


def _first_paths(
    texts: Mapping[str, str],
    counts: Counter[str],
    arrows: bool,
    listed: str,
    notes: list[str],
) -> dict[str, str]:
    """The first path of every cell, where cells hold several."""
    cut: Callable[[str], list[str]] = partial(_listed, mark=listed or ";")
    if arrows and not listed:
        cut = _among_arrows(texts)
    chosen, several, example = {}, 0, ""
    for cell, text in texts.items():
        parts = cut(text)
        if len(parts) > 1:
            several, example = several + counts[cell], example or cell
        # The path with two levels says more than one with one; the first of equal ones.
        chosen[cell] = max(parts, key=lambda part: len(_levels(part)[:2]), default="")
    if several:
        notes.append(
            f"category: in {several:,} rows the cell holds several; one is taken, such as "
            f"{chosen[example]!r} of {texts[example]!r}; products.data.category_list names the "
            "mark between several categories, and category_separator that between levels"
        )
    whole = next((path for path in chosen.values() if arrows and _COMMA_BETWEEN.search(path)), None)
    if whole is not None and not listed:
        notes.append(
            f"category: {whole!r} is taken for one path, because no row begins with the words "
            "behind its comma; products.data.category_list=comma says that commas separate several"
        )
    return chosen


def _listed(text: str, mark: str) -> list[str]:
    """The paths between marks; a mark within a name stands behind a backslash."""
    escaped = text.replace(f"\\{mark}", _ESCAPED)
    parts = [part.replace(_ESCAPED, mark) for part in escaped.split(mark)]
    return [part.strip() for part in parts if part.strip()]


def _among_arrows(texts: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Cuts a cell where a list's mark stands before a main category of the column."""
    mains = {_levels(text)[0] for text in texts.values() if _ARROWS.search(text)}
    mains |= {text for text in texts.values() if text and not any(m in text for m in _LISTS)}
    names = "|".join(re.escape(name) for name in sorted(mains, key=len, reverse=True))
    known = re.compile(rf"\s*[;|,]\s*(?=(?:{names})\s*(?:{_ARROW}|[;|,]|$))", re.IGNORECASE)
    names_alone = {name.casefold() for name in mains}

    def cut(text: str) -> list[str]:
        parts = [part.strip() for part in known.split(text) if part.strip()]
        if not _ARROWS.search(text) and not all(part.casefold() in names_alone for part in parts):
            return [text] if text else []
        for mark in ";|":  # marks that stand between two whole paths of which none is known
            apart = [part.strip() for part in text.split(mark) if part.strip()]
            if len(apart) > 1 and all(_ARROWS.search(part) for part in apart):
                return apart
        return parts

    return cut


def _levels(path: str) -> list[str]:
    return [part.strip() for part in _ARROWS.split(path) if part.strip()] or [""]


def _agreed(texts: Mapping[str, str], counts: Counter[str], notes: list[str]) -> str | None:
    """The mark that separates levels where there are no arrows."""
    if any("|" in text for text in texts.values()):
        notes.append(
            "category: '|' is taken to separate levels; products.data.category_separator=none "
            "keeps the names whole"
        )
        return "|"
    for mark in WEAK_MARKS[1:]:
        having = {text for text in texts.values() if mark in text}
        if not having:
            continue
        mains: dict[str, set[str]] = {}
        for text in having:
            main, _, rest = text.partition(mark)
            mains.setdefault(main.strip().casefold(), set()).add(rest.strip().casefold())
        alone = {text.casefold() for text in texts.values() if mark not in text}
        shared = {main for main, subs in mains.items() if len(subs) > 1 or main in alone}
        rows = {cell: text for cell, text in texts.items() if text in having}
        agreeing = sum(
            counts[cell]
            for cell, text in rows.items()
            if text.partition(mark)[0].strip().casefold() in shared
        )
        total = sum(counts[cell] for cell in rows)
        cut = agreeing > 0.5 * total
        verb = "is taken to separate levels" if cut else "is taken for a part of the names"
        other = NO_LEVELS if cut else mark
        notes.append(
            f"category: {mark!r} {verb}, as in {min(having)!r}; "
            f"products.data.category_separator={other} says otherwise"
        )
        if cut:
            return mark
    return None


def _first_two(parts: Sequence[str]) -> Levels:
    found = [part.strip() for part in parts if part.strip()]
    return (*found, "", "")[0], (*found, "", "")[1]
