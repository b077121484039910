"""Words that say that there is no value, and cells that a column of numbers or dates cannot read.

A file's reader takes the words of ``read.missing`` for missing cells everywhere. In a column whose
other cells are numbers or dates, further words are missing (:data:`MARKS`), and so are a few
unknown ones; what counts as missing is told with its counts, and ``read.keep`` keeps a word.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

MOST_UNKNOWN = 0.2
"""Share of unknown words up to which they are missing in a column of numbers or dates."""
MOST_UNKNOWN_WORDS = 10
"""Different unknown words up to which they are."""
MARKS = frozenset(
    """na|n/a|n.a.|n.a|n. a.|#n/a|#n/a n/a|#na|<na>|nan|-nan|none|null|nil|(null)|(none)|(na)|
    (n/a)|(blank)|(empty)|[null]|<null>|\\n|-|--|---|----|\u2013|\u2014|\u2212|.|..|...|…|?|??|???|*|**|/|//|_|
    unknown|unk|unkn|unkn.|(unknown)|missing|(missing)|tbd|tba|tbc|nd|n.d.|n.d|n/d|nr|n.r.|n/r|
    ns|n/s|n.s.|ni|n/i|nk|n/k|nv|n/v|s/d|s.d.|s/n|s/i|k.a.|k. a.|k.a|ka|keine angabe|
    keine angaben|unbekannt|fehlt|leer|not available|not applicable|not known|not reported|
    not recorded|not measured|not stated|not specified|not given|not set|no data|nodata|no value|
    no info|no information|no answer|no response|not found|unspecified|undefined|undetermined|
    undisclosed|empty|blank|void|invalid|error|err|inconnu|inconnue|non disponible|
    non renseigné|non communiqué|nc|n.c.|n/c|desconocido|no disponible|sin datos|sin dato|
    desconhecido|não informado|sem dados|sconosciuto|non noto|onbekend|brak|brak danych|okänd|
    ukendt|ukjent|ei tietoa|нет|нет данных|н/д|неизвестно|不明|なし|无|未知|無|없음|
    #div/0!|#ref!|#value!|#name?|#num!|#null!|#wert!|#bezug!|#zahl!|#name!|#valeur!|#¡valor!|
    #¡div/0!|#valor!|#calc!|#spill!|#n/d|#nv|#########|1.#ind|-1.#ind|1.#qnan|-1.#qnan|1.#nan"""
    .replace("\n    ", "").split("|")
)  # fmt: skip
"""Words that say that there is no value, in lower case."""
_BOUND = re.compile(
    r"([<>≤≥≦≧~≈±]=?|ca\.?|circa|about|approx\.?|approximately|around|over|under|up to|bis|ab|"
    r"more than|less than|at least|at most|max\.?|min\.?) ?"
    r"[^\w]{0,2}\d.{0,20}"
    r"|[^\w\s]?\d[\d.,' ]* ?(-|\u2013|\u2014|\.\.\.?|to|bis|a|à) ?[^\w\s]?\d[\d.,' ]*.{0,12}"
    r"|[^\w\s]?\d[\d.,' ]* ?(\+|\*|\?|\(.{0,20}\)|or more|or less|and over|and more)",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class StrayCells:
    """Cells of a column of numbers or dates that are none, each word with its count.

    Attributes:
        marks: words that say that there is no value.
        bounds: bounds, ranges and estimates: ``<0.5``, ``10-20``, ``~5``, ``3+``.
        words: all others.
    """

    marks: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def unknown(self) -> int:
        """How many cells are no marks."""
        return sum(self.bounds.values()) + sum(self.words.values())

    def few(self, cells: int, share: float = MOST_UNKNOWN) -> bool:
        """Whether the column is one of numbers or dates all the same.

        Args:
            cells: how many it has, missing ones left out.
            share: the most that may be unknown, of the cells that are no marks.
        """
        rest = cells - sum(self.marks.values())
        return self.unknown <= share * rest and len(self.words) <= MOST_UNKNOWN_WORDS

    def tell(self, name: str, keep: Callable[[str], str]) -> tuple[str, ...]:
        """Sentences about cells that are no numbers and count as missing.

        Args:
            name: of the column.
            keep: the option that keeps a word, as a person writes it.
        """
        said = []
        found = {**self.marks, **self.words}
        if found:
            first = max(found, key=lambda word: found[word])
            said.append(
                f"{name}: {sum(found.values()):,} cells are no numbers ({listed(found)}) and count "
                f"as missing; {keep(first)} keeps it as a word"
            )
        if self.bounds:
            said.append(
                f"{name}: {sum(self.bounds.values()):,} cells are bounds, ranges or estimates "
                f"({listed(self.bounds)}) and count as missing; give one number each to use them"
            )
        return tuple(said)


def is_mark(cell: str) -> bool:
    """Whether a cell says that there is no value.

    >>> [is_mark(cell) for cell in ("None", "#N/A", "-", "k.A.", "none of these", "0")]
    [True, True, True, True, False, False]
    """
    return cell.strip().casefold() in MARKS or cell.strip() == ""


def is_bound(cell: str) -> bool:
    """Whether a cell is a bound, a range or an estimate and not one number.

    >>> [is_bound(cell) for cell in ("<0.5", "> 100", "10-20", "~5", "3+", "5", "<br>")]
    [True, True, True, True, True, False, False]
    """
    return _BOUND.fullmatch(cell.strip()) is not None


def stray_cells(cells: Iterable[str]) -> StrayCells:
    """Sort cells that are no numbers or no dates.

    >>> stray_cells(["None", "<0.5", "None", "absent"])
    StrayCells(marks={'None': 2}, bounds={'<0.5': 1}, words={'absent': 1})
    """
    kinds: tuple[dict[str, int], ...] = ({}, {}, {})
    for word, count in Counter(cells).most_common():
        kinds[0 if is_mark(word) else 1 if is_bound(word) else 2][word] = count
    return StrayCells(*kinds)


def listed(words: Mapping[str, int], most: int = 5) -> str:
    """Words with their counts, the most frequent first.

    >>> listed({"-": 1, "None": 1200})
    "'None' 1,200, '-' 1"
    """
    order = sorted(words.items(), key=lambda item: -item[1])
    more = f" and {len(order) - most:,} more" if len(order) > most else ""
    return ", ".join(f"{word!r} {count:,}" for word, count in order[:most]) + more


def without_missing(
    frame: "pd.DataFrame", words: Iterable[str]
) -> "tuple[pd.DataFrame, dict[str, dict[str, int]]]":
    """A table without the cells that say that there is no value, whatever its format was.

    Args:
        frame: text columns, and typed ones.
        words: that say so; those that are numbers count in columns of numbers, too.

    Returns:
        The table, its text cells without the blanks around them; and, by column, how many cells
        of each word are missing now. Empty cells are not counted.
    """
    import pandas as pd

    wanted = pa.array(sorted(set(words)), pa.string())
    numbers = [float(word) for word in wanted.to_pylist() if _is_number(word)]
    counts: dict[str, dict[str, int]] = {}
    columns = {}
    for name, cells in frame.items():
        found: dict[str, int] = {}
        if pd.api.types.is_string_dtype(cells.dtype):
            texts = pc.utf8_trim_whitespace(pa.array(cells, pa.string(), from_pandas=True))
            hit = pc.is_in(texts, value_set=wanted)
            if pc.any(hit).as_py():
                held = texts.filter(hit).value_counts()
                found = {item["values"]: item["counts"] for item in held.to_pylist()}
                texts = pc.if_else(hit, pa.scalar(None, pa.string()), texts)
            cells = pd.Series(texts, index=cells.index, name=name, dtype="str")
        elif numbers and pd.api.types.is_numeric_dtype(cells.dtype):
            hits = cells.isin(numbers)
            found = {f"{word:g}": int(n) for word, n in cells[hits].value_counts().items()}
            cells = cells.where(~hits) if found else cells
        columns[name] = cells
        found.pop("", None)
        if found:
            counts[str(name)] = found
    return pd.DataFrame(columns, index=frame.index), counts


def _is_number(word: str) -> bool:
    try:
        return float(word) == float(word)
    except ValueError:
        return False


def told_words(name: str, counts: Mapping[str, int], keep: Callable[[str], str]) -> tuple[str, ...]:
    """The warning about words of a category that the reader took for missing cells.

    >>> told_words("region", {"NA": 12, "?": 3}, lambda word: f"read.keep={word}")
    ("region: 'NA' 12 is read as no value; read.keep=NA keeps it as a word",)
    """
    words = {word: count for word, count in counts.items() if _LETTERS.search(word)}
    if not words:
        return ()
    first = max(words, key=lambda word: words[word])
    said = f"{name}: {listed(words)} {'is' if len(words) == 1 else 'are'} read as no value"
    return (f"{said}; {keep(first)} keeps it as a word",)
