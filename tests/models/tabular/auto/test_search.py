"""The search: in time, whatever trials do; the same twice; resumable."""

import logging
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.models.tabular.algorithms.tables import part
from tests.models.tabular.auto.places import (
    QUICK,
    STRAIGHT,
    answers,
    make_stubborn,
    problem,
    run,
    scores,
    states,
)

from crisol.core import progress
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import FitContext
from crisol.models.tabular.algorithms.linear import Linear
from crisol.models.tabular.auto.automl import Problem, clear, training_folder
from crisol.models.tabular.auto.search.portfolio import BY_TASK, pace, portfolio
from crisol.models.tabular.auto.search.spaces import SPACES
from crisol.models.tabular.auto.workers.fitting import RESULT
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.features.folds import divide
from crisol.models.tabular.params import TrainParams
from crisol.models.tabular.report.supervised import busy_machine, short_search, worker_tables
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import LinearSettings


def test_a_search_gives_an_ensemble_and_a_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[progress.TrialResult] = []
    shares: list[float] = []
    with progress.callbacks(
        lambda *_: None,
        on_progress=lambda m: shares.append(m["progress.fraction"]),
        on_trial=told.append,
    ):
        found = run(tmp_path, monkeypatch, workers=2)
    table = found.leaderboard
    assert states(found) == ["complete", "complete"]
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table.loc[table["trial"] >= 0, "weight"].sum() == pytest.approx(1)
    assert [trial.number for trial in told] == [0, 1]
    assert told[0].value == pytest.approx(np.mean(told[0].fold_values))
    assert len(told[0].fold_values) == 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert answers(found).shape == (40, 2)
    assert found.chosen.loss < 0.5
    assert short_search(table) == []
    assert np.isfinite(found.chosen.answers).all()
    assert (table["cpu_seconds"] > 0).all()
    assert found.workers["fits"].sum() == 6
    [rows] = worker_tables(found.workers).values()
    assert [row["worker"] for row in rows] == [1, 2]
    assert all(row["CPU seconds"] > 0 for row in rows)


def test_two_searches_are_the_same_whatever_the_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(
        tmp_path / "a", monkeypatch, [QUICK], max_trials=4, workers=1, algorithms=["lightgbm"]
    )
    second = run(
        tmp_path / "b", monkeypatch, [QUICK], max_trials=4, workers=2, algorithms=["lightgbm"]
    )
    assert len(first.trials) == 4
    assert any(trial.searched for trial in first.trials)
    pd.testing.assert_frame_equal(scores(first), scores(second))
    np.testing.assert_array_equal(answers(first), answers(second))


def test_a_search_goes_on_where_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(tmp_path / "whole", monkeypatch, workers=1)
    folder = training_folder(tmp_path / "cut", "data")
    run(folder, monkeypatch, [QUICK], workers=1)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob(RESULT)}
    assert len(before) == 3
    with caplog.at_level(logging.INFO):
        assert training_folder(tmp_path / "cut", "data") == folder
    assert "resumes; 3 fits are done" in caplog.text
    resumed = run(folder, monkeypatch, workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    np.testing.assert_array_equal(answers(resumed), answers(whole))
    clear(tmp_path / "cut")
    assert not folder.exists()


def test_other_data_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = training_folder(tmp_path, "old")
    new = training_folder(tmp_path, "new")
    assert new.is_dir()
    assert not old.exists()
    assert "discarded" in caplog.text


@pytest.mark.slow  # it waits for the end of its time budget
def test_what_does_not_stop_is_killed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stubborn(tmp_path / "site", monkeypatch)
    started = time.monotonic()
    entries = [QUICK, ("linear", {"c": 1.0})]
    found = run(tmp_path / "fits", monkeypatch, entries, time_budget_s=12.0, workers=2)
    assert time.monotonic() - started < 12.0 + 2.0
    assert states(found) == ["complete", "timeout"]
    assert found.trials[1].reason
    assert not workers_of(tmp_path)


def test_a_process_that_dies_and_an_error_are_failed_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stubborn(tmp_path / "site", monkeypatch)
    entries = [("linear", {"c": 2.0}), ("linear", {"c": 3.0}), QUICK]
    found = run(tmp_path / "fits", monkeypatch, entries, workers=1)
    assert states(found) == ["failed", "failed", "complete"]
    assert "process ended" in found.trials[0].reason
    assert "as bad as it gets" in found.trials[1].reason


def test_when_everything_fails_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stubborn(tmp_path / "site", monkeypatch)
    with pytest.raises(MendableError, match="no trial succeeded; linear-0: RuntimeError: as bad"):
        run(tmp_path / "fits", monkeypatch, [("linear", {"c": 3.0})], workers=1)


def test_no_time_at_all_names_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MendableError, match=r"time_budget_s: nothing could be learned in 0\.1 s"):
        run(tmp_path, monkeypatch, time_budget_s=0.1, workers=1)
    assert not workers_of(tmp_path)


def test_little_time_gives_a_small_model_of_few_rows_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_stubborn(tmp_path / "site", monkeypatch)
    started = time.monotonic()
    found = run(tmp_path / "fits", monkeypatch, [("linear", {"c": 1.0})], time_budget_s=3.0)
    assert time.monotonic() - started < 3.0 + 2.0
    assert found.chosen.ensemble.members[0].algorithm == "linear"
    assert answers(found).shape == (40, 2)
    table = found.leaderboard.set_index("trial")
    assert table["state"].to_dict() == {0: "timeout", 1: "complete"}
    assert table["weight"].to_dict() == {0: 0.0, 1: 1.0}
    assert table.loc[1, "reason"].startswith("a quick first model of 2,000 rows or fewer")
    assert "linear-1: a quick first model" in caplog.text
    assert any(
        "too short for a whole trial (linear: a quick" in t for t in short_search(found.leaderboard)
    )


@pytest.mark.slow  # it waits for the end of its time budget
def test_where_linear_models_are_not_allowed_a_worker_makes_the_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = ("lightgbm", {"max_iterations": 10**6, "stopping_rounds": 10**6})
    found = run(tmp_path, monkeypatch, [endless], time_budget_s=8.0, workers=1)
    assert [member.algorithm for member in found.chosen.ensemble.members] == ["lightgbm"]


@pytest.mark.slow  # it waits for the end of its time budget
def test_some_folds_are_better_than_none_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_stubborn(tmp_path / "site", monkeypatch)
    entries = [("linear", {"c": 4.0})]
    found = run(tmp_path / "fits", monkeypatch, entries, time_budget_s=8.0, workers=1)
    assert len(found.chosen.ensemble.members[0].models) == 1
    assert "linear-0: 1 of 3 folds ended in time" in caplog.text
    assert any("1 of 3 folds ended" in text for text in short_search(found.leaderboard))


def test_a_latency_limit_is_kept_and_an_impossible_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [("random_forest", {"trees": 100}), STRAIGHT]
    free = run(tmp_path / "a", monkeypatch, entries, workers=1)
    assert free.chosen.latency_ms is None
    limited = run(tmp_path / "a", monkeypatch, entries, workers=1, latency_limit_ms=1000.0)
    assert limited.chosen.latency_ms is not None
    assert limited.chosen.latency_ms < 1000.0
    with pytest.raises(MendableError, match=r"latency_limit_ms: .* 1e-06 ms .*the fastest took"):
        run(tmp_path / "a", monkeypatch, entries, workers=1, latency_limit_ms=1e-6)


def test_a_named_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"sqlite:///{tmp_path / 'studies.sqlite'}"
    shared = {"storage": place, "study": "mine", "workers": 1, "algorithms": ["lightgbm"]}
    first = run(tmp_path / "a", monkeypatch, [QUICK], max_trials=4, **shared)
    best = min(
        (t for t in first.trials if t.searched and t.state == "complete"),
        key=lambda t: np.mean(list(t.losses.values())),
    )
    second = run(tmp_path / "b", monkeypatch, [QUICK], max_trials=2, **shared)
    assert second.trials[1].settings == best.settings


def test_a_database_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"sqlite:///{tmp_path / 'nowhere' / 'studies.sqlite'}"
    with pytest.raises(MendableError, match=r"auto\.storage: .*cannot be used"):
        run(tmp_path, monkeypatch, [QUICK], max_trials=2, storage=place, workers=1)


def test_what_falls_behind_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = ("lightgbm", {"max_iterations": 1, "learning_rate": 0.001})
    found = run(tmp_path, monkeypatch, [QUICK, bad], workers=1)
    assert states(found) == ["complete", "pruned"]
    assert len(found.trials[1].fits) < 3
    # What was also under way when it was given up is a matter of speed.
    late = replace(found.trials[1], fits=dict(found.trials[0].fits))
    assert list(late.losses) == list(range(found.trials[1].judged)) == [0]
    kept = run(tmp_path / "all", monkeypatch, [QUICK, bad], workers=1, prune=False)
    assert states(kept) == ["complete", "complete"]


def test_numbers_are_searched_by_their_rmse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(tmp_path, monkeypatch, what=problem(task="regression"), workers=1)
    assert found.leaderboard["metric"].unique().tolist() == ["rmse"]
    target = problem(task="regression").part.target
    assert found.chosen.loss < 0.6 * np.std(target)


def test_rows_in_time_are_chosen_by_and_answered_from_their_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = problem(task="regression", folds=5)
    in_time = replace(asked, folds=divide(None, 240, 5, 0, order=np.arange(240)))
    found = run(tmp_path, monkeypatch, [STRAIGHT], what=in_time, workers=1)
    assert np.flatnonzero(np.isfinite(found.chosen.answers)).tolist() == list(range(180, 240))
    fits = found.trials[0].fits
    assert [fit.answers.shape for fit in fits.values()] == [(12,)] * 5
    kept = np.mean([fits[fold].model().predict(asked.part.features) for fold in (0, 1, 2)], axis=0)
    np.testing.assert_allclose(found.chosen.ensemble.predict(asked.part.features), kept)
    past, whole = asked.part.take(np.arange(228)), asked.part.features
    alone = Linear.fit(
        LinearSettings(), past, None, FitContext("regression", (), 0, 1, TrainParams())
    )
    np.testing.assert_allclose(fits[0].model().predict(whole), alone.model.predict(whole))


def workers_of(folder: Path) -> str:
    """Processes that still fit in a folder."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return "\n".join(
        line
        for line in listed.stdout.splitlines()
        if "auto.workers.worker" in line and str(folder) in line
    )


@pytest.mark.slow
def test_a_search_goes_on_without_gains_and_ends_when_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """k-means has 14 numbers of clusters to try, and far more time than that."""
    few = {"kmeans": lambda trial: {"clusters": trial.suggest_int("kmeans.clusters", 2, 15)}}
    monkeypatch.setattr("crisol.models.tabular.auto.search.study.SPACES", {**SPACES, **few})
    rows = part(60, "regression", texts=False)
    task = Problem("clustering", (), Part(rows.features, None), divide(None, 60, 3, 0), 0)
    with caplog.at_level(logging.INFO):
        found = run(
            tmp_path, monkeypatch, [("kmeans", {"clusters": 3})], task,
            algorithms=["kmeans"], max_trials=None, workers=1,
        )  # fmt: skip
    tried = [trial.settings["clusters"] for trial in found.trials]
    assert sorted(tried) == list(range(2, 16))
    assert "nothing else is left to try" in caplog.text


@pytest.mark.parametrize(
    ("cpu", "told"), [([95.0, 90.0], False), ([40.0, 30.0], True), ([3.0, 1.0], True)]
)
def test_a_busy_machine_is_a_limit(cpu: list[float], told: bool) -> None:
    workers = pd.DataFrame({"worker": [0, 1], "fits": 5, "seconds": 100.0, "cpu_seconds": cpu})
    assert bool(busy_machine(workers)) is told
    assert busy_machine(workers.assign(seconds=10.0)) == []


@pytest.mark.parametrize("task", list(BY_TASK))
def test_the_portfolio_holds_the_defaults_of_each_of_its_algorithms(task: Task) -> None:
    tried = portfolio(task, (), 1000)
    for name in {name for name, _ in tried}:
        assert (name, pace(name, 1000)) in tried, name
    assert tried[0][1] or task in ("text", "image")  # the tuned ones come first
