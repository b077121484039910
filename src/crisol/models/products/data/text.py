"""Cleans the texts of products, and removes prices and category words from them.

A price in a title or description would leak the target of the price head, so every text that a
model sees goes through :func:`scrub_prices`. In doubt it removes a number.
"""

import html
import re
import unicodedata

_PASSES = 4
"""Most levels of nested entities, such as ``&amp;amp;lt;``; deeper nesting is text."""
_HIDDEN = re.compile(
    r"<(style|script)(?=[\s/>])[^<>]*+>.*?(?:</\1\s*+>|\Z)"
    r"|<!--.*?(?:-->|\Z)",
    re.DOTALL | re.IGNORECASE,
)
"""Elements and comments that a browser does not show as words; one left open goes to the end."""
_TAG = re.compile(
    r"""</?[a-zA-Z](?:[^<>"']|"[^"<>]*+"|'[^'<>]*+')*+>"""
    r"|</?[a-zA-Z][^<>]*+>|<[!?][^<>]*+>|<!\[CDATA\[|\]\]>"
)
_QUOTED = re.compile(r"""(<[a-zA-Z][^<>"']*+(?:"[^"]*+"|'[^']*+'|[^<>"']++)*+>)""")
"""A tag with quoted values, which may hold angle brackets."""
_CSS_WORD = (
    r"(?:[a-z0-9]*[.#][\w-]+(?:[.#:][\w-]+)*|(?:html|body|p|li|ul|ol|td|th|tr|table|div|span|a|img|"
    r"h[1-6])(?::[\w-]+)*)"
)
_CSS = re.compile(
    rf"(?<![\w.#])(?:@[\w-]+[^{{}}@;]{{0,100}}+\{{\s*+)?{_CSS_WORD}(?:[\s,>+~]{{1,5}}{_CSS_WORD}){{0,20}}"
    r"\s*+\{(?:\s*+-{0,2}[a-z][a-z-]*+\s*+:[^{};]{0,300}+;?)*+\s*+\}(?:\s*+\})?",
    re.IGNORECASE,
)
"""A rule of a style sheet that was left when its tags were taken off: ``p.p1 {margin: 0px}``."""
_INVISIBLE = re.compile(
    "[\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_WORD = re.compile(r"\w+(?:[-'\u2019.&]\w+)*")

_UNIT = (
    r"(?:[kmgt]b|mah|[kmg]?hz|[km]?w|v|[km]?gs?|kgs|grams?|[mc]?l|lit(?:er|re)s?|[mck]?m|mtrs?|inch"
    r"(?:es)?|in|ft|oz|lbs?|tabs?|pcs?|pieces?|packs?|sets?|pairs?|units?|years?|days?|hours?|hrs"
    r"|min(?:ute)?s?|gsm|ton|stars?|watts?|volts?)(?![^\W\d_])"
)
_NUMBER = (
    rf"(?>\d+(?:[.,]\d+)*(?:\s\d{{3}}(?!\d|\s?{_UNIT})){{0,3}}(?:[.,]\d+)?"
    r"(?:\s?(?:k|lakhs?|crores?|million)(?![^\W_]))?)"
)
_SYMBOL = r"(?:(?<![^\W_])(?:us|au?|ca?|nz|hk|s)\s?)?[$€£¥₹₽₩]"
_CODE = (
    r"(?:(?<![^\W\d_])(?:rs|inr|usd|eur|gbp|aud|cad|jpy|cny|chf|sgd|aed|m\.r\.p|rupees?|dollars?"
    r"|euros?(?!\ssiz)|pounds?\ssterling)|mrp)(?![^\W\d_])"
)
_SIGN = rf"(?:{_CODE}|{_SYMBOL})"
_LABEL = (
    r"(?:prices?\s?[:=]|(?<![^\W\d_])(?:prices?|priced|costs?|costing)(?![^\W\d_])"
    r"(?:[\s:=\-]{1,3}(?:is|was|now|of|at|just|only|from|to|around|about|approx|ranges?|between"
    r"|starts?|starting)(?![^\W_])){0,4})"
)
_FILLER = r"[\s.:=\-(~]{0,8}"
_BEFORE = rf"(?:(?:{_LABEL}|{_SIGN}){_FILLER}){{1,4}}"
_AFTER = rf"(?:\s?/\s?-|\s?\.?{_SIGN}\.?)"
_RANGE = (
    r"(?:\s?(?:[-\u2013\u2014~]|to|and)\s?"
    rf"(?:{_SIGN}{_FILLER}){{0,2}}{_NUMBER}(?!\s?{_UNIT})){{0,2}}"
)
_FREE = r"(?<!\w)(?<!\d[.,])"
_END = r"(?:\s?/\s?-)?(?:\s?only(?![^\W_]))?"
_PRICE = re.compile(
    # Of two numbers around a sign both are removed, as either may be the price; but in "12 $999"
    # the sign belongs to the second, and the count in "pack of 2 Rs. 899" is not a price.
    # The lookahead does not change the matches; it makes the search four times faster.
    rf"(?=\d|[$€£¥₹₽₩]|(?<![^\W\d_])[a-z]|mrp|price)(?:"
    rf"{_FREE}(?<!of\s){_NUMBER}{_RANGE}(?!\s{_SIGN}\.?\d){_AFTER}"
    rf"(?:{_FILLER}{_NUMBER}(?!\s?{_UNIT}){_RANGE})?{_END}"
    rf"|{_BEFORE}{_NUMBER}{_RANGE}(?:{_AFTER}(?!{_FILLER}\d))?{_END}"
    rf"|(?<!\d)(?<!\d[.,]){_NUMBER}{_RANGE}"
    rf"(?:\s?/\s?-|\s?\.?{_SIGN}\.?(?!{_FILLER}\d)){_END})",
    re.IGNORECASE,
)
PRICE_NAME = re.compile(
    r"(?<![^\W_])(?:prices?|mrp|m\.r\.p|cost|msrp|rrp)(?![^\W\d_])", re.IGNORECASE
)
"""The name of an attribute whose value is a price."""


def clean(text: str) -> str:
    r"""The text on one line, in NFKC form, without entities, markup or control characters.

    Style sheets, scripts and comments go with all that is in them.

    >>> clean("  Cafe\u0301 &amp; Bar<br/>\u200b\n2\u00a0pcs ")
    'Café & Bar 2 pcs'
    """
    for _ in range(_PASSES):
        before = text
        text = _INVISIBLE.sub("", text)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
        if "&" in text:
            text = html.unescape(text)
        if "<" in text or "]]>" in text:
            text = _TAG.sub(" ", _QUOTED.sub(" ", _HIDDEN.sub(" ", text)))
        if "{" in text:
            text = _CSS.sub(" ", text)
        text = " ".join(_CONTROL.sub(" ", text).split())
        if text == before:
            break
    return text


def scrub_prices(text: str) -> str:
    """The text without prices: numbers beside a currency, or after a word such as ``price``.

    A comma replaces each price, so that the words around it do not form a new one: scrubbing a
    second time changes nothing. White space becomes single spaces.

    >>> scrub_prices("Curtain (Pack of 2) Price: Rs. 899 with 2 GB, now $1,299.00!")
    'Curtain (Pack of 2), with 2 GB, now, !'
    """
    text = " ".join(text.split())
    for _ in range(_PASSES):
        text, count = _PRICE.subn(", ", text)
        if not count:
            break
        text = re.sub(r"\s*,(?:\s*,)*(?=\s|$)", ",", text)
        text = " ".join(text.split()).strip(", ")
    return text


def hide_words(title: str, words: str) -> str:
    """The title without the words of a category, in singular or plural and in any case.

    >>> hide_words("Nike Men's Red T-Shirt & Shorts", "Apparel > Tshirts")
    "Nike Men's Red & Shorts"
    """
    hidden = {_stem(word) for word in _WORD.findall(words)} - {""}
    kept = _WORD.sub(lambda found: "" if _stem(found[0]) in hidden else found[0], title)
    return " ".join(kept.split())


def _stem(word: str) -> str:
    plain = re.sub(r"[^\w]|_", "", word.casefold())
    for ending, singular in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch")):
        if plain.endswith(ending) and len(plain) > len(ending) + 1:
            return plain.removesuffix(ending) + singular
    return plain.removesuffix("s") if len(plain) > 3 and not plain.endswith("ss") else plain
