"""What `kedro run` is told, from what a client asked for."""

import json
from functools import reduce
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT

from crisol.models.tabular.params import AutoParams
from crisol.platform.jobs.executor import ORDER, RUN, Work
from crisol.platform.jobs.job import JobRequest, line_of
from crisol.platform.jobs.orders import DatasetChoice, Orders, WorkerTerms
from crisol.serving.http.errors import ApiError

ADULT = DatasetChoice("1" * 32, "adult", {"file": "/d/adult", "dataset": "adult", "target": "x"})


def ask(**model: object) -> JobRequest:
    return JobRequest(family="tabular", parameters={"tabular": {"model": model}})


def test_a_dataset_takes_the_place_of_the_sample_and_its_settings() -> None:
    order = Orders(ROOT, None).check(ask(auto={"time_budget_s": 30}), ADULT)
    assert order.model == "tabular.adult"
    data, model = order.parameters["data"], order.parameters["model"]
    assert (data["file"], data["dataset"], data["target"]) == ("/d/adult", "adult", "x")
    assert data["task"] == "auto", "every field is named: nothing of conf/base is left"
    defaults = AutoParams()
    assert model["auto"]["time_budget_s"] == 30
    assert (model["auto"]["folds"], model["auto"]["max_trials"]) == (defaults.folds, None)
    assert order.parameters["train"] == {}, "what nobody sets is the networks' to choose"


def test_training_has_the_most_of_a_jobs_bar() -> None:
    orders = Orders(ROOT, None)
    shares = orders.shares("tabular")
    assert shares == pytest.approx((0.05, 0.05, 0.8, 0.05, 0.05))
    assert sum(orders.shares("signals")) == pytest.approx(1)
    assert orders.shares("gone") == ()


def test_no_file_is_not_the_sample_in_the_datasets_place() -> None:
    request = JobRequest(family="tabular", parameters={"tabular": {"data": {"file": None}}})
    assert Orders(ROOT, None).check(request, ADULT).parameters["data"]["file"] == "/d/adult"


def test_without_a_dataset_the_environment_decides() -> None:
    order = Orders(ROOT, "ci").check(ask(folds=2), None)
    assert (order.model, order.environment) == ("tabular", "ci")
    assert order.parameters == {"model": {"folds": 2}}


@pytest.mark.parametrize(
    ("request_", "dataset", "field"),
    [
        (ask(algorithm="magic"), None, "parameters.tabular.model"),
        (ask(auto={"storage": "sqlite:////tmp/x"}), None, "parameters.tabular.model.auto.storage"),
        (ask(settings={"${now}": 1}), None, "parameters.tabular.model.settings.${now}"),
        (
            ask(settings=reduce(lambda inner, _: {"a": inner}, range(150), 1)),
            None,
            "parameters.tabular",
        ),
        (JobRequest(family="signals"), ADULT, "dataset"),
        (ask(), DatasetChoice("1", "a", {"colour": 1}), "dataset"),
    ],
)
def test_what_is_wrong_is_named(request_: JobRequest, dataset: DatasetChoice | None, field) -> None:
    with pytest.raises(ApiError) as caught:
        Orders(ROOT, None).check(request_, dataset)
    assert caught.value.status == 422
    assert [detail.field for detail in caught.value.details] == [field]


def test_what_is_written_is_what_was_given(tmp_path: Path) -> None:
    """Texts that look like numbers, quotes and line breaks arrive as they were."""
    texts = {"1e5": "1e5", "no": "yes: no, 'really'", "lines": "a\nb\tü😀"}
    request = JobRequest(family="tabular", parameters={"tabular": {"data": {"columns": {}}}})
    orders = Orders(ROOT, None)
    order = orders.check(request, None)
    order = type(order)("tabular", "tabular.a", "ci", {"model": {"settings": texts}})
    work = Work("7" * 32, 1, tmp_path / ("7" * 32))
    orders.write(work, order, WorkerTerms({"A": "b"}, 3.0, None, 1.0, 1000))
    run = yaml.safe_load((work.folder / RUN).read_text())["run"]
    assert run["params"]["tabular"] == {"model": {"settings": texts}}
    assert (run["pipelines"], run["env"], run["params"]["run_id"]) == ("tabular", "ci", "7" * 32)
    assert json.loads((work.folder / ORDER).read_text())["time_s"] == 3.0
    assert (work.folder / ORDER).stat().st_mode & 0o077 == 0, "it may hold a database's password"


def test_lines_are_called_as_datasets() -> None:
    assert line_of("tabular", "Ä" * 3 + "-2 ") == "tabular.d2"
    assert line_of("tabular", "x" * 60) == f"tabular.{'x' * 40}"
