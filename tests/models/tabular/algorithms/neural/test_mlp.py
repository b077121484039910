"""The perceptrons, and through them what all networks share."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.models.tabular.algorithms.toys import accuracy, context, features, table

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import OutOfTime, algorithm
from crisol.models.tabular.algorithms.neural.network import has_matrix_unit, loop_params
from crisol.models.tabular.features.encoded_rows import UNSEEN, Part
from crisol.models.tabular.settings import MLPSettings, TabMSettings

SMALL = {"hidden": (32, 32), "bins": 8, "embedding": 6, "learning_rate": 1e-2, "epochs": 12}
SETTINGS = {"mlp": MLPSettings(**SMALL), "tabm": TabMSettings(**SMALL, members=4)}
NAMES = list(SETTINGS)


def fit(name, train, valid=None, circumstances=None):
    return algorithm(name).fit(SETTINGS[name], train, valid, circumstances or context())


@pytest.mark.parametrize("name", NAMES)
def test_learns_what_is_not_linear(name):
    fitted = fit(name, table(800), table(200, 1))
    assert accuracy(fitted.model, table(400, 2)) > 0.9
    history = fitted.history
    assert {"epoch", "train_loss", "valid_loss"} <= set(history)
    assert history["valid_loss"].min() < 0.35 < 0.6 < history["valid_loss"].iloc[0]
    assert fitted.facts["best_epoch"] <= fitted.facts["epochs"] == len(history)


@pytest.mark.parametrize("name", NAMES)
def test_three_classes(name):
    classes = ("a", "b", "c")
    fitted = fit(name, table(900, classes=3), table(200, 1, classes=3), context(classes))
    rows = table(300, 2, classes=3)
    found = fitted.model.predict(rows.features)
    assert found.shape == (300, 3)
    assert found.sum(1) == pytest.approx(1)
    assert accuracy(fitted.model, rows) > 0.6  # linearly 0.4


@pytest.mark.parametrize("name", NAMES)
def test_numbers_keep_their_scale(name):
    rows = table(300, 2, classes=0)
    fitted = fit(
        name, table(800, classes=0), table(200, 1, classes=0), context((), task="regression")
    )
    found = fitted.model.predict(rows.features)
    assert found.shape == (300,)
    assert np.sqrt(np.mean((found - rows.target) ** 2)) < 0.5 * rows.target.std()


def test_a_target_that_never_changes_is_answered():
    part = Part(table(60).features, np.full(60, 7.5))
    found = fit("mlp", part, circumstances=context((), task="regression")).model
    assert found.predict(part.features) == pytest.approx(7.5, abs=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    train, valid = table(60), table(30, 1)
    first, second = (fit(name, train, valid).model.predict(valid.features) for _ in range(2))
    other = fit(name, train, valid, context(seed=1)).model.predict(valid.features)
    assert np.array_equal(first, second)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read(name, tmp_path):
    train = table(200, classes=0)
    model = fit(name, train, circumstances=context((), task="regression")).model
    state = model.write(tmp_path)
    again = algorithm(name).read(tmp_path, state)
    assert np.array_equal(again.predict(train.features), model.predict(train.features))
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors"}
    assert algorithm(name).packages() == ("torch",)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_does_not_depend_on_its_company(name):
    model, rows = fit(name, table(60)).model, table(50, 1).features
    alone = np.concatenate([model.predict(rows.take(slice(i, i + 1))) for i in range(50)])
    assert model.predict(rows) == pytest.approx(alone, abs=1e-6)
    assert model.predict(rows.take(slice(0, 0))).shape == (0, 2)


def test_missing_numbers_and_unseen_words_are_answered():
    model = fit("tabm", table(100)).model
    rows = table(5, 1).features
    empty = replace(
        rows,
        numbers=np.full_like(rows.numbers, np.nan),
        codes=np.full_like(rows.codes, UNSEEN),
    )
    wild = replace(rows, numbers=np.full_like(rows.numbers, 1e300))
    endless = replace(rows, numbers=np.full_like(rows.numbers, np.inf))
    for asked in (empty, wild, endless):
        found = model.predict(asked)
        assert np.isfinite(found).all()
        assert np.ptp(found[:, 0]) < 1e-6 or asked is not empty
    assert np.array_equal(model.predict(wild), model.predict(endless))


def test_words_of_a_text_column_count():
    draw = np.random.default_rng(0)
    target = draw.integers(0, 2, 300)
    words = np.array(["fine soft warm", "torn late cold"], object)[target]
    texts = np.array([f"{w} {draw.integers(99)}" for w in words], object)[:, None]
    part = Part(features(texts=texts), target)
    assert accuracy(fit("tabm", part, circumstances=context(task="text")).model, part) > 0.95


def test_resuming_is_as_never_having_stopped(tmp_path):
    train, valid = table(160), table(60, 1)
    whole = fit("tabm", train, valid, context(checkpoints=tmp_path / "a", label="x"))
    circumstances = context(checkpoints=tmp_path / "b", label="x", deadline=1.0)
    clock = iter([0.0] * 40)

    class Stopping(type(circumstances)):
        @property
        def seconds_left(self):
            return 1.0 if next(clock, None) is not None else 0.0

    stopping = Stopping(**circumstances.__dict__)
    part = fit("tabm", train, valid, stopping)
    assert 0 < len(part.history) < len(whole.history)
    more = fit("tabm", train, valid, context(checkpoints=tmp_path / "b", label="x"))
    assert np.array_equal(more.model.predict(valid.features), whole.model.predict(valid.features))
    clocks = ["seconds", "samples_per_second"]
    pd.testing.assert_frame_equal(
        more.history.drop(columns=clocks), whole.history.drop(columns=clocks)
    )


def test_the_deadline_holds():
    settings = TabMSettings(epochs=10_000, hidden=(32,), members=2)
    train, valid = table(2000), table(200, 1)
    began = time.monotonic()
    found = algorithm("tabm").fit(settings, train, valid, context(deadline=began + 1.0))
    assert time.monotonic() - began < 2.5
    assert found.facts["epochs"] >= 1
    with pytest.raises(OutOfTime, match="tabm"):
        algorithm("tabm").fit(settings, train, valid, context(deadline=time.monotonic()))


def test_half_precision_is_chosen_where_it_is_quick_and_learns_as_well():
    chosen = loop_params(SETTINGS["tabm"], context(), 800, validated=True).mixed_precision
    assert (chosen == "bf16") == has_matrix_unit()
    full = context(train={"mixed_precision": "no"})
    assert accuracy(fit("tabm", table(800), circumstances=full).model, table(200, 2)) > 0.9


def test_small_tables_come_in_small_batches():
    sizes = [
        loop_params(SETTINGS["mlp"], context(), rows, validated=False).batch_size
        for rows in (10, 400, 1500, 100_000)
    ]
    assert sizes == [16, 16, 64, 256]


def test_what_the_person_set_wins():
    circumstances = context(train={"epochs": 2, "batch_size": 50, "schedule": "constant"})
    history = fit("mlp", table(200), table(50, 1), circumstances).history
    assert list(history["step"]) == [4, 8]
    assert history["learning_rate"].nunique() == 1


def test_refusals_name_the_way_out():
    nothing = features(images=np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(MendableError, match="cnn"):
        fit("mlp", Part(nothing, np.zeros(4, np.int64)))
    with pytest.raises(MendableError, match="target"):
        fit("mlp", Part(table(5).features, None))
    with pytest.raises(MendableError, match="plateau"):
        fit("mlp", table(50), circumstances=context(train={"schedule": "plateau"}))
