"""The settings of the platform, read from the environment once when it starts."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from crisol.core.params import (
    Count,
    Int64,
    Megabytes,
    Seconds,
    WorkerCount,
    cores,
    fits_the_machine,
)
from crisol.serving.http.config import ConfigurationError, EnvironmentSettings

_MIB = 1024**2


class PlatformSettings(EnvironmentSettings):
    """Every ``CRISOL_PLATFORM_*`` variable.

    The fields are the variables in lower case: ``workers`` is ``CRISOL_PLATFORM_WORKERS``.

    Keys, tokens, rates and the size of JSON bodies are
    :class:`crisol.serving.http.config.Settings`.
    """

    model_config = SettingsConfigDict(env_prefix="CRISOL_PLATFORM_")

    state_dir: Path
    """Half-arrived uploads, locks and the folders of jobs; on a local disk. Unset:
    ``data/platform`` in the project."""
    max_file_bytes: Int64 = Field(default=4 * 1024 * _MIB, ge=1024)
    """The size of one uploaded file at most."""
    min_free_bytes: Int64 = Field(default=512 * _MIB, ge=0)
    """The space that an upload must leave free on the disk."""
    upload_idle_s: Seconds = Field(default=30.0, gt=0)
    """A client that sends nothing for so long is cut off; what arrived stays."""
    upload_expires_s: Seconds = Field(default=7 * 86_400.0, gt=0)
    """A dataset whose files have not arrived by then is refused, and what arrived is removed."""
    max_open_datasets: Count = Field(default=20, ge=1)
    """Datasets of one caller that wait for files; beyond it a further one gets 429."""
    max_columns: Count = Field(default=5000, ge=2)
    """The columns of a dataset at most; a wider one is refused before it is profiled."""
    profile_time_s: Seconds = Field(default=600.0, gt=0)
    """How long reading and profiling one dataset may take."""
    profile_memory_mb: Megabytes = Field(default=6 * 1024, ge=256)
    """How much memory that may take."""
    profile_workers: WorkerCount = 1
    """Datasets that are profiled at once."""
    idempotency_s: Seconds = Field(default=86_400.0, gt=0)
    """How long the answer to an ``Idempotency-Key`` is kept."""
    executor: Literal["local", "ray"] = "local"
    """The executor of jobs: processes of this machine, or a Ray cluster."""
    workers: Count = Field(default_factory=lambda: max(1, cores() // 2), ge=1)
    """Jobs that run at once; unset: half the cores."""
    ray_address: str = "http://127.0.0.1:8265"
    """The Ray cluster's job server. Its machines must see the project and the state folder."""
    job_time_s: Seconds | None = Field(default=None, gt=0)
    """The longest a job may take, and what one takes that names no limit; unset: no limit."""
    job_memory_mb: Megabytes | None = Field(default=None, ge=64)
    """The most memory a job may use, and what one may use that names no limit; unset: no limit."""
    grace_s: Seconds = Field(default=10.0, ge=0)
    """How long a job that is cancelled may take to end before it is killed."""
    job_keep_s: Seconds = Field(default=7 * 86_400.0, ge=0)
    """How long the folder of a job that failed is kept; one that went well loses it at once."""
    max_open_jobs: int = Field(default=100, ge=1, le=50_000)  # as MLflow finds in one search
    """Jobs of one caller that have not ended; beyond it a further one gets 429."""
    max_streams: Count = Field(default=500, ge=1)
    """Streams of events that are open at once; beyond it a further one gets 503."""
    max_log_bytes: Int64 = Field(default=16 * _MIB, ge=1024)
    """The size at which the log of one job is cut off."""

    @field_validator("workers")
    @classmethod
    def _workers_fit_the_machine(cls, value: int, info: ValidationInfo) -> int:
        return fits_the_machine(value) if info.data.get("executor") == "local" else value

    def make_state_dir(self) -> None:
        """Make the state folder, if it is missing.

        Raises:
            ConfigurationError: it cannot be made or written.
        """
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True)
            if not os.access(self.state_dir, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise ConfigurationError(
                f"CRISOL_PLATFORM_STATE_DIR: the folder {self.state_dir} cannot be written "
                f"({error.strerror}): make it writable, or name another folder"
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], project: Path) -> Self:
        """Read the settings; an empty variable counts as unset.

        Raises:
            ConfigurationError: a value that does not fit, named by its variable, never quoted.
        """
        values = cls.given(environment)
        folder = Path(str(values.get("state_dir", "data/platform")))
        values["state_dir"] = folder if folder.is_absolute() else project / folder
        return cls.validated(values)
