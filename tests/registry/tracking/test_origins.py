"""A version records what its nodes read; a mixture of two origins is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.runner import ParallelRunner, ThreadRunner
from tests.registry.conftest import Project

from crisol.core.files import file_sha256
from crisol.registry.release import versions
from crisol.registry.release.versions import Reference
from crisol.registry.store import StoreError
from crisol.registry.tracking import provenance

PARTS: dict[str, dict[str, Any]] = {
    "from nodes": {"from_nodes": ["linear.fit"]},
    "named nodes": {"node_names": ["linear.fit", "linear.evaluate", "linear.register"]},
    "tags": {"tags": ["train", "evaluate", "register"]},
    "from inputs": {"from_inputs": ["linear.rows_table"]},
}
QUICK = ("from nodes", "tags")
each_part = pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, part in PARTS.items()
    ],
)
ROWS = "data/03_primary/linear/rows.parquet"


def newest(project: Project) -> versions.Version:
    return versions.find(project.store, Reference("linear", alias=versions.CANDIDATE))


@pytest.fixture(scope="module")
def ran(make_shared) -> Project:
    """A project whose working data one whole run made."""
    project = make_shared()
    project.run()
    return project


@each_part
def test_a_part_of_one_origin_registers_with_its_lineage(ran: Project, part) -> None:
    ran.run(part=part, train={"epochs": 2}, data={"held_out": 40}, model={})
    version = newest(ran)
    assert version.data_digests == {"linear.rows_raw": file_sha256(ran.raw)}
    run = ran.store.client().get_run(version.run_id)
    assert run.data.params["train.epochs"] == "2"
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["linear.rows_raw"]
    ran.run()


@pytest.mark.parametrize(
    ("part", "changed", "said"),
    [
        ({"from_nodes": ["linear.evaluate"]}, {"train": {"epochs": 5}}, "linear.train.epochs = 3"),
        ({"from_nodes": ["linear.register"]}, {"data": {"held_out": 50}}, "data.held_out = 40"),
        ({"tags": ["evaluate"]}, {"model": {"slope_error": 0.5}}, "model.slope_error = 0.0"),
        ({"node_names": ["linear.evaluate"]}, {"train": {"fail": True}}, "train.fail = false"),
    ],
    ids=["from evaluate", "from register", "tag", "node"],
)
def test_other_parameters_than_those_of_the_results_are_refused(
    ran: Project, part, changed, said
) -> None:
    before = len(ran.runs())
    sections = {"data": {"held_out": 40}, "model": {}, "train": {"epochs": 3}} | changed
    with pytest.raises(StoreError, match="was made with linear") as refused:
        ran.run(part=part, **sections)
    assert said in str(refused.value)
    assert "kedro run --pipelines linear" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(ran.runs()) == before


def test_results_of_two_files_are_refused(project: Project) -> None:
    project.run()
    first = file_sha256(project.raw)
    project.write_rows(noise=0.5)
    project.run(part={"to_nodes": ["linear.clean"]})
    for part in ({"from_nodes": ["linear.evaluate"]}, {"node_names": ["linear.evaluate"]}):
        with pytest.raises(StoreError, match=r"comes from linear\.rows_raw") as refused:
            project.run(part=part)
        assert first[:12] in str(refused.value)
        assert file_sha256(project.raw)[:12] in str(refused.value)
    project.run(part={"from_nodes": ["linear.fit"]})
    assert newest(project).data_digests == {"linear.rows_raw": file_sha256(project.raw)}


def test_a_raw_file_that_changed_since_is_told_and_not_claimed(project: Project, caplog) -> None:
    project.run()
    first = file_sha256(project.raw)
    project.write_rows(noise=0.5)
    project.run(part={"from_nodes": ["linear.fit"]})
    assert "linear.rows_raw has changed since linear.rows_table was made of it" in caplog.text
    assert newest(project).data_digests == {"linear.rows_raw": first}


def overwritten(path: Path) -> None:
    pd.read_parquet(path).assign(y=0.0).to_parquet(path, index=False)


def without_record(path: Path) -> None:
    path.with_name(f"{path.name}.origin.json").unlink()


def with_half_a_record(path: Path) -> None:
    record = path.with_name(f"{path.name}.origin.json")
    record.write_text(record.read_text()[:50])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (overwritten, "was changed after node clean of run"),
        (without_record, "has no record of its origin"),
        pytest.param(with_half_a_record, "has no record of its origin", marks=pytest.mark.slow),
    ],
)
def test_a_table_of_unknown_origin_is_refused(project: Project, harm, said) -> None:
    project.run(part={"to_nodes": ["linear.fit"]})
    harm(project.folder / ROWS)
    result = project.command("run", "--pipelines", "linear", "--from-nodes", "linear.fit")
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert versions.registered(project.store, "linear") is None


def test_only_missing_outputs_skips_nothing_of_another_origin(project: Project) -> None:
    project.run(part={"to_nodes": ["linear.fit"]})
    missing = {"only_missing_outputs": True}
    with pytest.raises(StoreError, match=r"linear\.train\.epochs = 3, and this run has 4"):
        project.run(part=missing, data={"held_out": 40}, model={}, train={"epochs": 4})
    first = file_sha256(project.raw)
    project.write_rows(noise=0.5)
    with pytest.raises(StoreError, match=r"this run reads"):
        project.run(part=missing)
    project.write_rows()
    assert file_sha256(project.raw) == first
    project.run(part=missing)
    version = newest(project)
    assert version.data_digests == {"linear.rows_raw": first}


def test_other_code_registers_nothing_and_may_evaluate(
    project: Project, monkeypatch, caplog
) -> None:
    project.run()
    provenance.code_digest.cache_clear()
    (project.folder / "requirements.lock").write_text("numpy==3\n")
    with pytest.raises(StoreError, match=r"made by other code or another requirements.lock"):
        project.run(part={"from_nodes": ["linear.evaluate"]})
    project.run(part={"node_names": ["linear.evaluate"]})
    assert "no version can be registered of both" in caplog.text
    provenance.code_digest.cache_clear()


@pytest.mark.parametrize(
    "runner", [ThreadRunner, pytest.param(ParallelRunner, marks=pytest.mark.slow)]
)
def test_every_runner_records_and_compares(project: Project, runner) -> None:
    project.run(runner=runner(max_workers=2))
    project.run(runner=runner(max_workers=2), part={"from_nodes": ["linear.evaluate"]})
    assert newest(project).number == "2"
    assert newest(project).data_digests == {"linear.rows_raw": file_sha256(project.raw)}
    overwritten(project.folder / ROWS)
    with pytest.raises(StoreError, match="was changed after"):
        project.run(runner=runner(max_workers=2), part={"from_nodes": ["linear.evaluate"]})


@pytest.mark.slow
def test_a_part_keeps_the_champion_of_its_comparison(project: Project) -> None:
    project.run()
    assert project.command("promote", "linear").exit_code == 0
    project.run()
    project.run(part={"from_nodes": ["linear.register"]})
    assert newest(project).tags["crisol.compared_with"] == "1"
    chain = json.loads(project.command("lineage", "linear/3", "--json").stdout)
    assert chain["data_digests"] == {"linear.rows_raw": file_sha256(project.raw)}
    result = project.command("reproduce", "linear/3")
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_scores_of_one_line_are_not_registered_for_another(project: Project) -> None:
    project.run(params={"model": "linear.a"}, part={"to_nodes": ["linear.evaluate"]})
    with pytest.raises(StoreError, match=r"compare with linear\.a/none, and this run registers"):
        project.run(params={"model": "linear.b"}, part={"from_nodes": ["linear.register"]})
    project.run(params={"model": "linear.b"}, part={"from_nodes": ["linear.evaluate"]})
    assert versions.lines(project.store) == ["linear.b"]
