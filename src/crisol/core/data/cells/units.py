"""Units and currencies beside numbers: ``72 kg``, ``$5``, ``10,90 EUR``, ``1.2k``."""

import re
from dataclasses import dataclass
from functools import lru_cache

from crisol.core.data.cells.currencies import currencies_of

_FACTORS = {
    "k": 1e3, "K": 1e3, "tsd": 1e3, "thousand": 1e3, "M": 1e6, "mn": 1e6, "Mn": 1e6, "Mio": 1e6,
    "mio": 1e6, "mln": 1e6, "mill": 1e6, "million": 1e6, "millions": 1e6, "B": 1e9, "bn": 1e9,
    "Bn": 1e9, "Mrd": 1e9, "mrd": 1e9, "mld": 1e9, "billion": 1e9, "billions": 1e9,
    "lakh": 1e5, "lakhs": 1e5, "crore": 1e7, "crores": 1e7,
}  # fmt: skip
_FACTOR = re.compile(rf"({'|'.join(sorted(_FACTORS, key=len, reverse=True))})(?![a-z])\.? ?(.*)")
_GLUED_UNITS = """
    % ‰ ° °c °f c f kg g mg µg ug t lb lbs oz st km m dm cm mm µm um nm mi yd ft in km2 m2 cm2
    mm2 ha ac sqft sqm m3 cm3 cc l dl cl ml hl gal kmh km/h kph mph m/s kn s sec secs ms µs us min
    mins h hr hrs day days wk wks mo mos yr yrs year years w kw mw gw wh kwh mwh gwh v kv mv
    ma mah ah hz khz mhz ghz kb mb gb tb kib mib gib tib mbit gbit mbps gbps kbps bit px pt dpi
    fps pa kpa hpa mpa bar mbar psi kj mj cal kcal nm hp ps bhp rpm ppm ppb db dba mol mmol
    mmol/l mg/dl g/dl g/l mg/l g/km l/100km kg/m2 kg/m3 g/cm3 g/m2 w/m2 ohm kohm lx lm cd pcs
    pc"""
_GLUED = frozenset(_GLUED_UNITS.split())
"""Units that may follow a number without a blank, in lower case."""
_LETTERS = re.compile("[A-Z]{2,3}")
_ONE_LETTER = re.compile("[a-zµ]")
_WORDS = re.compile(r"[^\W\d_][^\W\d_]+[.²³]?([ /]([^\W\d_]|[.²³])+)*|[^\W\d_]")
_PLURAL = re.compile(r"(?<=[a-z]{2})s$|(?<=[a-z]{3})(es?|en|n)$")
MOST_LETTERS = 24
LETTER = r"[^\W\d_]"
CURRENCY = "[$¢£¤¥֏؋߾߿৲৳৻૱௹฿៛₠-₿꠸﷼\ufe69\uff04\uffe0\uffe1\uffe5\uffe6]"
"""Regular expressions of one letter, and of one mark of a currency."""


@dataclass(frozen=True)
class Unit:
    """The unit beside a number.

    Attributes:
        key: equal for spellings of one unit (``€`` and ``EUR``; ``day`` and ``days``); ``""``
            where the number stands alone.
        factor: of ``k``, ``M`` and their like; 1 without.
    """

    key: str
    factor: float = 1.0


NO_UNIT = Unit("")


def currency(text: str) -> str | None:
    """The currency of a mark, a code or a word.

    Returns:
        Its code where it stands for one, the mark in lower case where it stands for several;
        ``None`` where it is no currency. Units such as ``ft`` are none.

    >>> [currency(text) for text in ("€", "EUR", "Rs.", "$", "M€", "kg", "ft")]
    ['EUR', 'EUR', 'rs', '$', None, None, None]
    """
    text = text.strip()
    plain = text.lower().rstrip(".")
    if plain in _GLUED or _ONE_LETTER.fullmatch(plain):
        return None
    codes = currencies_of(text)
    if codes:
        return codes[0] if len(codes) == 1 else plain
    # Of letters and a mark, NT$ is a currency, M€ a million of one.
    letters, mark = text[:-1], text[-1:]
    return text if _is_mark(mark) and (not letters or _LETTERS.fullmatch(letters)) else None


@lru_cache(maxsize=4096)
def unit_beside(mark: str, suffix: str, spaced: bool = True) -> Unit | None:
    """The unit of a number between a mark and a suffix; ``None`` where they are no unit.

    Args:
        mark: the text before the number.
        suffix: the text after it.
        spaced: whether a blank stands between the number and the suffix. Any word may follow
            after a blank; without one, known units alone (``12A`` is a code).

    >>> unit_beside("$", "", False), unit_beside("", "kg"), unit_beside("", "Mio. €")
    (Unit(key='$', factor=1.0), Unit(key='kg', factor=1.0), Unit(key='EUR', factor=1000000.0))
    """
    money = currency(mark) if mark else None
    if mark and money is None:
        return None
    if not suffix:
        return Unit(money or "")
    after = currency(suffix)
    if after is not None:
        return _together(money, after, 1.0)
    found = _FACTOR.fullmatch(suffix)
    kelvin = suffix == "K" and spaced and money is None
    alone = suffix != "B" or not spaced or money is not None
    if found is not None and not kelvin and alone:
        after = currency(found[2]) if found[2] else ""
        if after is not None:
            return _together(money, after, _FACTORS[found[1]])
    paid, slash, each = suffix.partition("/")
    price = money if money is not None and not paid else currency(paid) if paid else None
    if slash and price is not None and money in (None, price):
        return Unit(f"{price}/{_square(each)}")
    if money is not None:
        return None
    return _measure(suffix, spaced)


def unit_key(text: str) -> str | None:
    """The key of a unit as a person writes it; ``None`` where it is none.

    >>> unit_key("lbs"), unit_key("Euro"), unit_key("km/h")
    ('lb', 'EUR', 'km/h')
    """
    found = unit_beside("", text.strip(), spaced=True) if text.strip() else NO_UNIT
    return None if found is None else found.key


def _together(before: str | None, after: str, factor: float) -> Unit | None:
    """The unit of a currency before the number and one after it (``$5 USD``)."""
    if before and after and before != after and after not in currencies_of(before):
        return None
    return Unit(after or before or "", factor)


def _measure(suffix: str, spaced: bool) -> Unit | None:
    compact = _square(suffix.replace(" ", "").rstrip("."))
    if len(compact) > MOST_LETTERS or not any(map(_is_sign, compact)):
        return None
    if compact.lower() not in _GLUED and not (spaced and _WORDS.fullmatch(suffix)):
        return None
    # The case tells units of one letter and prefixes of watts, bytes and the like apart.
    same_case = len(compact) < 2 or compact.lower() in ("mw", "mg", "mb", "mj", "mpa", "mv", "ma")
    key = compact if same_case else compact.lower()
    return Unit(_PLURAL.sub("", key).replace("μ", "µ"))


def _square(unit: str) -> str:
    return unit.replace("²", "2").replace("³", "3")


def _is_mark(letter: str) -> bool:
    return re.fullmatch(CURRENCY, letter) is not None


def _is_sign(letter: str) -> bool:
    return letter.isalpha() or letter in '%‰°"\u2032\u2033'
