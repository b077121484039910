"""A real predictor of `signals` at tiny size, and the service around it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

KEY = "a-key-that-only-the-tests-know"
STAMP = {
    "model_version": "7",
    "alias": "champion",
    "run_id": "0123456789abcdef",
    "git_commit": "f00d" * 10,
    "git_dirty": "false",
    "data_digests": json.dumps({"bars": "ab" * 32}),
    "predictor_digest": "cd" * 32,
    "lock_digest": "ef" * 32,
    "gate": "passed",
    "trained_at": "2026-01-01T00:00:00+00:00",
}


def build_predictor(seed: int = 0, hidden: int = 8) -> Any:
    """An untrained network of `signals` with everything a trained one carries."""
    import torch

    from crisol.models.signals import example_request
    from crisol.models.signals.answers.familiarity import fit_familiarity
    from crisol.models.signals.features import NAMES
    from crisol.models.signals.networks.network import SignalNetwork
    from crisol.models.signals.params import NetworkParams
    from crisol.models.signals.predictor import SignalsPredictor

    torch.manual_seed(seed)
    params = NetworkParams(hidden=hidden)
    windows = np.random.default_rng(seed).normal(size=(64, params.steps, len(NAMES)))
    predictor = SignalsPredictor.from_networks(
        [SignalNetwork(params).eval()], fit_familiarity(windows), study="test"
    )
    predictor.record_golden([example_request()])
    return predictor


@pytest.fixture(scope="session")
def make_predictor() -> Callable[..., Any]:
    return build_predictor


@pytest.fixture(scope="session")
def key() -> str:
    return KEY


@pytest.fixture(scope="session")
def stamp() -> dict[str, str]:
    return dict(STAMP)


@pytest.fixture(scope="session")
def predictor_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_predictor().save(tmp_path_factory.mktemp("served") / "predictor")


def build_recommender() -> Any:
    """A predictor of `recommender`: items 0-19 are red, 20-39 blue, a user has one colour."""
    from scipy.sparse import csr_matrix

    from crisol.models.recommender.answers.hybrid_lesson import fit_hybrid
    from crisol.models.recommender.contract import RecommendationRequest
    from crisol.models.recommender.data.catalogue import Catalogue
    from crisol.models.recommender.data.histories import Histories, Interactions
    from crisol.models.recommender.method_params import (
        ContentParams,
        HybridParams,
        TransitionParams,
    )
    from crisol.models.recommender.methods.content import fit_content
    from crisol.models.recommender.methods.popularity import fit_popularity
    from crisol.models.recommender.methods.transitions import fit_transitions
    from crisol.models.recommender.predictor import RecommenderPredictor

    rng = np.random.default_rng(0)
    colours = ["red"] * 20 + ["blue"] * 20
    catalogue = Catalogue(
        ids=tuple(f"item-{i}" for i in range(40)),
        titles=tuple(f"Thing {i}" for i in range(40)),
        categories=tuple(colours),
        brands=("acme",) * 40,
        prices=np.arange(40, dtype=np.float32),
        tags=csr_matrix(np.array([[c == "red", c == "blue"] for c in colours], np.float32)),
        tag_names=("category:red", "category:blue"),
    )
    rows = [rng.permutation(20)[:8] + 20 * (user % 2) for user in range(60)]
    interactions = Interactions(Histories.of([r[:-1] for r in rows], list(range(60))), 40)
    scorers = {
        "popularity": fit_popularity(interactions, catalogue),
        "transitions": fit_transitions(interactions, catalogue, TransitionParams()),
        "content": fit_content(interactions, catalogue, ContentParams()),
    }
    targets = Histories.of([r[-1:] for r in rows])
    hybrid = fit_hybrid(
        scorers, interactions.histories, targets, catalogue, interactions, HybridParams()
    )
    users = [f"user-{number}" for number in range(60)]
    predictor = RecommenderPredictor(
        catalogue,
        users,
        interactions,
        hybrid,
        study="test",
        trained_until="2025-06-30T12:00:00+00:00",
    )
    predictor.record_golden(
        [
            RecommendationRequest(user_id="user-0"),
            RecommendationRequest(history=("item-1", "item-2"), num_recs=5),
            RecommendationRequest(history=()),
        ]
    )
    return predictor


@pytest.fixture(scope="session")
def shop_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_recommender().save(tmp_path_factory.mktemp("recommender") / "predictor")


@pytest.fixture(scope="session")
def market_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictor of `products` with its index, trained on the sample as `conf/ci` says."""
    import yaml

    from crisol.core.data.table_files import read_raw_table
    from crisol.models import products
    from crisol.models.products.params import DataParams, ModelParams, TrainParams

    root = Path(__file__).resolve().parents[2]
    sample = root / "data" / "01_raw" / "products"
    found = yaml.safe_load((root / "conf" / "ci" / "parameters_products.yml").read_text())
    data = DataParams.model_validate(found["products"]["data"])
    model = ModelParams.model_validate(found["products"]["model"])
    train = TrainParams.model_validate(found["products"]["train"])
    raw = read_raw_table(sample / "sample_products.csv")
    table, images = products.clean(raw, sample / "sample_images", data)
    parts = products.split(table, data.studies[0])
    folder = tmp_path_factory.mktemp("products")
    fit = products.fit(table, images, parts, data, model, train, folder / "checkpoints")
    index = products.build_index(fit.predictor, table, images)
    return fit.predictor.with_index(index).save(folder / "predictor")


@pytest.fixture(scope="session")
def example() -> dict[str, Any]:
    from crisol.models.signals import example_request

    return example_request().model_dump(mode="json")


@pytest.fixture
def app() -> Any:
    """A fresh service of `signals`, not opened yet."""
    from crisol.serving.families import signals
    from crisol.serving.service.model_service import ModelService

    return ModelService(
        "signals", title="Crisol signals", description="test", routes=signals.service.routes
    )


@pytest.fixture(scope="session")
def running() -> Callable[..., Any]:
    """``async with running(app, directory, environment) as client``: opened, started, stopped."""
    return _running


@asynccontextmanager
async def _running(
    app: Any, directory: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    app.open(directory, STAMP, {"CRISOL_API_KEYS": KEY} if environment is None else environment)
    async with app.app.router.lifespan_context(app.app):
        transport = httpx.ASGITransport(app=app.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client
