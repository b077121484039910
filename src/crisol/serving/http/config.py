"""The operator's settings in the environment, read once when a worker starts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from crisol.core.params import Int64, Seconds

STATE_FOLDER = "crisol-state"
"""The default folder of a service's state in BentoML's home (``CRISOL_STATE_DIR``): a bundle's
own folder is replaced by the next build."""
_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
_DAY_S = 86_400.0
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
MIN_KEY_CHARACTERS = 16
MIN_SECRET_BYTES = 32


_REDIS_OPTIONS = {
    "db": "[0-9]{1,4}",
    "ssl_cert_reqs": "required|optional|none",
    "ssl_ca_certs": ".+",
}


class ConfigurationError(ValueError):
    """A setting that is missing or wrong; the message names the variable and the fix."""


class EnvironmentSettings(BaseSettings):
    """Settings read from a given environment; a subclass names the ``env_prefix`` of its variables.

    An instance made without an environment has the defaults, whatever the process's own holds.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the values that are given and nothing else."""
        return (init_settings,)

    @classmethod
    def given(cls, environment: Mapping[str, str]) -> dict[str, Any]:
        """The variables that are set, by field; an empty variable counts as unset."""
        source = EnvSettingsSource(cls)
        source.env_vars = {
            name.lower(): value for name, value in environment.items() if value and name.isupper()
        }
        return source()

    @classmethod
    def validated(cls, values: Mapping[str, Any]) -> Self:
        """The settings of these values.

        Raises:
            ConfigurationError: a value that does not fit, named by its variable, never quoted.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            prefix = cls.model_config["env_prefix"]
            problems = "; ".join(
                f"{prefix}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors(include_input=False, include_url=False)
            )
            raise ConfigurationError(problems) from None


class Settings(EnvironmentSettings):
    """Every ``CRISOL_*`` variable a service reads.

    The fields are the variables in lower case: ``api_keys`` is ``CRISOL_API_KEYS``. Limits hold
    per worker process.
    """

    model_config = SettingsConfigDict(env_prefix="CRISOL_")

    auth: Literal["required", "disabled"] = "required"
    """``disabled`` answers everybody: for a machine that only you can reach."""
    api_keys: str = Field(default="", repr=False)
    """Keys separated by commas; ``key=viewer+trainer`` gives one these scopes and no others."""
    api_keys_file: Path | None = None
    """A file of keys, one a line; empty lines and lines that start with ``#`` are skipped."""
    jwt_algorithm: Literal["HS256", "RS256"] | None = None
    """Set it to accept ``Authorization: Bearer`` tokens signed with exactly this algorithm."""
    jwt_secret: str = Field(default="", repr=False)
    """The HS256 secret; ``jwt_secret_file`` is the better place."""
    jwt_secret_file: Path | None = None
    jwt_public_key_file: Path | None = None
    """The RS256 public key in PEM form."""
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    jwt_scope: str | None = None
    """When set, a token without this word in its ``scope`` claim gets 403."""
    max_header_bytes: int = Field(default=32 * _KIB, ge=4 * _KIB, le=_MIB)
    """The request line and the headers together; more get 431."""
    header_timeout_s: float = Field(default=10.0, gt=0, le=3600)
    """How long they may take to arrive, from the opening of the connection or its first byte."""
    keep_alive_s: float = Field(default=75.0, gt=0, le=_DAY_S)
    """How long a connection may stay silent between two requests."""
    max_connections: int = Field(default=900, ge=1, le=1_000_000)
    """Connections that are open at once; below the usual limit of 1024 open files a process."""
    max_body_bytes: int = Field(default=4 * _MIB, ge=1024, le=_GIB)
    max_upload_bytes: int = Field(default=16 * _MIB, ge=1024, le=_GIB)
    """As ``max_body_bytes``, of a route that takes a picture."""
    max_bulk_bytes: int = Field(default=64 * _MIB, ge=1024, le=_GIB)
    """As ``max_body_bytes``, of a route that starts a background job."""
    upload_timeout_s: float = Field(default=30.0, gt=0, le=_DAY_S)
    """How long the bytes of a picture or of a background job may take to arrive; also how long a
    job may take to be stored."""
    rate_per_s: float = Field(default=200.0, ge=0, le=1_000_000)
    """Requests a second a key may keep up; 0 takes the limit away."""
    rate_burst: int = Field(default=400, ge=1, le=1_000_000)
    """Requests a key may send at once before the rate holds it back."""
    redis_url: str = Field(default="", repr=False)
    """The Redis in which several workers and replicas count these requests together, such as
    ``rediss://user:password@host:6379/0``; unset: each worker counts its own."""
    cors_origins: str = ""
    """Origins separated by commas, such as ``https://shop.example.com``, whose pages a browser may
    let read the answers; unset: none. :attr:`origins` has them apart."""
    timeout_s: float = Field(default=2.0, gt=0, le=_DAY_S)
    """How long a request may take, from its last byte to its answer; also how long its bytes may
    take to arrive."""
    max_batch: int = Field(default=64, ge=1, le=65_536)
    """Rows that go through the network in one forward pass."""
    max_queue: int = Field(default=1024, ge=1, le=1_000_000)
    """Rows that may wait; beyond it a request gets 503."""
    audit_file: Path | None = None
    """The file of the audit log; unset: standard output, among the other lines."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    results_ttl_s: Seconds = Field(default=_DAY_S, gt=0)
    """How long the results of a finished background job are kept."""
    max_jobs: int = Field(default=20, ge=1, le=1_000_000)
    """Unfinished background jobs of one caller; beyond it a further one gets 429."""
    max_jobs_bytes: Int64 = Field(default=2 * _GIB, ge=1024)
    """Input of all unfinished background jobs together; beyond it a further one gets 503."""
    state_dir: Path | None = None
    """Folder of what a service keeps over restarts, such as events, shared by its workers; unset:
    ``crisol-state`` in BentoML's home."""
    index_dir: Path | None = None
    """Another search index than the one of the bundle."""
    runtime: str | None = None
    """How to run the network, such as ``torch`` or ``onnx``; unset: as the predictor was saved."""

    @field_validator("cors_origins")
    @classmethod
    def _cors_origins_are_exact(cls, value: str) -> str:
        for number, origin in enumerate(_parts(value), 1):
            if "*" in origin:
                raise ValueError(
                    "* would let every page on the internet use a key that its browser holds: "
                    "write each origin, such as https://shop.example.com"
                )
            match = _ORIGIN.fullmatch(origin)
            if match is None or int(match["port"] or 0) > 65_535:
                raise ValueError(
                    f"entry {number} is not an origin as a browser sends it: scheme://host or "
                    "scheme://host:port in lower case, without path and without / at the end"
                )
            if match["port"] and match["port"] == _DEFAULT_PORTS.get(match["scheme"]):
                raise ValueError(f"entry {number}: leave out :{match['port']}, as browsers do")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url_names_a_redis(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            place = url.path if url.scheme == "unix" else url.hostname
            known = url.scheme in {"redis", "rediss", "unix"} and place and url.port != 0
            if url.scheme != "unix":
                known = known and re.fullmatch(r"/?|/[0-9]{1,4}", url.path) is not None
            known = known and all(
                re.fullmatch(_REDIS_OPTIONS.get(name, "(?!)"), text)
                for name, text in parse_qsl(url.query, keep_blank_values=True)
            )
        except ValueError:  # from the port or from brackets; its text may quote the password
            known = False
        if value and not known:
            raise ValueError(
                "give redis://host:port/0, rediss://host:port/0 or unix:///path/of/the/socket; "
                "special characters of a password are written as %XX; options are db, "
                "ssl_cert_reqs and ssl_ca_certs"
            )
        return value

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of ``cors_origins``."""
        return tuple(_parts(self.cors_origins))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as unset.

        Raises:
            ConfigurationError: a value that does not fit, named by its variable, never quoted.
        """
        return cls.validated(cls.given(environment))


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def read_secret_file(path: Path, variable: str) -> str:
    """The text of a mounted secret.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        # Without the path: everybody may read the reasons on /readyz.
        raise ConfigurationError(f"{variable}: the file cannot be read: {reason}") from None
