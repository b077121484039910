"""The texts and names of a record from which sparse columns are made."""

from collections.abc import Iterator

from crisol.core.text.terms import words
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import SEPARATOR


def all_text(record: ProductRecord) -> str:
    """All texts of a record, one a line."""
    attributes = (f"{name} {value}" for name, value in record.attributes.items())
    return "\n".join((record.title, record.description, record.brand, *attributes))


def attribute_lines(record: ProductRecord) -> str:
    """Two lines an attribute: its name, and its name with its value."""
    lines = (f"{name}\n{name}={value}" for name, value in record.attributes.items())
    return "\n".join(lines).lower()


def names_of(record: ProductRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The brand and the first words of the title, each with its words."""
    if record.brand:
        yield f"brand {record.brand.lower()}", tuple(words(record.brand))
    first = tuple(record.title.lower().split()[:2])
    for size in range(1, len(first) + 1):
        yield f"first {' '.join(first[:size])}", tuple(w for p in first[:size] for w in words(p))


def categories_of(record: ProductRecord) -> Iterator[str]:
    """The given category, and its first level."""
    levels = tuple(record.category.split(SEPARATOR)) if record.category else ()
    for size in range(1, len(levels) + 1):
        yield SEPARATOR.join(levels[:size])
