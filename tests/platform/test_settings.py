from pathlib import Path

import pytest

from crisol.core.params import cores
from crisol.platform.settings import PlatformSettings
from crisol.serving.http.config import ConfigurationError


def settings(**environment: str) -> PlatformSettings:
    given = {f"CRISOL_PLATFORM_{name.upper()}": value for name, value in environment.items()}
    return PlatformSettings.from_environment(given, Path("/project"))


def test_jobs_on_this_machine_are_bounded_by_its_cores_and_those_on_ray_are_not() -> None:
    most = 4 * cores()
    assert settings(workers=str(most)).workers == most
    with pytest.raises(ConfigurationError, match=f"^CRISOL_PLATFORM_WORKERS: .* at most {most}$"):
        settings(workers=str(most + 1))
    assert settings(workers="500", executor="ray").workers == 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile_workers", "100000"), ("job_memory_mb", "99999999999"), ("job_time_s", "1e300"),
        ("max_columns", "1" + "0" * 400), ("max_file_bytes", str(2**63)), ("grace_s", "inf"),
    ],
)  # fmt: skip
def test_a_number_beyond_its_bound_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^CRISOL_PLATFORM_{name.upper()}: "):
        settings(**{name: value})
