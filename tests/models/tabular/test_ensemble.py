"""Members answer together, and are stored without pickle."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.models.tabular.algorithms.tables import context, part

from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.ensemble import Ensemble, Member, SecondLevel
from crisol.models.tabular.settings import SETTINGS


def member(name: str, weight: float, fits: int, **settings: object) -> Member:
    rows = part(300, "classification", texts=False)
    models = []
    for fold in range(fits):
        taken = rows.take(np.arange(len(rows)) % 3 != fold)
        chosen = SETTINGS[name].model_validate(settings)
        models.append(algorithm(name).fit(chosen, taken, None, context("classification")).model)
    return Member(f"{name}-0", name, settings, tuple(models), weight)


@pytest.fixture(scope="module")
def members() -> list[Member]:
    return [member("lightgbm", 0.75, 2, max_iterations=20), member("linear", 0.25, 1)]


def test_the_answer_is_the_weighted_mean_of_fold_means(members: list[Member]) -> None:
    rows = part(50, "classification", seed=5, texts=False).features
    answer = Ensemble("classification", members).predict(rows)
    boosted = np.mean([model.predict(rows) for model in members[0].models], axis=0)
    expected = 0.75 * boosted + 0.25 * members[1].models[0].predict(rows)
    np.testing.assert_allclose(answer, expected, atol=1e-12)


def test_a_stack_of_classes_is_a_logarithmic_pool(members: list[Member]) -> None:
    rows = part(50, "classification", seed=5, texts=False).features
    stack = SecondLevel((0.5, 1.5), (0.1, -0.1))
    answer = Ensemble("classification", members, stack).predict(rows)
    odds = sum(
        slope * (np.log(p[:, 1]) - np.log(p[:, 0]))
        for slope, p in zip(stack.slopes, [m.predict(rows) for m in members], strict=True)
    )
    np.testing.assert_allclose(answer[:, 1], 1 / (1 + np.exp(-(odds - 0.2))), atol=1e-9)
    np.testing.assert_allclose(answer.sum(axis=1), 1)


def test_a_stack_of_numbers_is_linear() -> None:
    answers = np.array([[1.0, 2.0], [10.0, 20.0]])
    np.testing.assert_allclose(SecondLevel((2.0, 0.5), (1.0,)).combine(answers), [8.0, 15.0])


@pytest.mark.parametrize("stack", [None, SecondLevel((0.5, 0.6), (0.0, 0.1))])
def test_written_and_read_it_answers_the_same(
    members: list[Member], stack: SecondLevel | None, tmp_path: Path
) -> None:
    ensemble = Ensemble("classification", members, stack)
    state = json.loads(json.dumps(ensemble.write(tmp_path)))
    again = Ensemble.read(tmp_path, state)
    rows = part(50, "classification", seed=6, texts=False).features
    np.testing.assert_array_equal(again.predict(rows), ensemble.predict(rows))
    assert again.packages() == ensemble.packages()
    assert "lightgbm" in again.packages()
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".txt", ".json", ".safetensors"}


def test_importance_is_shared_by_weight(members: list[Member]) -> None:
    shares = Ensemble("classification", members).importance()
    assert shares is not None
    assert abs(sum(shares.values()) - 1) < 1e-6
    assert shares["age"] > shares["constant"]


def test_an_ensemble_has_a_member() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ensemble("classification", [])
