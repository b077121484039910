"""The packages a bundle installs: only what serving imports, each at the installed version."""

from collections import deque
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

BASE = (
    "bentoml",
    "cryptography",
    "httptools",
    "numpy",
    "orjson",
    "prometheus-client",
    "pydantic",
    "pydantic-settings",
    "pyjwt",
    "safetensors",
    "uvloop",
)
"""The imports of every service, and two packages for a fast server. The predictor adds its own:
:meth:`crisol.core.predictor.Predictor.packages`."""
TRAINING_ONLY = frozenset({"kedro", "kedro-datasets", "mlflow", "mlflow-skinny", "pandas",
                           "pandera", "scikit-learn", "matplotlib"})  # fmt: skip


class RequirementsError(ValueError):
    """The packages of a bundle cannot be pinned from what is installed."""


def pinned(packages: Iterable[str]) -> list[str]:
    """``name==version`` of the packages and of everything they need, as installed here, sorted.

    A bundle therefore installs what its tests ran with, without asking an index to resolve
    anything. Local version parts are dropped (``2.13.0+cpu`` → ``2.13.0``): which build of a
    version is installed is the choice of who installs.

    Raises:
        RequirementsError: a package is not installed, or one that only training needs came along.
    """
    found: dict[str, str] = {}
    waiting = deque((name, frozenset[str]()) for name in packages)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.popleft()
        key = canonicalize_name(name)
        if (key, extras) in seen:
            continue
        seen.add((key, extras))
        try:
            installed = distribution(key)
        except PackageNotFoundError:
            raise RequirementsError(
                f"the bundle needs {key}, which is not installed: pip install {key}"
            ) from None
        found[key] = Version(installed.version).public
        for line in installed.requires or ():
            requirement = Requirement(line)
            if _applies(requirement, extras):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    unwanted = sorted(TRAINING_ONLY & found.keys())
    if unwanted:
        raise RequirementsError(f"a bundle must not install {', '.join(unwanted)}")
    return sorted(f"{name}=={version}" for name, version in found.items())


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    if marker is None:
        return True
    return any(marker.evaluate({"extra": extra}) for extra in (extras or {""}))
