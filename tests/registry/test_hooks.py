"""One MLflow run per family per `kedro run`, with everything in it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from kedro.runner import ThreadRunner
from matplotlib.figure import Figure
from tests.registry.conftest import Project, environment

from crisol.catalog.results import FiguresDataset
from crisol.core import progress
from crisol.core.files import file_sha256
from crisol.registry.release import versions
from crisol.registry.tracking import exclusive, results, runs


@pytest.fixture(scope="module")
def done(make_shared) -> Project:
    project = make_shared()
    project.run(data={"names": "n" * 7000})
    return project


def test_one_finished_run_with_its_circumstances(done: Project) -> None:
    [run] = done.runs()
    tags = run.data.tags
    assert run.info.status == "FINISHED"
    assert tags["crisol.env"] == "local" or tags["crisol.env"] == "base"
    assert tags["crisol.pipelines"] == "linear"
    assert tags["crisol.lock_digest"] == file_sha256(done.folder / "requirements.lock")
    assert tags["crisol.data.linear.rows_raw"] == file_sha256(done.raw)
    for name in ("git_commit", "git_dirty", "kedro", "python", "torch", "version", "host", "pid"):
        assert tags[f"crisol.{name}"]


def test_parameters_are_dotted_and_long_ones_are_artefacts(done: Project) -> None:
    [run] = done.runs()
    assert run.data.params["train.epochs"] == "3"
    assert run.data.params["data.gate.metric"] == "mae"
    assert run.data.params["data.names"] == "see artefact parameters/data.names.json"
    resolved = versions.run_json(done.store, run.info.run_id, "parameters/resolved.json")
    assert resolved["data"]["names"] == "n" * 7000
    given = versions.run_json(done.store, run.info.run_id, "parameters/given.json")
    assert given["model"] == {}


def test_data_is_a_dataset_input(done: Project) -> None:
    [run] = done.runs()
    [entry] = run.inputs.dataset_inputs
    assert entry.dataset.name == "linear.rows_raw"
    assert file_sha256(done.raw).startswith(entry.dataset.digest)
    assert json.loads(entry.dataset.profile) == {"num_rows": 200}


def test_metrics_figures_and_reports(done: Project) -> None:
    [run] = done.runs()
    client, run_id = done.store.client(), run.info.run_id
    live = client.get_metric_history(run_id, "line.train_loss")
    assert [(m.step, m.value) for m in live] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    from_table = client.get_metric_history(run_id, "line.extra")
    assert [m.step for m in from_table] == [1, 2, 3]
    assert {"mae", "rows", "seconds.fit", "seconds.register"} <= run.data.metrics.keys()
    figures = [f.path for f in client.list_artifacts(run_id, "figures/evaluation")]
    assert figures == ["figures/evaluation/line.png"]
    report = versions.run_json(done.store, run_id, "report/evaluation.json")
    assert report["headline"] == run.data.tags["mlflow.note.content"]


def test_figures_are_drawn_once(project: Project, tmp_path: Path) -> None:
    saved = FiguresDataset(filepath=str(tmp_path / "drawn"))
    saved.save({"line": Figure()})
    log = runs.open_run(project.store, "linear", {})
    results.log_result(log, "linear.drawn_figures", {}, saved)
    results.log_result(log, "linear.loose_figures", {"line": Figure()})
    log.finish()
    client = project.store.client()
    for noun in ("drawn", "loose"):
        files = [f.path for f in client.list_artifacts(log.run_id, f"figures/{noun}")]
        assert files == [f"figures/{noun}/line.png"]


def test_a_failed_node_fails_the_run_with_its_traceback(project: Project) -> None:
    with pytest.raises(ArithmeticError):
        project.run(train={"fail": True})
    [run] = project.runs()
    assert run.info.status == "FAILED"
    assert run.data.tags["crisol.error"] == "ArithmeticError: asked to fail"
    path = Path(project.store.client().download_artifacts(run.info.run_id, "error.txt"))
    assert "in fit" in path.read_text()
    assert versions.registered(project.store, "linear") is None
    assert progress._registered.get() == ()


def test_a_failing_load_fails_the_run(project: Project) -> None:
    project.raw.write_text("x,y\n")
    with pytest.raises(Exception, match=r"."):
        project.run()
    assert [r.info.status for r in project.runs()] == ["FAILED"]


def test_thread_runner_gives_one_run(project: Project) -> None:
    project.run(runner=ThreadRunner(max_workers=2))
    [run] = project.runs()
    assert run.info.status == "FINISHED"
    assert run.data.metrics["line.train_loss"] == pytest.approx(1 / 3)
    assert run.data.tags["crisol.version_registered"] == "1"


@pytest.mark.slow
def test_two_launched_processes_make_one_run_and_one_version(project: Project) -> None:
    (project.folder / "mlflow.db").unlink()  # they must not both create it
    arguments = ["-m", "kedro", "run", "--pipelines", "linear"]
    launched = subprocess.run(
        [
            *project.process("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
            *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
            *("--main_process_port", "0", "--num_cpu_threads_per_process", "1", *arguments),
        ],
        cwd=project.folder,
        env={**environment(), "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert launched.returncode == 0, launched.stdout + launched.stderr
    [run] = project.runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["crisol.version_registered"] == "1"
    model = versions.registered(project.store, "linear")
    assert model is not None
    assert set(versions.aliases(project.store, "linear").values()) == {"1"}
    assert launched.stdout.count("A line misses by") == 1


def test_a_second_run_at_once_is_refused(project: Project) -> None:
    """It would read the files of the first between its nodes."""
    claims = exclusive.claim(project.folder / "data", ["linear"])
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert f"(process {os.getpid()})" in result.output
    assert "Traceback" not in result.output
    assert project.runs() == []
    exclusive.release(claims)
    with pytest.raises(ArithmeticError):
        project.run(train={"fail": True})
    exclusive.release(exclusive.claim(project.folder / "data", ["linear"]))


def test_a_bad_parameter_stops_before_the_first_node(project: Project) -> None:
    (project.folder / "conf/base/parameters_linear.yml").write_text(
        "linear: {data: {}, model: {slop: 1}, train: {epochs: 0}}"
    )
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert "linear.train.epochs: Input should be greater than 0 (given: 0)" in result.output
    assert "linear.model.slop: Extra inputs are not permitted" in result.output
    assert "Traceback" not in result.output
    assert project.runs() == []


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="only Linux has it")
def test_a_folder_that_cannot_be_written_is_named_without_a_traceback(project: Project) -> None:
    """Nobody, not even root, makes a folder in /sys."""
    (project.folder / "data/06_models").symlink_to("/sys/kernel")
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert "data/06_models/linear" in result.output
    assert "cannot be used: " in result.output
    assert "Traceback" not in result.output


def test_missing_data_is_named_without_a_traceback(project: Project) -> None:
    project.raw.unlink()
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert f"{project.raw} is missing" in result.output
    assert "Traceback" not in result.output
    assert [r.info.status for r in project.runs()] == ["FAILED"]
