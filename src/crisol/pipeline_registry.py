"""Every family's pipeline under the family's name; `__default__` is all of them."""

import pkgutil
from importlib import import_module

from kedro.pipeline import Pipeline

from crisol import pipelines


def register_pipelines() -> dict[str, Pipeline]:
    """Find the families' pipelines.

    Written out because Kedro's `find_pipelines` cannot load composed pipelines selectively.
    """
    found = {
        module.name: import_module(f"{pipelines.__name__}.{module.name}").create_pipeline()
        for module in pkgutil.iter_modules(pipelines.__path__)
        if module.ispkg
    }
    return {**found, "__default__": sum(found.values(), start=Pipeline([]))}
