"""Crisol: a notebook-first model workbench on Kedro, MLflow and BentoML.

Importing the package switches off the usage tracking of the libraries it stands on, before any of
them is imported. It is the one import side effect in the project: a variable that is already set
is left as it is.
"""

import os

__version__ = "0.1.0"

QUIET = {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "true",
}

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)
