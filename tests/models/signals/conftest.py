"""A tiny `signals` world: few bars, two small networks, everything real."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from crisol.core.candidate import Evaluation
from crisol.models.signals import training
from crisol.models.signals.data import prepare as data
from crisol.models.signals.data import sample
from crisol.models.signals.data.validation import validate_bars
from crisol.models.signals.evaluation import evaluate
from crisol.models.signals.methods import baselines
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.params import (
    DataParams,
    ModelParams,
    StudyParams,
    TrainParams,
    WalkForward,
)

FEATURES = ("return", "body", "close_in_range", "volume_z20", "volume_48")


@dataclass(frozen=True)
class World:
    bars: pd.DataFrame
    samples: pd.DataFrame
    data: DataParams
    model: ModelParams
    train: TrainParams


@dataclass(frozen=True)
class Fitted:
    world: World
    fit: training.Fit
    baselines: pd.DataFrame
    evaluation: Evaluation


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def raw_bars() -> pd.DataFrame:
    return pd.concat([sample.bars("SYN/USDT", 700, 0), sample.bars("SYNB/USDT", 700, 1)])


@pytest.fixture(scope="session")
def world(raw_bars) -> World:
    bars = data.clean(validate_bars(raw_bars))
    study = StudyParams(
        name="tiny",
        exchanges=("binance",),
        split=WalkForward(folds=2, test_fraction=0.4, embargo_bars=5),
        seeds=2,
    )
    params = DataParams(studies=(study,), register_study="tiny", synthetic=True)
    network = {"features": FEATURES, "steps": 12, "hidden": 8}
    train = TrainParams(epochs=2, batch_size=128, learning_rate=0.01, device="cpu")
    return World(bars, data.label(bars, params), params, ModelParams(**network), train)


@pytest.fixture(scope="session")
def network_params(world) -> NetworkParams:
    return world.model.of_study("tiny")


@pytest.fixture(scope="session")
def fitted(world, tmp_path_factory) -> Fitted:
    folder: Path = tmp_path_factory.mktemp("checkpoints")
    fit = training.fit(world.bars, world.samples, world.data, world.model, world.train, folder)
    found = baselines.forecast(world.bars, world.samples, world.data, world.train)
    evaluation = evaluate(
        fit.predictor,
        None,
        world.bars,
        world.samples,
        fit.forecasts,
        found,
        fit.history,
        world.data,
    )
    return Fitted(world, fit, found, evaluation)
