"""Quantities named in texts: length, weight, volume, number of pieces.

Legend: Q quantities.
"""

import math
import re
from types import MappingProxyType

import numpy as np

from crisol.core.arrays import Floats

_LENGTH, _WEIGHT, _VOLUME, _STORAGE = "length", "weight", "volume", "storage"
UNITS = MappingProxyType(
    {
        "cm": (_LENGTH, 1.0, r"cms?|centimet(?:er|re)s?"),
        "mm": (_LENGTH, 0.1, r"mm"),
        "m": (_LENGTH, 100.0, r"m|mtrs?|met(?:er|re)s?"),
        "inch": (_LENGTH, 2.54, r"inch(?:es)?|in|\""),
        "ft": (_LENGTH, 30.48, r"ft|feet|foot"),
        "g": (_WEIGHT, 1.0, r"g|gms?|grams?"),
        "kg": (_WEIGHT, 1000.0, r"kgs?|kilos?"),
        "oz": (_WEIGHT, 28.35, r"oz|ounces?"),
        "lb": (_WEIGHT, 453.6, r"lbs?|pounds?"),
        "ml": (_VOLUME, 1.0, r"ml"),
        "l": (_VOLUME, 1000.0, r"l|ltrs?|lit(?:er|re)s?"),
        "gb": (_STORAGE, 1.0, r"gb"),
        "tb": (_STORAGE, 1000.0, r"tb"),
        "mah": ("charge", 1.0, r"mah"),
        "w": ("power", 1.0, r"w|watts?"),
        "kw": ("power", 1000.0, r"kw"),
        "v": ("voltage", 1.0, r"v|volts?"),
        "gsm": ("density", 1.0, r"gsm"),
        "month": ("time", 1.0, r"months?"),
        "year": ("time", 12.0, r"years?|yrs?"),
        "piece": ("pieces", 1.0, r"pcs?|pieces?|packs?|sets?|pairs?|units?"),
    }
)
"""Kind of quantity, factor to its base unit, and pattern after a number, by unit."""
_AFTER = re.compile(
    r"(?<![\w.])(\d{1,7}(?:\.\d+)?)\s?(?:"
    + "|".join(f"(?P<{name}>{written})" for name, (_, _, written) in UNITS.items())
    + r")(?![a-z0-9])",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\b(?:pack|set|combo|box) of (\d{1,4})\b", re.IGNORECASE)
KINDS = tuple(sorted({kind for kind, _, _ in UNITS.values()}))
SIZE = 2 * len(KINDS)


def quantities(text: str) -> Floats:
    """[Q] logarithms: the least quantity of each of :data:`KINDS`, then the largest; NaN: none.

    >>> found = quantities("Curtain 213 cm x 1.5 m, Pack of 2")
    >>> [round(float(np.exp(found[KINDS.index("length") + side])), 1) for side in (0, len(KINDS))]
    [150.0, 213.0]
    >>> round(float(np.exp(found[KINDS.index("pieces")])))
    2
    """
    found: dict[str, list[float]] = {}
    for match in _AFTER.finditer(text):
        assert match.lastgroup is not None
        kind, base, _ = UNITS[match.lastgroup]
        found.setdefault(kind, []).append(float(match[1]) * base)
    found.setdefault("pieces", []).extend(float(number) for number in _BEFORE.findall(text))
    amounts = {kind: [a for a in some if a > 0] for kind, some in found.items()}
    ends = [
        [math.log(pick(amounts[kind])) if amounts.get(kind) else math.nan for kind in KINDS]
        for pick in (min, max)
    ]
    return np.array([*ends[0], *ends[1]])
