"""One body for the algorithms that are fitted without a network."""

import json
import time

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.models.tabular.algorithms.tables import context, features, part, score

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import OutOfTime, algorithm
from crisol.models.tabular.features.encoded_rows import UNSEEN, Part
from crisol.models.tabular.settings import TASKS as KNOWN

QUICK = {
    "linear": {},
    "random_forest": {"trees": 25, "max_features": 0.6},
    "lightgbm": {"max_iterations": 60, "learning_rate": 0.15, "stopping_rounds": 15},
    "xgboost": {"max_iterations": 40, "learning_rate": 0.2, "stopping_rounds": 15, "max_depth": 4},
}
TASKS = ("classification", "three", "regression")


def fitted(name, task, rows=600, **changes):
    kind = algorithm(name)
    settings = kind.settings_type(**QUICK[name])
    train, valid = part(rows, task, 1), part(200, task, 2)
    return kind.fit(settings, train, valid, context(task, **changes))


def correct(model, task, held_out):
    said = model.predict(held_out.features)
    if task == "regression":
        spread = np.var(held_out.target)
        return 1 - np.mean((said - held_out.target) ** 2) / spread
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-9)
    return np.mean(said.argmax(axis=1) == held_out.target)


@pytest.fixture(scope="module", params=[(n, t) for n in QUICK for t in TASKS], ids="-".join)
def learned(request):
    name, task = request.param
    return name, task, fitted(name, task)


def test_learns_what_decides(learned):
    _, task, fit = learned
    held_out = part(500, task, 3)
    assert correct(fit.model, task, held_out) > {"three": 0.65}.get(task, 0.75)
    shares = fit.model.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["age"] + shares["price"] + shares["colour"] > 0.4
    assert shares["constant"] == pytest.approx(0, abs=1e-6)


def test_reads_back_to_the_same_answers(learned, tmp_path):
    name, _, fit = learned
    state = json.loads(json.dumps(fit.model.write(tmp_path)))
    model = algorithm(name).read(tmp_path, state)
    asked = features(50, 4)
    np.testing.assert_array_equal(model.predict(asked), fit.model.predict(asked))
    assert model.importance() == pytest.approx(fit.model.importance())
    for file in tmp_path.iterdir():
        assert file.suffix in {".safetensors", ".txt", ".ubj"}


def test_one_row_is_answered_as_among_many(learned):
    _, _, fit = learned
    asked = features(40, 5)
    many = fit.model.predict(asked)
    for row in (0, 17):
        np.testing.assert_allclose(
            fit.model.predict(asked.take(slice(row, row + 1)))[0], many[row], rtol=1e-12
        )


def test_answers_words_and_gaps_it_never_saw(learned):
    _, task, fit = learned
    asked = features(30, 6)
    asked.codes[:] = UNSEEN
    asked.numbers[:] = np.nan
    asked.texts[:] = "unheard of"
    assert np.isfinite(fit.model.predict(asked)).all()
    asked.numbers[:] = 1e300
    assert np.isfinite(fit.model.predict(asked)).all() or task == "regression"


def test_shap_values_add_up_to_the_answer(learned):
    name, task, fit = learned
    asked = features(60, 7)
    found = fit.model.shap(asked)
    if found is None:
        assert name == "random_forest"
        return
    values, names = found
    assert values.shape[:2] == (60, len(names))
    said = fit.model.predict(asked)
    own = {"classification": lambda p: np.log(p[:, 1] / p[:, 0]), "regression": lambda p: p}
    scale = own.get(task, np.log)(said)
    rest = scale - values.sum(axis=1)  # the answer without any feature: one number for all rows
    if task == "three":  # softmax leaves a constant of each row open
        rest = rest - rest.mean(axis=1, keepdims=True)
    assert np.abs(rest - rest.mean(axis=0)).max() < 1e-3 * max(1, np.abs(said).max() / 10)


@pytest.mark.parametrize("name", QUICK)
def test_the_same_seed_gives_the_same_model(name):
    asked = features(40, 8)
    one, two = (fitted(name, "classification", 300).model.predict(asked) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    if name == "random_forest":
        other = fitted(name, "classification", 300, seed=1).model.predict(asked)
        assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("name", QUICK)
def test_a_deadline_in_the_past_is_out_of_time(name):
    with pytest.raises(OutOfTime):
        fitted(name, "classification", deadline=time.monotonic() - 1)


@pytest.mark.parametrize("name", ["random_forest", "lightgbm", "xgboost"])
def test_stops_at_the_deadline_with_what_there_is(name):
    kind = algorithm(name)
    endless = {"trees": 10**6} if name == "random_forest" else {"max_iterations": 10**6}
    if name != "random_forest":
        endless |= {"stopping_rounds": 10**6, "learning_rate": 0.001}
    began = time.monotonic()
    fit = kind.fit(
        kind.settings_type(**endless),
        part(600, "three", 1),
        part(200, "three", 2),
        context("three", deadline=began + 0.7),
    )
    assert 0.5 < time.monotonic() - began < 2.5
    assert fit.model.predict(features(5)).shape == (5, 3)


@pytest.mark.parametrize("name", QUICK)
def test_one_class_is_refused_and_a_class_without_rows_is_not(name):
    kind = algorithm(name)
    settings = kind.settings_type(**QUICK[name])
    train = part(60, "three", 1)
    with pytest.raises(MendableError, match="all of class 'b'"):
        kind.fit(settings, Part(train.features, np.ones(60, np.int64)), None, context("three"))
    two = train.take(train.target != 1)
    said = kind.fit(settings, two, None, context("three")).model.predict(features(30, 9))
    assert said.shape == (30, 3)
    assert said[:, 1].max() < 0.05
    assert len(set(said.argmax(axis=1))) == 2


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("rows", [4, 30])
def test_learns_from_hardly_any_rows(name, rows):
    kind = algorithm(name)
    train = part(rows, "regression", 3)
    fit = kind.fit(kind.settings_type(**QUICK[name]), train, None, context("regression"))
    said = fit.model.predict(features(50, 3))
    assert np.isfinite(said).all()
    assert train.target.min() - 2e5 < said.mean() < train.target.max() + 2e5


@pytest.mark.parametrize("name", QUICK)
def test_pictures_alone_are_refused(name):
    kind = algorithm(name)
    table = features(20, texts=False)
    nothing = type(table)(
        table.numbers[:, :0], table.codes[:, :0], table.texts, None, (), (), (), ()
    )
    train = Part(nothing, np.arange(20) % 2)
    with pytest.raises(MendableError, match="cnn"):
        kind.fit(kind.settings_type(**QUICK[name]), train, None, context("classification"))


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_walk_is_scikit_learns_answer(task, extra):
    from sklearn import ensemble

    kind = algorithm("random_forest")
    train = part(500, task, 1, texts=False)
    fit = kind.fit(kind.settings_type(trees=12, extra=extra), train, None, context(task))
    name = "ExtraTrees" if extra else "RandomForest"
    name += "Regressor" if task == "regression" else "Classifier"
    forest = getattr(ensemble, name)(
        n_estimators=12,
        max_features=1 / 3 if task == "regression" else "sqrt",
        random_state=0,
    )
    forest.fit(fit.model.columns.matrix(train.features).astype(np.float32), train.target)
    asked = features(400, 2, texts=False)
    asked.numbers[::7, 1] = np.nan  # missing where training saw none
    table = fit.model.columns.matrix(asked)
    expected = forest.predict(table) if task == "regression" else forest.predict_proba(table)
    np.testing.assert_allclose(fit.model.predict(asked), expected, rtol=1e-12, atol=1e-12)


def test_how_often_the_clock_is_looked_at_changes_no_tree(monkeypatch):
    from crisol.models.tabular.algorithms.trees import forest

    asked = features(30, 8)
    usual = fitted("random_forest", "regression", 200).model.predict(asked)
    monkeypatch.setattr(forest, "CHUNK_ROWS", 800)
    np.testing.assert_array_equal(
        fitted("random_forest", "regression", 200).model.predict(asked), usual
    )


@pytest.mark.parametrize("task", ["classification", "three"])
def test_the_logistic_optimum_is_scikit_learns(task):
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    train = part(400, task, 1)
    kind = algorithm("linear")
    model = kind.fit(kind.settings_type(c=0.5), train, None, context(task)).model
    columns = model.columns
    x = hstack([csr_matrix(columns.dense(train.features)), columns.sparse(train.features)]).tocsr()
    theirs = LogisticRegression(C=0.5, tol=1e-8, max_iter=5000).fit(x, train.target)
    np.testing.assert_allclose(model.predict(train.features), theirs.predict_proba(x), atol=2e-4)


def test_a_missing_number_is_the_mean_and_a_column_of_its_own():
    kind = algorithm("linear")
    train = part(300, "regression", 1)
    columns = kind.fit(kind.settings_type(), train, None, context("regression")).model.columns
    dense = columns.dense(train.features)
    gone = np.isnan(train.features.numbers[:, 0])
    assert (dense[gone, 0] == 0).all()
    np.testing.assert_array_equal(dense[:, 4], gone)
    assert dense.shape[1] == 6  # four numbers, two of which have gaps


def test_a_spline_basis_bends_the_line():
    kind = algorithm("linear")
    rng = np.random.default_rng(0)
    table = features(800, 1, missing=False)
    table.numbers[:, 0] = rng.normal(size=800)
    train = Part(table, np.abs(table.numbers[:, 0]))
    straight, bent = (
        kind.fit(kind.settings_type(splines=splines), train, None, context("regression")).model
        for splines in (False, True)
    )
    errors = [np.mean((m.predict(table) - train.target) ** 2) for m in (straight, bent)]
    assert errors[1] < errors[0] / 5


def test_a_wide_category_stays_sparse_and_small_on_disk(tmp_path):
    """100,000 words on 2,000 rows: one-hot they would be 1.6 GB."""
    rng = np.random.default_rng(0)
    table = features(2000, 1, texts=False)
    wide = type(table)(
        table.numbers,
        np.column_stack([table.codes[:, 0], rng.integers(0, 100_000, 2000)]).astype(np.int32),
        table.texts,
        None,
        table.number_names,
        table.code_names,
        (6, 100_000),
        (),
    )
    kind = algorithm("linear")
    train = Part(wide, (score(wide) > 0).astype(np.int64))
    model = kind.fit(kind.settings_type(), train, None, context("classification")).model
    model.write(tmp_path)
    assert load_file(tmp_path / "linear.safetensors")["weights"].shape == (100_012, 1)
    assert np.mean(model.predict(wide).argmax(1) == train.target) > 0.8


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_stops_early_and_keeps_the_best_iteration(name):
    kind = algorithm(name)
    settings = kind.settings_type(max_iterations=400, learning_rate=0.4, stopping_rounds=10)
    train, valid = part(200, "classification", 1), part(200, "classification", 2)
    fit = kind.fit(settings, train, valid, context("classification"))
    assert fit.facts["iterations"] < 100
    last = fit.history.iloc[-1]
    assert last["epoch"] == fit.facts["iterations"] + 10
    said = fit.model.predict(valid.features)[np.arange(200), valid.target]
    assert -np.log(said).mean() <= fit.history["valid_loss"].min() + 1e-6
    assert list(fit.history.columns) == ["label", "epoch", "train_loss", "valid_loss"]


def test_the_tasks_that_are_known_without_a_library_are_those_of_the_classes() -> None:
    assert {name: algorithm(name).tasks for name in KNOWN} == KNOWN
