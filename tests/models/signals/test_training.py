"""Fitting: what comes out, determinism, resume, transfer, the shuffled-label self-test."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from crisol.core import progress
from crisol.core.errors import MendableError
from crisol.models.signals import training
from crisol.models.signals.data import prepare as data
from crisol.models.signals.data.forecasts import ENSEMBLE, MEMBER, PROBABILITIES, SHUFFLED
from crisol.models.signals.params import ModelParams, ServeParams, TrainParams
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.transfer import TransferError


def _fit(world, folder, champion=None, **changes):
    train = world.train.model_copy(update=changes)
    model = world.model.model_copy(update={"serve": ServeParams(runtime="torch", export=False)})
    return training.fit(world.bars, world.samples, world.data, model, train, folder, champion)


def test_every_model_answers_every_tested_row(fitted):
    forecasts, samples = fitted.fit.forecasts, fitted.world.samples
    tested = set(samples["row"][samples["fold"] >= 0])
    for (model, seed), part in forecasts.groupby(["model", "seed"]):
        if model == SHUFFLED:
            continue
        assert set(part["row"]) == tested, (model, seed)
        assert part["row"].is_unique
    assert set(forecasts["model"]) == {MEMBER, ENSEMBLE, SHUFFLED}
    np.testing.assert_allclose(forecasts[PROBABILITIES].sum(axis=1), 1, atol=1e-5)


def test_the_loss_falls(fitted):
    for label, one in fitted.fit.history.groupby("label"):
        if not label.endswith("shuffled"):
            assert one["train_loss"].iloc[-1] < one["train_loss"].iloc[0]


def test_the_history_names_every_unit(fitted):
    labels = set(fitted.fit.history["label"])
    assert labels == {f"tiny.fold{f}.seed{s}" for f in (0, 1) for s in (0, 1)} | {
        "tiny.fold1.shuffled"
    }


def test_normalisation_is_fitted_on_the_training_part_only(fitted):
    world = fitted.world
    mine = world.samples[world.samples.study == "tiny"].reset_index(drop=True)
    last = data.split(mine, world.data.study("tiny"))[-1]
    x = data.windows(world.bars, mine.iloc[last.train], world.model.of_study("tiny"))
    normalise = fitted.fit.predictor.network(0).normalise
    torch.testing.assert_close(
        normalise.mean, torch.from_numpy(x.reshape(-1, x.shape[-1]).mean(0)), atol=1e-4, rtol=1e-4
    )


def test_future_bars_change_no_earlier_forecast(fitted, tmp_path):
    """The first fold's forecasts stay as they are when everything after it is another history."""
    world = fitted.world
    first = world.samples[world.samples.fold == 0]
    bars = world.bars.copy()
    after = bars["timestamp"] > first["target_time"].max()
    rng = np.random.default_rng(0)
    prices = ["open", "high", "low", "close"]
    bars.loc[after, prices] = bars.loc[after, prices].mul(
        np.exp(rng.normal(size=after.sum()) * 0.01).cumprod(), axis=0
    )
    other = type(world)(bars, data.label(bars, world.data), world.data, world.model, world.train)
    again = _fit(other, tmp_path, leakage_test=False)

    def of_first(forecasts: pd.DataFrame) -> np.ndarray:
        rows = forecasts[(forecasts.fold == 0) & (forecasts.model == ENSEMBLE)]
        return rows.sort_values("row")[PROBABILITIES].to_numpy()

    np.testing.assert_array_equal(of_first(again.forecasts), of_first(fitted.fit.forecasts))


def test_an_interrupted_training_ends_as_an_uninterrupted_one(fitted, tmp_path):
    class Interrupted(Exception):  # noqa: N818
        pass

    def stop(metrics, step):
        if any(name.startswith("tiny.fold1.seed0") for name in metrics):
            raise Interrupted

    with pytest.raises(Interrupted), progress.callbacks(stop):
        _fit(fitted.world, tmp_path)
    assert list(tmp_path.rglob("*"))
    resumed = _fit(fitted.world, tmp_path)
    for name, value in fitted.fit.predictor.weights.items():
        np.testing.assert_array_equal(resumed.predictor.weights[name], value)
    columns = ["model", "seed", "fold", "row", *PROBABILITIES]
    pd.testing.assert_frame_equal(resumed.forecasts[columns], fitted.fit.forecasts[columns])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_transfer_starts_from_the_champion_and_keeps_frozen_layers(fitted, tmp_path):
    champion = fitted.fit.predictor
    found = _fit(
        fitted.world,
        tmp_path,
        champion,
        init_from="signals@champion",
        freeze=("lstm_0", "attention"),
        leakage_test=False,
        epochs=1,
    ).predictor
    assert 0 < found.description.trainable_share < 1
    for member in range(2):
        for name, value in champion.weights.items():
            if not name.startswith("0."):
                continue
            mine = found.weights[name.replace("0.", f"{member}.", 1)]
            frozen = "attention" in name or name.endswith("_l0") or "normalise" in name
            assert np.array_equal(mine, value) == frozen, name


def test_a_fold_tested_on_what_the_champion_learned_starts_without_it(fitted, tmp_path):
    world, champion = fitted.world, fitted.fit.predictor
    options = {"leakage_test": False, "epochs": 1}
    alone = _fit(world, tmp_path / "a", None, **options).forecasts
    heir = _fit(
        world, tmp_path / "b", champion, init_from="signals@champion", freeze=("lstm_0",), **options
    ).forecasts
    # The champion is the newest fold's: it learned from what fold 0 is tested on.
    probabilities = [table[["fold", "p_sell", "p_hold", "p_buy"]] for table in (alone, heir)]
    older, newest = ([p[p.fold == number].to_numpy() for p in probabilities] for number in (0, 1))
    assert np.array_equal(*older)
    assert not np.allclose(*newest)


def test_a_champion_that_knows_the_newest_test_bars_is_refused(fitted, tmp_path):
    world, champion = fitted.world, fitted.fit.predictor
    last = world.samples["target_time"].max().isoformat()
    knowing = SignalsPredictor(
        champion.description.model_copy(update={"trained_until": last, "runtime": "torch"}),
        champion.weights,
        champion.familiarity,
    )
    with pytest.raises(ValueError, match="the test would prove nothing"):
        _fit(world, tmp_path, knowing, init_from="signals@champion")


def test_transfer_without_a_champion_says_how_to_get_one(world, tmp_path):
    with pytest.raises(TransferError, match="kedro promote signals"):
        _fit(world, tmp_path, None, init_from="signals@champion")


def test_transfer_into_another_shape_is_refused(fitted, tmp_path):
    world = fitted.world
    wider = type(world)(
        world.bars, world.samples, world.data, world.model.model_copy(update={"hidden": 9}),
        world.train,
    )  # fmt: skip
    with pytest.raises(ValueError, match="hidden: the champion has 8"):
        _fit(wider, tmp_path, fitted.fit.predictor, init_from="signals@champion")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"freeze": ["lstm_0"]}, "init_from"),
        ({"init_from": "signals@champion", "freeze": ["lstm_0", "lstm_1", "attention", "head"]},
         "nothing is left"),
        ({"by_study": {"x": {"epoch": 3}}}, "epoch"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ],
)  # fmt: skip
def test_bad_training_parameters_name_the_field(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainParams.model_validate(values)


@pytest.mark.parametrize("section", ["model", "train"])
@pytest.mark.parametrize("name", ["tinny", "acl18", "Tiny"])
def test_values_for_an_unknown_study_are_refused(world, tmp_path, section, name):
    sections = {"model": world.model, "train": world.train}
    changed = sections[section].model_copy(update={"by_study": {name: {}}})
    with pytest.raises(MendableError, match=rf"signals.{section}.by_study: '{name}'.*are: tiny"):
        training.fit(
            world.bars, world.samples, world.data, **{**sections, section: changed},
            checkpoints=tmp_path,
        )  # fmt: skip


def test_trainings_in_two_threads_end_as_alone(world, tmp_path):
    studies = world.data.studies[0].model_copy(update={"seeds": 1})
    small = replace(world, data=world.data.model_copy(update={"studies": (studies,)}))

    def weights(seed: int, folder: str) -> dict[str, np.ndarray]:
        fit = _fit(small, tmp_path / folder, epochs=1, seed=seed, leakage_test=False)
        return fit.predictor.weights

    with ThreadPoolExecutor(1) as pool:
        alone = [pool.submit(weights, seed, f"alone{seed}").result() for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(weights, (1, 2), ("a", "b")))
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys()
        assert [n for n in a if not np.array_equal(a[n], b[n])] == []


def test_values_of_one_study_replace_the_common_ones():
    train = TrainParams.model_validate({"epochs": 4, "by_study": {"a": {"epochs": 7}}})
    assert (train.of_study("a").epochs, train.of_study("b").epochs) == (7, 4)
    model = ModelParams.model_validate({"hidden": 9, "by_study": {"a": {"steps": 5}}})
    assert (model.of_study("a").steps, model.of_study("a").hidden) == (5, 9)
