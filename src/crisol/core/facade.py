"""Lazy imports of a package's public names."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    package: str, where: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package whose names live in its modules.

    Listing a family's parameters must not load torch, so a family's ``__init__.py`` says only where
    each name lives: ``{"Predictor": "predictor:IrisPredictor", "fit": "training"}``.

    >>> getattr_, dir_ = lazy("crisol.core", {"Params": "params", "Base": "params:Params"})
    >>> getattr_("Base") is getattr_("Params")
    True
    >>> dir_()
    ['Base', 'Params']
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = where[name].partition(":")
        return getattr(import_module(f"{package}.{module}"), attribute or name)

    return get, lambda: sorted(where)
