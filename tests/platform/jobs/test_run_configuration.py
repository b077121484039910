"""The configuration of `kedro run`, from the request of a client."""

import json
import time
from functools import reduce
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from tests.conftest import ROOT

from crisol import models
from crisol.core.params import OperatorOnly
from crisol.models.tabular.params import AutoParams
from crisol.platform.jobs.executors.executor import RUN, WORKER, Work
from crisol.platform.jobs.job import JobRequest, line_of
from crisol.platform.jobs.job_parameters import DatasetChoice, check_client, sections_of, visible
from crisol.platform.jobs.run_configuration import RunConfigurator, WorkerSettings
from crisol.serving.http.errors import ApiError

DATA = {"file": "/d/adult", "dataset": "adult", "target": "x"}
ADULT = DatasetChoice("1" * 32, "tabular", "adult", DATA)


def ask(**model: object) -> JobRequest:
    return JobRequest(family="tabular", parameters={"tabular": {"model": model}})


def test_a_dataset_takes_the_place_of_the_sample_and_its_settings() -> None:
    run = RunConfigurator(ROOT, None).configure(ask(auto={"time_budget_s": 30}), ADULT)
    assert run.model == "tabular.adult"
    data, model = run.parameters["data"], run.parameters["model"]
    assert (data["file"], data["dataset"], data["target"]) == ("/d/adult", "adult", "x")
    assert data["task"] == "auto", "every field is named: nothing of conf/base is left"
    defaults = AutoParams()
    assert model["auto"]["time_budget_s"] == 30
    assert (model["auto"]["folds"], model["auto"]["max_trials"]) == (defaults.folds, None)
    assert run.parameters["train"] == {}, "what nobody sets is the networks' to choose"


def test_no_answer_says_whether_a_path_exists(tmp_path: Path) -> None:
    """All texts that a client may set, with the path of a file that is there and then is not."""
    path, configurator = tmp_path / "there", RunConfigurator(ROOT, "ci")

    def answer(family: str, section: str, kind: type[BaseModel]) -> str:
        values = texts_of(kind, str(path))
        request = JobRequest(family=family, parameters={family: {section: values}})
        try:
            return str(configurator.configure(request, None))
        except ApiError as error:
            return f"{error.status} {error.details}"

    asked = [
        (family, section, kind)
        for family in models.family_names()
        for section, kind in sections_of(family).items()
    ]
    assert texts_of(sections_of("tabular")["model"], "x")["auto"]["study"] == "x"
    path.touch()
    there = [answer(*question) for question in asked]
    path.unlink()
    assert [answer(*question) for question in asked] == there


def texts_of(kind: type[BaseModel], text: str) -> dict[str, Any]:
    """Values of a section in which every field is the text that may be one and is not marked."""
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        sections = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if str in kinds and not any(isinstance(m, OperatorOnly) for m in field.metadata):
            values[name] = text
        elif sections and (inner := texts_of(sections[0], text)):
            values[name] = inner
    return values


def test_training_has_the_most_of_a_jobs_bar() -> None:
    configurator = RunConfigurator(ROOT, None)
    shares = configurator.shares("tabular")
    assert shares == pytest.approx((0.05, 0.05, 0.8, 0.05, 0.05))
    assert sum(configurator.shares("signals")) == pytest.approx(1)
    assert configurator.shares("gone") == ()


def test_no_file_is_not_the_sample_in_the_datasets_place() -> None:
    request = JobRequest(family="tabular", parameters={"tabular": {"data": {"file": None}}})
    assert (
        RunConfigurator(ROOT, None).configure(request, ADULT).parameters["data"]["file"]
        == "/d/adult"
    )


def test_without_a_dataset_the_environment_decides() -> None:
    run = RunConfigurator(ROOT, "ci").configure(ask(folds=2), None)
    assert (run.model, run.environment) == ("tabular", "ci")
    assert run.parameters == {"model": {"folds": 2}}


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
        (
            JobRequest(
                family="products",
                parameters={"products": {"data": {"sample": {"studies": {"a": 1}}}}},
            ),
            None,
            "parameters.products",
        ),
        (JobRequest(family="signals"), ADULT, "dataset"),
        (ask(), DatasetChoice("1", "tabular", "a", {"colour": 1}), "dataset"),
    ],
)
def test_what_is_wrong_is_named(request_: JobRequest, dataset: DatasetChoice | None, field) -> None:
    with pytest.raises(ApiError) as caught:
        RunConfigurator(ROOT, None).configure(request_, dataset)
    assert caught.value.status == 422
    assert [detail.field for detail in caught.value.details] == [field]


def test_what_is_written_is_what_was_given(tmp_path: Path) -> None:
    """Texts that look like numbers, quotes and line breaks arrive as they were."""
    texts = {"1e5": "1e5", "no": "yes: no, 'really'", "lines": "a\nb\tü😀"}
    request = JobRequest(family="tabular", parameters={"tabular": {"data": {"columns": {}}}})
    configurator = RunConfigurator(ROOT, None)
    run = configurator.configure(request, None)
    run = type(run)("tabular", "tabular.a", "ci", {"model": {"settings": texts}})
    work = Work("7" * 32, 1, tmp_path / ("7" * 32))
    configurator.write(work, run, WorkerSettings({"A": "b"}, 3.0, None, 1.0, 1000))
    written = yaml.safe_load((work.folder / RUN).read_text())["run"]
    assert written["params"]["tabular"] == {"model": {"settings": texts}}
    assert (written["pipelines"], written["env"], written["params"]["run_id"]) == (
        "tabular",
        "ci",
        "7" * 32,
    )
    assert json.loads((work.folder / WORKER).read_text())["time_s"] == 3.0
    assert (work.folder / WORKER).stat().st_mode & 0o077 == 0, "it may hold a database's password"


def test_lines_are_called_as_datasets() -> None:
    assert line_of("tabular", "Ä" * 3 + "-2 ") == "tabular.d2"
    assert line_of("tabular", "x" * 60) == f"tabular.{'x' * 40}"


@pytest.mark.parametrize("dataset", [ADULT, None], ids=["a dataset", "no dataset"])
@pytest.mark.parametrize("section", ["data", "model", "train"])
@pytest.mark.parametrize("value", [5, None, [], "auto"])
def test_a_section_that_is_no_object_is_refused(section, value, dataset) -> None:
    request = JobRequest(family="tabular", parameters={"tabular": {section: value}})
    with pytest.raises(ApiError) as caught:
        RunConfigurator(ROOT, None).configure(request, dataset)
    assert caught.value.status == 422
    [detail] = caught.value.details
    assert detail.field == f"parameters.tabular.{section}"
    assert "must be an object" in detail.message
    assert "leave it out" in detail.message


def test_a_dataset_is_for_jobs_of_its_family() -> None:
    other = DatasetChoice("1" * 32, "products", "adult", DATA)
    with pytest.raises(ApiError) as caught:
        RunConfigurator(ROOT, None).configure(ask(), other)
    [detail] = caught.value.details
    assert (detail.field, detail.message) == (
        "dataset",
        "it is a dataset of products, not of tabular",
    )


def test_an_encoder_is_the_operators_in_one_study_too() -> None:
    changed = {"by_study": {"flipkart": {"network": {"text_encoder": "/srv/encoder"}}}}
    request = JobRequest(family="products", parameters={"products": {"model": changed}})
    with pytest.raises(ApiError) as caught:
        RunConfigurator(ROOT, None).configure(request, None)
    [detail] = caught.value.details
    assert detail.field == "parameters.products.model.by_study.flipkart.network.text_encoder"
    assert "names an encoder" in detail.message


def marked_places(
    kind: type[BaseModel], place: tuple[str, ...] = (), *, studies: bool = True
) -> list[tuple[str, ...]]:
    """Where the marked fields of a section are, also as changes of one study."""
    found: list[tuple[str, ...]] = []
    for name, field in kind.model_fields.items():
        here = (*place, name)
        if any(isinstance(mark, OperatorOnly) for mark in field.metadata):
            found.append(here)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found += marked_places(part, here)
        if name == "by_study" and studies:
            found += marked_places(kind, (*here, "one"), studies=False)
    return found


def test_no_client_names_a_file_in_any_family(tmp_path: Path) -> None:
    """Refused by its place, before anything is read, and without a word of what is in it."""
    configurator = RunConfigurator(ROOT, "ci")
    secret = tmp_path / "secret.csv"
    secret.write_text("salary,iban\n1,2\n")
    places = [
        (family, section, place)
        for family in models.family_names()
        for section, kind in sections_of(family).items()
        for place in marked_places(kind)
    ]
    named = {".".join([family, section, *place]) for family, section, place in places}
    assert {
        "products.data.pairs", "products.data.images", "products.model.network.image_encoder",
        "products.model.by_study.one.network.text_encoder", "tabular.data.file",
        "tabular.model.auto.storage",
    } <= named  # fmt: skip
    for family, section, place in places:
        for value in (str(secret), secret.as_uri(), f"~/{secret.name}", {"path": str(secret)}, []):
            values: Any = value
            for name in reversed(place):
                values = {name: values}
            request = JobRequest(family=family, parameters={family: {section: values}})
            with pytest.raises(ApiError) as refused:
                configurator.configure(request, None)
            said = f"{refused.value} {refused.value.details}"
            assert refused.value.status == 422
            assert [d.field for d in refused.value.details] == [
                ".".join(["parameters", family, section, *place])
            ]
            assert "is set by the operator" in said
            assert not any(word in said for word in ("salary", "iban", str(tmp_path)))


@pytest.mark.parametrize(
    "sections",
    [
        {"data": {"data.file": "/etc/passwd"}},
        {"data.file": "/etc/passwd"},
        {"data": '{"file": "/etc/passwd"}'},
        {"model": {"auto.storage": "sqlite:////etc/passwd"}},
        {"model": {"auto": '{"storage": "sqlite:////etc/passwd"}'}},
        {"data": {"columns": {"file": "/etc/passwd"}}},
        {"model": {"settings": {"file": "/etc/passwd"}}},
    ],
    ids=str,
)
def test_a_marked_parameter_in_disguise_is_refused(sections: dict[str, Any]) -> None:
    request = JobRequest(family="tabular", parameters={"tabular": sections})
    with pytest.raises(ApiError) as refused:
        RunConfigurator(ROOT, "ci").configure(request, None)
    assert refused.value.status == 422


def test_clients_see_nothing_that_names_files() -> None:
    RunConfigurator(ROOT, None)
    parameters = {
        "data": {"file": "/srv/adult", "target": "income"},
        "model": {"auto": {"storage": "postgresql://me:secret@db", "folds": 3}},
    }
    assert visible("tabular", parameters) == {
        "data": {"target": "income"},
        "model": {"auto": {"folds": 3}},
    }
    assert visible("gone", parameters) == {}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"train": {f"k{i}": 1 for i in range(5000)}}, "5000 unknown parameters"),
        ({"train": {f"k{i}": 1 for i in range(40_000)}}, "holds 40002 values"),
        ({"data": {"ignore": ["a"] * 40_000}}, "holds 40003 values"),
    ],
)
def test_many_parameters_are_refused_before_they_are_read(
    parameters: dict[str, Any], told: str
) -> None:
    RunConfigurator(ROOT, None)  # makes the pipelines known
    began = time.process_time()
    with pytest.raises(ApiError) as refused:
        check_client("tabular", parameters, sections_of("tabular"))
    assert time.process_time() - began < 1
    error = refused.value
    assert error.status == 422
    assert told in " ".join([str(error), *(detail.message for detail in error.details)])
    assert len(error.details) <= 50


@pytest.mark.parametrize(
    ("family", "sections", "field"),
    [
        ("recommender", {"train": {"by_study": {"other": {}}}}, "recommender.train.by_study"),
        ("products", {"model": {"by_study": {"other": {}}}}, "products.model.by_study"),
        ("signals", {"train": {"by_study": {"other": {}}}}, "signals.train.by_study"),
    ],
)
def test_values_for_a_study_that_is_not_there_are_refused(
    family: str, sections: dict[str, Any], field: str
) -> None:
    with pytest.raises(ApiError) as caught:
        RunConfigurator(ROOT, None).configure(
            JobRequest(family=family, parameters={family: sections}), None
        )
    [detail] = caught.value.details
    assert detail.field == f"parameters.{field}"
    assert "'other' is not a study" in detail.message
