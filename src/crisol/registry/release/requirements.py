"""The requirements of a predictor: the third-party modules that its code imports, pinned.

They are read from the source, starting from the family's predictor, with every ``import`` inside
functions. MLflow's own inference lists the loaded modules: pytest for a linear model.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path

from crisol import __file__ as package_file

_PACKAGE = "crisol"


def requirements(family: str) -> list[str]:
    """Pinned requirements (``name==version``) of a family's predictor, sorted.

    >>> "mlflow" in " ".join(requirements("signals"))
    False
    """
    distributions = packages_distributions()
    names = {
        distribution
        for module in _third_party(f"{_PACKAGE}.models.{family}.predictor")
        for distribution in distributions.get(module, [])[:1]
    }
    # A local build such as torch 2.13.0+cpu exists on no public index.
    return sorted(f"{name}=={version(name).partition('+')[0]}" for name in names)


def _third_party(start: str) -> set[str]:
    found = {
        name.partition(".")[0] for path in _reachable(start).values() for name in _imports(path, "")
    }
    return {name for name in found if name not in sys.stdlib_module_names and name != _PACKAGE}


def _reachable(start: str) -> dict[str, Path]:
    files: dict[str, Path] = {}
    todo = [start]
    while todo:
        name = todo.pop()
        if name in files or not name.startswith(_PACKAGE):
            continue
        path = _file(name)
        if path is None:  # an attribute of a module, not a module
            continue
        files[name] = path
        todo += [parent for parent in _parents(name) if parent not in files]
        if path.name == "__init__.py" and name != start:
            # A package's façade names everything in it; only imported names count.
            continue
        todo += _imports(path, name)
    return files


def _file(name: str) -> Path | None:
    """The file of a module of Crisol, found without importing it (a network would load torch)."""
    parent = name.rpartition(".")[0]
    if not parent:
        return Path(package_file)
    if parent in sys.modules:
        locations = list(getattr(sys.modules[parent], "__path__", []))
    else:
        above = _file(parent)
        locations = [str(above.parent)] if above and above.name == "__init__.py" else []
    spec = PathFinder.find_spec(name, locations) if locations else None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _imports(path: Path, module: str) -> Iterator[str]:
    """Absolute names of everything a file imports, submodules included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: -node.level]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
