"""Reads product feeds in XML, RSS 2.0 or Atom, as rows of text."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import pandas as pd
from defusedxml.common import DefusedXmlException

from crisol.models.products.data.catalogue_table import ProductsError

MAX_BYTES = 1 << 30
_ITEMS = ("item", "entry")
_ATTRIBUTES_OF_DETAIL = ("section_name", "attribute_name", "attribute_value")


def is_xml(path: Path) -> bool:
    """Whether a file begins as XML does."""
    with path.open("rb") as stream:
        start = stream.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"\xff\xfe<", b"\xfe\xff\x00<")):
        return True
    return start.startswith((b"<?xml", b"<rss", b"<feed", b"<!--"))


def read_feed(path: Path, shown: str) -> pd.DataFrame:
    """The items of a feed, one a row; ``attrs`` as of a raw table.

    Entities are never expanded, and nothing is fetched.

    Args:
        path: an RSS or Atom file.
        shown: its name in errors.

    Raises:
        ProductsError: it is larger than :data:`MAX_BYTES`, is no XML, declares entities, or has no
            items.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ProductsError(
            f"{shown}: has more than {MAX_BYTES >> 20:,} MB; export a table (TSV), or several files"
        )
    try:
        rows = list(_rows(path))
    except DefusedXmlException as error:
        raise ProductsError(
            f"{shown}: declares entities or a document type, which no feed needs: take them out"
        ) from error
    except (SyntaxError, ValueError, LookupError) as error:  # ElementTree's ParseError is the first
        raise ProductsError(f"{shown}: is no XML that can be read: {error}") from error
    if not rows:
        raise ProductsError(
            f"{shown}: is XML without items; a product feed is RSS 2.0 with <item>, or Atom with "
            "<entry>"
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pd.DataFrame(rows, columns=names).fillna("").astype("str")
    table.attrs["file"], table.attrs["numeric"] = shown, ()
    table.attrs["notes"] = (f"an XML feed of {len(rows):,} items",)
    return table


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The elements of every item, by their names without a namespace."""
    events = defusedxml.ElementTree.iterparse(path, events=("end",), forbid_dtd=True)
    for _, element in events:
        if _name(element) in _ITEMS:
            yield _row(element)
            element.clear()


def _row(item: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for child in item:
        name = _name(child)
        if name == "product_detail":
            parts = {_name(part): (part.text or "").strip() for part in child}
            value = ":".join(parts.get(key, "").replace(":", " ").replace(",", " ")
                             for key in _ATTRIBUTES_OF_DETAIL)  # fmt: skip
            found[name] = f"{found[name]},{value}" if name in found else value
            continue
        value = (child.text or child.get("href") or "").strip()
        seen[name] += 1
        if seen[name] == 1:
            found[name] = value
        elif name == "product_type" and value:
            found[name] = f"{found[name]} | {value}"
    return found


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
