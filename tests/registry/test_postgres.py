"""Runs, jobs and versions on a real PostgreSQL, as `conf/prod` has them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import start_again
from tests.registry.conftest import Project
from tests.registry.release.test_registration import candidate

from crisol.platform.api.refusals import refusal
from crisol.registry import recovery
from crisol.registry.datasets import RegisteredPredictor
from crisol.registry.outages import explained, is_away
from crisol.registry.release import archiving, promotion, versions
from crisol.registry.release.versions import Reference
from crisol.registry.store import URI_VARIABLE, Store, StoreError
from crisol.registry.tracking import runs

LINE = "linear.shop_1"


@pytest.fixture(scope="module")
def uri(new_database: Callable[[], str]) -> str:
    """Of the database that MLflow has."""
    return new_database()


@pytest.fixture(scope="module")
def shared(make_shared) -> Project:
    project = make_shared()
    settings = project.folder / "conf/prod/mlflow.yml"
    settings.write_text(settings.read_text().replace("versions: true", "versions: false"))
    return project


@pytest.fixture
def project(shared: Project, uri: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose environment `prod` works on the database."""
    monkeypatch.setenv(URI_VARIABLE, uri)
    monkeypatch.setenv("CRISOL_ARTIFACT_ROOT", str(shared.folder / "artefacts"))
    root = {"artifact_root": str(shared.folder / "artefacts")}
    shared.store = Store.from_config(root, shared.folder)
    shared.store.activate()
    return shared


def test_a_job_is_scheduled_carried_out_and_found(project: Project) -> None:
    run_id = runs.schedule_run(project.store, "linear", LINE, {"mlflow.user": "ana"}, "a job")
    assert recovery.recover(project.store) == []
    options = project.folder / "job.yml"
    parameters = {"linear": {"train": {"epochs": 4}}, "run_id": run_id}
    job = {"pipelines": "linear", "env": "prod", "params": parameters}
    options.write_text(yaml.safe_dump({"run": job}))
    result = project.command("run", "--config", str(options))
    assert result.exit_code == 0, result.output
    client, experiments = project.store.client(), [project.store.experiment_id("linear")]
    for query in (
        "tags.`crisol.job` = 'true' and attributes.status = 'FINISHED'",
        f"tags.`crisol.model` = '{LINE}' and metrics.`progress.nodes_done` = 4",
        "params.`train.epochs` = '4' and tags.`mlflow.user` = 'ana'",
    ):
        assert [r.info.run_id for r in client.search_runs(experiments, query)] == [run_id], query
    log = runs.open_run(project.store, "linear", {})
    log.progress({"progress.fraction": 0.5})
    log.fail(ArithmeticError("asked to fail"))
    found = client.search_runs(experiments, "attributes.status = 'FAILED'")
    assert [r.data.metrics for r in found] == [{"progress.fraction": 0.5}]


def test_versions_are_registered_promoted_and_rolled_back(project: Project) -> None:
    store = project.store
    assert [str(v) for v in versions.all_versions(store, LINE)] == [f"{LINE}/1"]
    RegisteredPredictor(family="linear", model=LINE).save(candidate())
    assert [v.semver for v in versions.all_versions(store, LINE)] == ["1.0.0", "1.1.0"]
    promotion.promote(store, Reference(LINE, "1"))
    promotion.promote(store, Reference(LINE, "2"), force=True, reason="scored on other rows")
    assert versions.aliases(store, LINE) == {"candidate": "2", "champion": "2", "previous": "1"}
    promotion.rollback(store, LINE)
    archiving.archive(store, Reference(LINE, "2"), "superseded")
    assert {v.number: versions.status(v) for v in versions.all_versions(store, LINE)} == {
        "1": "deployed",
        "2": "archived",
    }
    tagged = store.client().search_model_versions("tags.`crisol.semver` = '1.1.0'")
    assert [str(v.version) for v in tagged] == ["2"]
    assert versions.lines(store) == [LINE]
    assert RegisteredPredictor(family="linear", model=LINE).load().model_version == "2"
    assert recovery.recover(store) == []


def test_a_search_is_shared_by_its_workers(postgres: Any, tmp_path: Path) -> None:
    """What one process found, another one knows. MLflow's database is not for studies: both keep
    the version of their tables under one name."""
    from crisol.models.tabular.auto.search.study import Study

    postgres.psql("CREATE DATABASE studies")
    uri = str(postgres.get_uri(database="studies"))
    options = {"storage": uri, "name": "shared", "default_name": "", "folder": tmp_path, "seed": 0}
    first = Study("regression", ["lightgbm"], **options)
    name, settings = first.ask(0)
    first.tell(0, 0.25, {0: 0.2, 1: 0.3})
    assert Study("regression", ["lightgbm"], **options).known() == [(name, settings)]


@pytest.mark.slow
def test_moves_with_long_reasons_are_recorded(project: Project) -> None:
    """The tags of a registered model are the narrowest, and hold the moves as JSON."""
    store = project.store
    for _ in range(2):
        RegisteredPredictor(family="linear", model="linear.moved").save(candidate())
    reason = 'Modèle "é" \\ retiré\0\n' * 200
    for number in ("1", "2"):
        reference = Reference("linear.moved", number)
        promotion.promote(store, reference, force=True, reason=reason, by="a" * 300)
    for _ in range(5):
        promotion.rollback(store, "linear.moved", reason)
    moves = promotion.history(store, "linear.moved")
    assert [m.kind for m in moves] == ["rollback"] * len(moves)
    assert len(moves) >= 2
    assert moves[-1].reason is not None
    assert len(moves[-1].reason) == 1000
    assert archiving.archive(store, Reference("linear.moved", "2"), reason)


@pytest.mark.slow
def test_a_run_waits_for_a_database_that_is_away(project: Project, postgres: Any) -> None:
    """What training emits stays pending, other writes wait; a request is answered with 503."""
    store = project.store
    log = runs.open_run(store, "linear", {})
    postgres.stop()
    started = threading.Timer(2.0, start_again, [postgres])
    try:
        began = time.monotonic()
        log.metrics({f"loss_{index}": 0.5 for index in range(600)})
        log.progress({"progress.fraction": 0.25})
        with pytest.raises(Exception, match="connection to server") as failed:
            store.client().get_run(log.run_id)
        assert time.monotonic() - began < 1.5, "neither training nor a request waits"
        started.start()
        log.tags({"crisol.note": "written after the outage"})
        assert time.monotonic() - began > 1.5
    finally:
        started.join()
        start_again(postgres)
    answer = refusal(failed.value)
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert explained(failed.value) is not None
    log.finish()
    run = store.client().get_run(log.run_id)
    assert run.data.tags["crisol.note"] == "written after the outage"
    assert len(run.data.metrics) == 601
    assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_the_patience_with_a_database_ends(project: Project, postgres: Any) -> None:
    log = runs.open_run(project.store.model_copy(update={"patience_s": 1.0}), "linear", {})
    postgres.stop()
    try:
        began = time.monotonic()
        for _ in range(2):  # the second does not wait anew
            with pytest.raises(Exception, match="connection to server") as failed:
                log.tags({"crisol.note": "never"})
            assert is_away(failed.value)
        assert 1.0 <= time.monotonic() - began < 2.0
    finally:
        start_again(postgres)
    log.finish()


def test_a_place_for_artefacts_that_is_too_long_is_refused(project: Project) -> None:
    long = project.store.model_copy(update={"artifact_root": "s3://" + "b" * 150})
    with pytest.raises(StoreError, match="artifact_root is too long: s3://b"):
        long.experiment_id("another")


def test_a_database_without_a_place_for_artefacts_is_refused() -> None:
    with pytest.raises(StoreError, match="artifact_root is missing: postgresql keeps"):
        Store.from_config(
            {"tracking_uri": "postgresql://nobody@nowhere/mlflow", "artifact_root": None}, Path()
        )
