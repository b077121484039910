"""Crisol: a notebook-first model workbench on Kedro, MLflow and BentoML.

Importing the package switches off the usage tracking of the libraries it stands on, before any of
them is imported, and takes this machine's own addresses out of a proxy's reach. These are the
import side effects of the project: a variable that is already set keeps its value.
"""

import os
from collections.abc import MutableMapping

__version__ = "0.1.0"

QUIET = {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "true",
}

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)


LOCAL_ADDRESSES = ("localhost", "127.0.0.1", "::1")


def reach_local_addresses_directly(environment: MutableMapping[str, str]) -> None:
    """Add this machine's own addresses to ``no_proxy``, if a proxy is set.

    A service on this machine answers to no proxy. Every HTTP client reads the variable: urllib,
    requests (MLflow, Ray), httpx; so do the processes that are started.

    >>> environment = {"http_proxy": "http://proxy:3128", "no_proxy": "intranet"}
    >>> reach_local_addresses_directly(environment)
    >>> environment["no_proxy"]
    'intranet,localhost,127.0.0.1,::1'
    """
    if not any(name.lower().endswith("_proxy") and value for name, value in environment.items()):
        return
    # Clients that know both spellings prefer the lower one; others know one of them.
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    names = [name for name in (part.strip() for part in given.split(",")) if name]
    if "*" in names:
        return
    whole = ",".join([*names, *(name for name in LOCAL_ADDRESSES if name not in names)])
    environment["no_proxy"] = environment["NO_PROXY"] = whole


reach_local_addresses_directly(os.environ)
