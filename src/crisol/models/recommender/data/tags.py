"""From a table of items to the catalogue: what is known of an item becomes tags, 0 or 1."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.prepare import study_items
from crisol.models.recommender.data.raw_columns import ATTRIBUTE_SEPARATOR
from crisol.models.recommender.study_params import StudyParams

_WORD = re.compile(r"[^\W\d_]{3,}")


def words(text: str) -> set[str]:
    """The words of a text, lower case, of three letters or more in any alphabet.

    >>> sorted(words("Matte lip-stick no. 7, MATTE"))
    ['lip', 'matte', 'stick']
    """
    return set(_WORD.findall(text.lower()))


def catalogue(items: pd.DataFrame, study: StudyParams) -> Catalogue:
    """The items of a study's source with their tags: category, brand, attributes, words.

    Args:
        items: as from :func:`crisol.models.recommender.data.prepare.clean`.
        study: which source, and which words count.

    Returns:
        The catalogue; an item's place in it is its position in the interactions. Tags are sorted
        by name.
    """
    mine = study_items(items, study)
    found = [
        {
            *_tags("category", [category]),
            *_tags("brand", [brand]),
            *_tags("attribute", attributes.split(ATTRIBUTE_SEPARATOR)),
            *_tags("word", words(f"{title} {text}")),
        }
        for category, brand, attributes, title, text in zip(
            *(mine[name] for name in ("category", "brand", "attributes", "title", "text")),
            strict=True,
        )
    ]
    count = Counter(tag for tags in found for tag in tags)
    names = sorted(tag for tag in count if _counts(tag, count[tag], len(mine), study))
    place = {tag: column for column, tag in enumerate(names)}
    columns = [sorted(place[tag] for tag in tags if tag in place) for tags in found]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in columns])]).astype(np.int64)
    flat = np.array([column for row in columns for column in row], dtype=np.int64)
    return Catalogue(
        ids=tuple(mine["item"]),
        titles=tuple(mine["title"]),
        categories=tuple(mine["category"]),
        brands=tuple(mine["brand"]),
        prices=mine["price"].to_numpy(np.float32),
        tags=csr_matrix(
            (np.ones(len(flat), np.float32), flat, starts), shape=(len(mine), len(names))
        ),
        tag_names=tuple(names),
    )


def _tags(kind: str, values: Iterable[str]) -> set[str]:
    return {f"{kind}:{value.strip()}" for value in values if value.strip()}


def _counts(tag: str, items: int, item_count: int, study: StudyParams) -> bool:
    """Whether a tag is kept: what people wrote as an attribute always, a word if it tells."""
    if not tag.startswith("word:"):
        return True
    return study.min_word_items <= items <= study.max_word_share * item_count
