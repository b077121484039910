# ruff: noqa: RUF001 - marks of currencies in other alphabets
"""Currency marks as shops write them, and the ISO 4217 codes that they may stand for."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF
XPF YER ZAR ZMW ZWL
"""
CODES = frozenset(_CODES.split())
"""The codes of ISO 4217 that are in circulation, and HRK, which old files still have."""
_DOLLARS = (
    "USD CAD AUD NZD HKD SGD MXN CLP COP ARS TWD BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD SBD "
    "SRD TTD UYU XCD"
)
_MARKS = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP EGP SYP LBP GIP FKP SHP SDG SSP",
    "pound": "GBP EGP", "pounds": "GBP EGP", "stg": "GBP", "$": _DOLLARS, "dollar": _DOLLARS,
    "dollars": _DOLLARS, "us$": "USD", "u$s": "USD", "$us": "USD", "a$": "AUD", "au$": "AUD",
    "aud$": "AUD", "c$": "CAD NIO", "ca$": "CAD", "can$": "CAD", "cdn$": "CAD", "cad$": "CAD",
    "nz$": "NZD", "nzd$": "NZD", "hk$": "HKD", "s$": "SGD", "sg$": "SGD", "nt$": "TWD",
    "r$": "BRL", "mx$": "MXN", "mex$": "MXN", "mxn$": "MXN", "usd$": "USD", "ar$": "ARS",
    "cl$": "CLP", "clp$": "CLP", "co$": "COP", "cop$": "COP", "j$": "JMD", "tt$": "TTD",
    "rd$": "DOP", "b/.": "PAB", "s/": "PEN", "s/.": "PEN", "bs": "BOB VES",
    "¥": "JPY CNY", "円": "JPY", "yen": "JPY", "jp¥": "JPY", "cn¥": "CNY", "元": "CNY",
    "rmb": "CNY", "yuan": "CNY", "₩": "KRW KPW", "원": "KRW", "won": "KRW", "₹": "INR",
    "rs": "INR PKR LKR NPR MUR SCR", "rupee": "INR PKR LKR NPR MUR SCR",
    "rupees": "INR PKR LKR NPR MUR SCR", "रु": "INR NPR", "৳": "BDT", "tk": "BDT",
    "kr": "SEK NOK DKK ISK", "chf": "CHF", "fr": "CHF XAF XOF", "sfr": "CHF", "zł": "PLN",
    "zl": "PLN", "kč": "CZK", "kc": "CZK", "ft": "HUF", "lei": "RON MDL", "leu": "RON MDL",
    "лв": "BGN", "lv": "BGN", "kn": "HRK", "din": "RSD", "дин": "RSD", "₽": "RUB", "руб": "RUB",
    "р": "RUB BYN", "₴": "UAH", "грн": "UAH", "₸": "KZT", "₺": "TRY", "tl": "TRY", "₾": "GEL",
    "֏": "AMD", "₼": "AZN", "₪": "ILS", "₫": "VND", "đ": "VND", "฿": "THB", "บาท": "THB",
    "baht": "THB", "₱": "PHP", "rm": "MYR", "rp": "IDR", "₦": "NGN", "₵": "GHS", "gh₵": "GHS",
    "ksh": "KES", "kes": "KES", "ush": "UGX", "tsh": "TZS", "r": "ZAR", "₡": "CRC", "₲": "PYG",
    "dh": "AED MAD", "dhs": "AED MAD", "د.إ": "AED", "ر.س": "SAR", "sr": "SAR", "₮": "MNT",
    "៛": "KHR", "₭": "LAK", "؋": "AFN",
}  # fmt: skip
MARKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {unicodedata.normalize("NFKC", mark): tuple(codes.split()) for mark, codes in _MARKS.items()}
)
"""A mark in lower case to the codes that it may stand for, the most usual first."""
ASSUMED: Mapping[str, str] = MappingProxyType(
    {
        "$": "USD", "dollar": "USD", "dollars": "USD", "£": "GBP", "pound": "GBP", "pounds": "GBP",
        "rs": "INR", "rupee": "INR", "rupees": "INR", "रु": "INR", "₩": "KRW", "fr": "CHF",
        "c$": "CAD", "р": "RUB", "lei": "RON", "leu": "RON",
    }
)  # fmt: skip
"""The code that an ambiguous mark is taken for, if nothing else tells; the person is told."""


WORDS = frozenset(
    ["all", "bam", "bob", "cop", "cup", "gel", "lak", "mad", "mop", "pen", "sos", "top", "try"]
)
"""Codes that are words, too; only in capitals are they codes."""


def currencies_of(mark: str) -> tuple[str, ...]:
    """The codes that a mark may stand for; none where it is no mark of a currency.

    Several marks of one currency may stand together, as in ``US$ USD``.

    >>> currencies_of("€"), currencies_of("eur"), currencies_of("Rs.")[:2], currencies_of("per kg")
    (('EUR',), ('EUR',), ('INR', 'PKR'), ())
    >>> currencies_of("$ CAD"), currencies_of("EUR $")
    (('CAD',), ())
    """
    written = unicodedata.normalize("NFKC", mark).strip()
    whole = _codes("".join(written.split()))
    if whole:
        return whole
    found: tuple[str, ...] = ()
    for piece in written.replace("(", " ").replace(")", " ").split():
        codes = _codes(piece) or _joined(piece)
        if not codes:
            return ()
        found = tuple(code for code in found if code in codes) if found else codes
        if not found:
            return ()
    return found


def assumed(mark: str) -> str | None:
    """The currency that is usually meant by an ambiguous mark.

    >>> assumed("$"), assumed("Rs."), assumed("kr")
    ('USD', 'INR', None)
    """
    plain = unicodedata.normalize("NFKC", mark).strip().lower()
    return ASSUMED.get(plain, ASSUMED.get(plain.rstrip(".")))


def _codes(written: str) -> tuple[str, ...]:
    plain = written.lower()
    if written.upper() in CODES and (plain not in WORDS or written.isupper()):
        return (written.upper(),)
    return MARKS.get(plain) or MARKS.get(plain.rstrip(".")) or ()


def _joined(piece: str) -> tuple[str, ...]:
    """Two marks without a blank between them, such as ``usd$`` or ``€eur``."""
    for cut in range(1, len(piece)):
        left, right = _codes(piece[:cut]), _codes(piece[cut:])
        both = tuple(code for code in left if code in right)
        if both:
            return both
    return ()
