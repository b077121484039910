"""The targets of the attacks: started once a file, when a test first asks for one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.attacks.answering import (
    AUDIENCE,
    ISSUER,
    WRITTEN,
    Target,
    Targets,
    listening,
    platform,
)
from tests.models.tabular import served
from tests.platform.conftest import families  # noqa: F401 - a fixture
from tests.serving.conftest import build_predictor, build_recommender, market_dir  # noqa: F401


@pytest.fixture(scope="session")
def private_key() -> rsa.RSAPrivateKey:
    """Signs the tokens that the targets believe."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def public_pem(private_key: rsa.RSAPrivateKey) -> bytes:
    """The public key that the targets know, which is no secret."""
    return private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture(scope="session")
def predictors(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], Path]:
    """The predictor directory of a family, made when it is first asked for."""
    made: dict[str, Path] = {}
    builders = {
        "signals": build_predictor,
        "recommender": build_recommender,
        "tabular": lambda: served.model(max_iterations=20),
    }

    def directory(family: str) -> Path:
        if family == "products":
            found: Path = request.getfixturevalue("market_dir")
            return found
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            made[family] = builders[family]().save(folder / "predictor")
        return made[family]

    return directory


@pytest.fixture(scope="module")
def targets(
    predictors: Callable[[str], Path],
    template_database: Path,
    public_pem: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Targets]:
    """``targets("signals")``: the listening service of a family, or ``targets("platform")``.

    More variables make another server: ``targets("signals", CRISOL_RATE_PER_S="1")``.
    """
    key_file = tmp_path_factory.mktemp("keys") / "public.pem"
    key_file.write_bytes(public_pem)
    common = {
        "CRISOL_API_KEYS": WRITTEN,
        "CRISOL_JWT_ALGORITHM": "RS256",
        "CRISOL_JWT_PUBLIC_KEY_FILE": str(key_file),
        "CRISOL_JWT_AUDIENCE": AUDIENCE,
        "CRISOL_JWT_ISSUER": ISSUER,
        "CRISOL_LOG_LEVEL": "ERROR",
        "CRISOL_RATE_PER_S": "0",
        "CRISOL_TIMEOUT_S": "20",
    }
    running: dict[tuple[str, ...], Target] = {}
    with ExitStack() as stack:

        def start(name: str, **more: str) -> Target:
            folder = tmp_path_factory.mktemp(f"target_{name}")
            files = {
                "CRISOL_STATE_DIR": str(folder / "state"),
                "CRISOL_AUDIT_FILE": str(folder / "audit"),
            }
            environment = {**common, **files, **more}
            if name == "platform":
                request.getfixturevalue("families")
                database = template_database
                serving = platform(
                    folder / "project",
                    database,
                    environment,
                    max_open_datasets=100_000,
                    max_open_jobs=50_000,
                )
            else:
                serving = listening(name, predictors(name), environment)
            return described(name, stack.enter_context(serving))

        def target(name: str, **more: str) -> Target:
            which = (name, *(f"{k}={v}" for k, v in more.items()))
            if which not in running:
                running[which] = start(name, **more)
            return running[which]

        yield target


def described(name: str, url: str) -> Target:
    """What can be asked of an application."""
    from crisol.models import signals

    rows = {"rows": [served.ROW]}
    job = "/embeddings/batch/{}"
    known = {
        "signals": ("/predict", signals.example_request().model_dump(mode="json"), "/model", ""),
        "recommender": ("/recommendations", {"user_id": "user-0"}, "/model", ""),
        "tabular": ("/predict", rows, "/model", "/explain/batch/{}"),
        "products": ("/analyze", {"title": "Red Mug"}, "/model", job),
        "platform": ("/v1/datasets", {"name": "made"}, "/v1/jobs", "/v1/datasets/{}"),
    }
    asking, body, guarded, objects = known[name]
    return Target(name, url, asking, body, guarded, objects)


@pytest.fixture
def target(request: pytest.FixtureRequest, targets: Targets) -> Target:
    """The target that a test names: ``@pytest.mark.parametrize("target", …, indirect=True)``."""
    return targets(request.param)
