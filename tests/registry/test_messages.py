"""An error that a user can correct has a message of one line."""

import numpy as np
import pytest
from tests.registry.conftest import Project

from crisol.core.errors import MendableError

LINEAR = ("--pipelines", "linear")


def test_an_error_a_user_can_mend_has_no_traceback(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MendableError("linear.train.init_from: promote a version first")

    monkeypatch.setattr(np, "polyfit", refuse)
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert "Error: linear.train.init_from: promote a version first" in result.output
    assert "Traceback" not in result.output
    assert [r.info.status for r in project.runs()] == ["FAILED"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--params", "linear.training=3"), "no node reads the parameters linear.training"),
        (("--params", "liner.train.epochs=3"), "no family reads the parameters liner"),
        (("--params", "data_root="), "data_root names no folder"),
        (("--pipelines", "nobody"), "no pipeline 'nobody'; there are: __default__"),
        (("--env", "nowhere"), "conf/nowhere"),
        (("--params", "epochs=5"), "did you mean linear.train.epochs?"),
        (("--params", "linear.data.names=x, y=2"), "a comma in --params begins the next"),
    ],
)
def test_a_run_that_was_mistyped_is_refused(project: Project, arguments, says: str) -> None:
    result = project.command(
        "run", *(arguments if arguments[0] == "--pipelines" else LINEAR + arguments)
    )
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output
    assert project.runs() == []


@pytest.mark.parametrize("value", ["'a, b'", '"a, b=c"', "[a, b]"])
def test_a_value_that_was_cut_at_its_comma_is_explained(project: Project, value: str) -> None:
    result = project.command("run", *LINEAR, "--params", f"linear.data.names={value}")
    assert result.exit_code != 0
    assert "A comma begins the next parameter" in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_missing_section_is_named(project: Project) -> None:
    local = project.folder / "conf/local/parameters_linear.yml"
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_text("linear: {data: {held_out: 30}}")
    result = project.command("run", *LINEAR)
    assert result.exit_code == 1
    assert "the parameters linear.model are missing" in result.output
    assert "Traceback" not in result.output
    assert project.runs() == []


def test_a_runtime_parameter_changes_one_value(project: Project) -> None:
    """Also where the environment has parameters of another family alone, or of this one."""
    other = project.folder / "conf/local/parameters_signals.yml"
    other.write_text("signals: {data: {}, model: {}, train: {}}")
    given = ("run", *LINEAR, "--params", "linear.data.held_out=30")
    result = project.command(*given)
    assert result.exit_code == 0, result.output
    assert project.runs()[0].data.params["train.epochs"] == "3"
    assert project.runs()[0].data.params["data.held_out"] == "30"
    local = project.folder / "conf/local/parameters_linear.yml"
    local.write_text("linear: {data: {}, model: {}, train: {epochs: 2}}")
    assert project.command(*given).exit_code == 0
    assert project.runs()[0].data.params["train.epochs"] == "2"
    assert project.runs()[0].data.params["data.held_out"] == "30"


@pytest.mark.parametrize("command", [["models"], ["run", "--pipelines", "linear"]])
@pytest.mark.parametrize("left", [60, 8192, -4096])
def test_a_damaged_database_is_named_with_the_remedy(
    project: Project, command: list[str], left: int
) -> None:
    path = project.folder / "mlflow.db"
    path.write_bytes(path.read_bytes()[:left])
    result = project.command(*command)
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1].startswith(f"Error: the MLflow database {path}")
    assert "restore it from a backup, or move the file away" in result.output
    assert "Traceback" not in result.output


def test_a_database_that_is_damaged_inside_is_named(project: Project) -> None:
    """Only reading finds it."""
    path = project.folder / "mlflow.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    result = project.command("models")
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1].startswith("Error: the MLflow database")


def test_broken_files_are_named(project: Project) -> None:
    project.raw.write_bytes(b"")
    result = project.command("run", *LINEAR)
    assert result.exit_code == 1
    assert str(project.raw) in result.output.replace("\n", "")
    broken = project.folder / "conf/base/parameters_linear.yml"
    broken.write_text("linear: {train: {")
    result = project.command("run", *LINEAR)
    assert result.exit_code == 1
    assert str(broken) in result.output.replace("\n", "")
