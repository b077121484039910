"""A configuration loader whose runtime parameters change single values.

Kedro merges runtime parameters into the files of the environment, and then lets each top-level key
of the environment replace that of ``conf/base``. So ``--params signals.train.epochs=3`` would leave
of ``signals`` the epochs alone wherever the environment has a file for some other family.
"""

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import DictConfig


class ConfigLoader(OmegaConfigLoader):
    """Merges runtime parameters into those of ``conf/base`` where the environment has none."""

    def _resolve_from_raw_config(  # Kedro's signature
        self,
        key: str,
        base_configs: dict[Path, DictConfig],
        env_configs: dict[Path, DictConfig],
        base_path: str,
        env_path: str,
        processed_files: set[Path],
    ) -> dict[str, Any]:
        # Read before Kedro merges, because merging changes the configurations.
        of_environment = {str(name) for config in env_configs.values() for name in config}
        found: dict[str, Any] = super()._resolve_from_raw_config(
            key, base_configs, env_configs, base_path, env_path, processed_files
        )
        if key != "parameters" or not env_configs:
            return found
        base = self._merge_and_resolve(key, base_configs)
        kept = {name: value for name, value in base.items() if name not in of_environment}
        return {**found, **kept}


def if_given(given: Any, then: Any, otherwise: Any) -> Any:
    """``then`` if ``given`` is not ``None``, else ``otherwise``; the resolver ``if_given``.

    >>> if_given("mine.csv", None, 6), if_given(None, None, 6)
    (None, 6)
    """
    return otherwise if given is None else then
