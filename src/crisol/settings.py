"""Kedro's project settings: quiet, hooked, and quick to import."""

import os
import warnings

from kedro.config import OmegaConfigLoader
from omegaconf.resolvers import oc

from crisol.registry.hooks import RunHook

# No dependency reports usage; MLflow and BentoML want the word "true".
for _variable, _value in {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "true",
    # Models are code and safetensors; a pickle that finds its way in is refused.
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ[_variable] = _value
# MLflow sets up its own logging and does not read conf/logging.yml.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# Kedro 1.7 calls a function that OmegaConf renamed; there is nothing a user could do about it.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

HOOKS = (RunHook(),)
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**"]},
    "custom_resolvers": {"oc.env": oc.env},
}
