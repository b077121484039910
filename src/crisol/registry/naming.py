"""The names of registered models: a family's own, or a line of it such as ``tabular.adult``.

Light: Kedro's settings import it for every command.
"""

import re

from crisol import models
from crisol.registry.store import StoreError

# BentoML wants a tag's name to end with a letter or digit, and at most 63 characters.
_LINE = r"[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?"
MODEL_PATTERN = rf"[a-z][a-z0-9_]*(?:\.{_LINE})?"
"""Matches ``<family>`` and ``<family>.<line>``."""


def check_family(name: str) -> None:
    """Refuse a family that does not exist.

    Raises:
        StoreError: with the names of the families.
    """
    if name not in models.family_names():
        raise StoreError(f"no family {name!r}; there are: {', '.join(models.family_names())}")


def family_of(model: str) -> str:
    """The family of a model's name, ``<family>`` or ``<family>.<line>``.

    Raises:
        StoreError: it is neither, or there is no such family.

    >>> family_of("signals.hourly")
    'signals'
    """
    if re.fullmatch(MODEL_PATTERN, model) is None:
        raise StoreError(
            f"{model!r} is not a model's name: write <family> or <family>.<line>, such as "
            "tabular.adult; a line has at most 40 small letters, digits and _, begins with a "
            "letter and does not end with _"
        )
    family = model.partition(".")[0]
    check_family(family)
    return family
