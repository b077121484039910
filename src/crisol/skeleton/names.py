"""The names that a new family may have."""

import keyword
import pkgutil
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import crisol
from crisol import models
from crisol.core.errors import MendableError
from crisol.registry.tracking.parameters import RUNTIME

LONGEST = 24
"""Characters; longer names would break lines of the written files."""
IMPORTED = ("predict", "service_app")
"""Names whose class would hide another one in the file of the service."""
EXPERIMENTS = ("datasets",)
"""MLflow experiments that are not those of a family; a family's has its name."""


class FamilyNameError(MendableError):
    """A name that no family can have; the message says why and gives one that it can have."""


def check_name(name: str) -> None:
    """Refuse a name that is no name of a family, is taken, or stands for something else.

    Raises:
        FamilyNameError: naming the rule and the way out.

    >>> check_name("My-Birds")
    Traceback (most recent call last):
    ...
    crisol.skeleton.names.FamilyNameError: NAME: 'My-Birds' must be small letters, digits and ...
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise FamilyNameError(
            f"NAME: {name!r} must be small letters, digits and single underscores, and begin with "
            f"a letter{_suggestion(name)}"
        )
    if not 2 <= len(name) <= LONGEST:
        raise FamilyNameError(f"NAME: {name!r} must have 2 to {LONGEST} characters")
    if name in models.family_names():
        raise FamilyNameError(
            f"NAME: the family {name!r} exists already; choose another name than: "
            + ", ".join(models.family_names())
        )
    for kind, known in _reserved(name):
        if known:
            raise FamilyNameError(
                f"NAME: {name!r} is the name of {kind}; choose a noun of your own"
            )


def _suggestion(name: str) -> str:
    better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:LONGEST]
    return f"; write {better}" if better else ""


def _reserved(name: str) -> list[tuple[str, bool]]:
    package = Path(crisol.__file__).parent
    folders = [str(package / folder) for folder in ("", "core", "models", "pipelines")]
    modules = {module.name for module in pkgutil.iter_modules(folders)}
    return [
        ("a word of Python", keyword.iskeyword(name) or keyword.issoftkeyword(name)),
        ("a module of Crisol", name in modules),
        ("a function of crisol.models", hasattr(models, name)),
        ("a class that every service imports", name in IMPORTED),
        ("a runtime parameter", name in RUNTIME),
        ("the platform's MLflow experiment", name in EXPERIMENTS),
        ("a Python module", name in sys.stdlib_module_names or find_spec(name) is not None),
    ]
