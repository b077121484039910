"""Kedro's project settings: quiet, hooked, and quick to import."""

import os
import warnings

from omegaconf.resolvers import oc

from crisol.catalog.configuration import ConfigLoader, if_given
from crisol.registry.hooks import RunHook

# Importing crisol turns usage reports off. Here: models are code and safetensors, and
# a pickle that finds its way in is refused.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
# MLflow sets up its own logging and does not read conf/logging.yml.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# Kedro 1.7 calls a function that OmegaConf renamed; there is nothing a user could do about it.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

HOOKS = (RunHook(),)
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**"]},
    "custom_resolvers": {"oc.env": oc.env, "if_given": if_given},
}
